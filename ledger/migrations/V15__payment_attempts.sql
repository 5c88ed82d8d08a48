-- Acts on attempts to pay: begun before Stripe is called, answered afterwards.
--
-- Order of locks, kept by all: gate, order, payment, units.

-- What a call to Stripe is made of; read from the row that was written before the call.
CREATE FUNCTION attempt_document(p_payment payments) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN payment_document(p_payment) || jsonb_build_object(
        'confirmation_token', p_payment.confirmation_token, 'return_url', p_payment.return_url,
        'description', p_payment.description, 'key', p_payment.idem_key);
END
$$;

-- Begins an attempt, or says why not. The order's clock moves to the end of the window for paying, but never past the
-- end of the order's life: pressing Pay again and again does not hold units for ever.
CREATE FUNCTION payment_begin(
    p_payment uuid, p_sale uuid, p_order uuid, p_token text, p_return_url text, p_description text, p_capture text,
    p_livemode boolean, p_window_s integer, p_life_max_s integer)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_now     timestamptz := onsale_now();
    v_order   orders%ROWTYPE;
    v_payment payments%ROWTYPE;
    v_attempt integer;
BEGIN
    SELECT * INTO v_order FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    ELSIF v_order.total = 0 THEN
        RETURN jsonb_build_object('outcome', 'free_order');
    ELSIF v_order.state = 'expired' OR (v_order.state = 'awaiting_payment' AND v_order.expires_at <= v_now) THEN
        RETURN jsonb_build_object('outcome', 'order_expired');
    ELSIF v_order.state NOT IN ('awaiting_payment', 'processing') THEN
        RETURN jsonb_build_object('outcome', 'not_payable', 'state', v_order.state);
    END IF;

    SELECT * INTO v_payment FROM payments
     WHERE sale_id = p_sale AND order_id = p_order AND NOT superseded AND state NOT IN ('failed', 'cancelled')
       FOR NO KEY UPDATE;
    IF FOUND AND v_payment.intent_id IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'live', 'payment', payment_document(v_payment));
    ELSIF NOT FOUND AND v_order.state = 'processing' THEN
        RETURN jsonb_build_object('outcome', 'not_payable', 'state', v_order.state);
    END IF;

    UPDATE orders SET changed_at = v_now, expires_at = greatest(expires_at, least(
               v_now + make_interval(secs => p_window_s), created_at + make_interval(secs => p_life_max_s)))
     WHERE sale_id = p_sale AND id = p_order;
    IF v_payment.id IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'resume', 'attempt', attempt_document(v_payment));
    END IF;

    -- An intent that failed can still be paid by whoever has its secret: its place is taken, and Stripe is told.
    UPDATE payments SET superseded = true WHERE sale_id = p_sale AND order_id = p_order AND NOT superseded;
    PERFORM payments_give_up(p_sale, p_order);
    SELECT coalesce(max(attempt), 0) + 1 INTO v_attempt FROM payments WHERE sale_id = p_sale AND order_id = p_order;
    INSERT INTO payments (sale_id, id, order_id, attempt, livemode, capture, currency, amount, idem_key,
                          confirmation_token, return_url, description, begun_at, changed_at)
    VALUES (p_sale, p_payment, p_order, v_attempt, p_livemode, p_capture, v_order.currency, v_order.total,
            format('create:%s:%s', p_order, v_attempt), p_token, p_return_url, p_description, v_now, v_now)
    RETURNING * INTO v_payment;
    RETURN jsonb_build_object('outcome', 'begun', 'attempt', attempt_document(v_payment));
END
$$;

-- Stripe declined or refused an attempt.
CREATE FUNCTION payment_refused(p_sale uuid, p_order uuid, p_payment uuid, p_intent text, p_code text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    UPDATE payments
       SET intent_id = coalesce(intent_id, p_intent), failure = p_code, changed_at = onsale_now(),
           state = CASE WHEN state IN ('planned', 'requires_action', 'processing') THEN 'failed' ELSE state END
     WHERE sale_id = p_sale AND id = p_payment AND order_id = p_order;
END
$$;

CREATE FUNCTION order_and_payment(p_sale uuid, p_payment uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object('order', o.state, 'payment', payment_document(p))
          FROM payments p JOIN orders o ON o.sale_id = p.sale_id AND o.id = p.order_id
         WHERE p.sale_id = p_sale AND p.id = p_payment
    );
END
$$;
