-- What a payment tells Stripe of its order, so that a database restored to an earlier moment can write the order again
-- (domain/src/memo.rs). Everything is read from rows that never change, so that a call that is made again says the same; the
-- name of the key that seals the contact is written down with the attempt, because keys are rotated.
ALTER TABLE payments ADD COLUMN memo_kid text;

GRANT SELECT (memo_kid) ON payments TO onsale_readonly;

CREATE FUNCTION order_memo(p_sale uuid, p_order uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'hold', o.hold_id, 'number', o.number, 'email', c.email, 'name', c.name,
            'units', (SELECT coalesce(jsonb_agg(jsonb_build_array(u.tier_id, u.unit_no) ORDER BY u.tier_id, u.unit_no), '[]')
                        FROM order_units u WHERE u.sale_id = o.sale_id AND u.order_id = o.id))
          FROM orders o LEFT JOIN contacts c ON c.sale_id = o.sale_id AND c.order_id = o.id
         WHERE o.sale_id = p_sale AND o.id = p_order
    );
END
$$;

-- As V15, with the memo, which an attempt that began without one does not get: its call was made without it.
CREATE OR REPLACE FUNCTION attempt_document(p_payment payments) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN payment_document(p_payment) || jsonb_build_object(
        'confirmation_token', p_payment.confirmation_token, 'return_url', p_payment.return_url,
        'description', p_payment.description, 'key', p_payment.idem_key, 'memo_kid', p_payment.memo_kid,
        'memo', CASE WHEN p_payment.memo_kid IS NOT NULL THEN order_memo(p_payment.sale_id, p_payment.order_id) END);
END
$$;

-- As V51, with the name of the key that seals the contact.
CREATE FUNCTION payment_begin(
    p_payment uuid, p_sale uuid, p_order uuid, p_token text, p_return_url text, p_description text, p_capture text,
    p_livemode boolean, p_window_s integer, p_life_max_s integer, p_kid text)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    -- ATTEMPT_SENT_S and ATTEMPT_TAKEN_UP_S of the domain.
    v_sent     constant interval := '45 s';
    v_taken_up constant interval := '120 s';
    v_now      timestamptz := onsale_now();
    v_order    orders%ROWTYPE;
    v_payment  payments%ROWTYPE;
    v_attempt  integer;
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
    ELSIF v_payment.id IS NULL AND p_token IS NULL THEN
        RETURN jsonb_build_object('outcome', 'nothing_under_way');
    END IF;

    UPDATE orders SET changed_at = v_now, expires_at = greatest(expires_at, least(
               v_now + make_interval(secs => p_window_s), created_at + make_interval(secs => p_life_max_s)))
     WHERE sale_id = p_sale AND id = p_order;
    IF v_payment.id IS NOT NULL AND (v_payment.key_spent OR v_payment.begun_at + v_taken_up <= v_now) THEN
        RETURN jsonb_build_object('outcome', 'looked_for');
    ELSIF v_payment.id IS NOT NULL THEN
        UPDATE payments SET sent_until = v_now + v_sent, look_at = v_now + v_sent
         WHERE sale_id = p_sale AND id = v_payment.id;
        RETURN jsonb_build_object('outcome', 'resume', 'attempt', attempt_document(v_payment));
    END IF;

    -- An intent that failed can still be paid by whoever has its secret: its place is taken, and Stripe is told.
    UPDATE payments SET superseded = true WHERE sale_id = p_sale AND order_id = p_order AND NOT superseded;
    PERFORM payments_give_up(p_sale, p_order);
    SELECT coalesce(max(attempt), 0) + 1 INTO v_attempt FROM payments WHERE sale_id = p_sale AND order_id = p_order;
    INSERT INTO payments (sale_id, id, order_id, attempt, livemode, capture, currency, amount, idem_key,
                          confirmation_token, return_url, description, begun_at, changed_at, sent_until, look_at, memo_kid)
    VALUES (p_sale, p_payment, p_order, v_attempt, p_livemode, p_capture, v_order.currency, v_order.total,
            format('create:%s:%s', p_order, v_attempt), p_token, p_return_url, p_description, v_now, v_now,
            v_now + v_sent, v_now + v_sent, p_kid)
    RETURNING * INTO v_payment;
    RETURN jsonb_build_object('outcome', 'begun', 'attempt', attempt_document(v_payment));
END
$$;

-- For gateways of before, until the last of them is gone.
CREATE OR REPLACE FUNCTION payment_begin(
    p_payment uuid, p_sale uuid, p_order uuid, p_token text, p_return_url text, p_description text, p_capture text,
    p_livemode boolean, p_window_s integer, p_life_max_s integer)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN payment_begin(p_payment, p_sale, p_order, p_token, p_return_url, p_description, p_capture, p_livemode, p_window_s,
                         p_life_max_s, NULL);
END
$$;

-- The units whose tickets a refund gives back: what the refund tells Stripe.
CREATE FUNCTION refund_units(p_sale uuid, p_refund uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_array(t.tier_id, t.unit_no) ORDER BY t.tier_id, t.unit_no), '[]')
          FROM refund_tickets r JOIN tickets t ON t.sale_id = r.sale_id AND t.id = r.ticket_id
         WHERE r.sale_id = p_sale AND r.refund_id = p_refund
    );
END
$$;

GRANT EXECUTE ON FUNCTION payment_begin(uuid, uuid, uuid, text, text, text, text, boolean, integer, integer, text)
    TO onsale_gateway;
GRANT EXECUTE ON FUNCTION refund_units(uuid, uuid) TO onsale_workers;
