-- News of refunds. Each refund at Stripe is booked once, by our own id of it; what we did not start is booked too, to
-- suspense, because it is a fact.
CREATE FUNCTION refund_of(p_payment payments, p_stripe_id text, p_refund uuid, p_amount bigint) RETURNS SETOF refunds
LANGUAGE sql VOLATILE
SET search_path = public, pg_temp
AS $$
    SELECT * FROM refunds r
     WHERE r.sale_id = p_payment.sale_id AND r.payment_id = p_payment.id
       AND (r.stripe_id = p_stripe_id
            OR (r.stripe_id IS NULL AND r.amount = p_amount AND r.id = coalesce(p_refund, r.id)))
     ORDER BY r.stripe_id IS NULL, r.id
     LIMIT 1
       FOR NO KEY UPDATE
$$;

-- Step: books a refund that counts.
CREATE FUNCTION refund_book(p_order orders, p_payment payments, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_from constant text := CASE p_refund.origin WHEN 'onsale' THEN 'refund_due' ELSE 'suspense' END;
BEGIN
    PERFORM post(p_payment.sale_id, 'refunded', format('refund:%s', p_refund.id), p_payment.order_id, p_payment.intent_id,
                 onsale_now(), NULL, NULL,
                 ARRAY[ROW(v_from, p_payment.currency, p_refund.amount)::leg,
                       ROW('payment_clearing', p_payment.currency, -p_refund.amount)::leg]);
    UPDATE payments SET refunded = refunded + p_refund.amount, changed_at = onsale_now()
     WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    -- A payment that came too late bought nothing: giving it back says nothing about the order.
    UPDATE orders SET changed_at = onsale_now(),
           state = CASE WHEN p_payment.refunded + p_refund.amount = p_payment.captured THEN 'refunded' ELSE 'partially_refunded' END
     WHERE sale_id = p_order.sale_id AND id = p_order.id AND NOT p_payment.superseded
       AND state IN ('paid', 'partially_refunded');
END
$$;

-- Step: takes a booked refund back, because the money did not arrive. The order stays as it is, for people to look at.
CREATE FUNCTION refund_unbook(p_payment payments, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_booked uuid;
    v_legs   leg[];
BEGIN
    SELECT id INTO v_booked FROM transfers WHERE sale_id = p_refund.sale_id AND idem_key = format('refund:%s', p_refund.id);
    SELECT array_agg(ROW(account, unit_of_account, -amount)::leg ORDER BY leg) INTO v_legs
      FROM entries WHERE sale_id = p_refund.sale_id AND transfer_id = v_booked;
    PERFORM post(p_payment.sale_id, 'refund_reversed', format('refund:%s:reversed', p_refund.id), p_payment.order_id,
                 p_payment.intent_id, onsale_now(), NULL, v_booked, v_legs);
    UPDATE payments SET refunded = refunded - p_refund.amount, changed_at = onsale_now()
     WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
END
$$;

CREATE FUNCTION refund_merge(p_order orders, p_payment payments, p_refund refunds, p_status text) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_refund.state = p_status OR p_refund.state = 'failed' OR (p_refund.state = 'succeeded' AND p_status = 'pending') THEN
        RETURN 'nothing';
    END IF;
    UPDATE refunds SET state = p_status, changed_at = onsale_now() WHERE sale_id = p_refund.sale_id AND id = p_refund.id;
    IF p_status = 'failed' AND p_refund.state IN ('pending', 'succeeded') THEN
        PERFORM refund_unbook(p_payment, p_refund);
        RETURN 'failed';
    ELSIF p_status = 'failed' THEN
        RETURN 'failed';
    ELSIF p_refund.state = 'pending' THEN
        RETURN 'nothing';
    END IF;
    PERFORM refund_book(p_order, p_payment, p_refund);
    RETURN 'booked';
END
$$;

CREATE FUNCTION refund_apply(p_event text, p_stripe_id text, p_refund uuid, p_intent text, p_amount bigint, p_currency text, p_status text)
RETURNS TABLE (outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_order   orders%ROWTYPE;
    v_payment payments%ROWTYPE;
    v_refund  refunds%ROWTYPE;
BEGIN
    SELECT * INTO v_payment FROM payments p WHERE p.intent_id = p_intent;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_payment', NULL::text;
        RETURN;
    END IF;
    SELECT * INTO v_order FROM orders o WHERE o.sale_id = v_payment.sale_id AND o.id = v_payment.order_id FOR NO KEY UPDATE;
    SELECT * INTO v_payment FROM payments p WHERE p.sale_id = v_payment.sale_id AND p.id = v_payment.id FOR NO KEY UPDATE;
    SELECT * INTO v_refund FROM refund_of(v_payment, p_stripe_id, p_refund, p_amount);

    reason := CASE
        WHEN p_currency <> v_payment.currency THEN 'currency'
        WHEN v_refund.id IS NOT NULL AND v_refund.amount <> p_amount THEN 'amount'
        -- Giving up an authorisation looks like a refund of money that was never taken.
        WHEN v_refund.id IS NULL AND v_payment.captured > 0 AND v_payment.refunded + p_amount > v_payment.captured
            THEN 'more_than_captured'
    END;
    IF reason IS NOT NULL THEN
        PERFORM event_mark(p_event, 'quarantined', reason);
        RETURN QUERY SELECT 'quarantined', reason;
        RETURN;
    END IF;

    IF v_refund.id IS NULL AND v_payment.captured = 0 THEN
        outcome := 'nothing';
    ELSE
        IF v_refund.id IS NULL THEN
            INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount, stripe_id)
            VALUES (v_payment.sale_id, onsale_uuid(), v_payment.id, 'stripe', 'made_at_stripe', p_amount, p_stripe_id)
            RETURNING * INTO v_refund;
        ELSE
            UPDATE refunds r SET stripe_id = p_stripe_id WHERE r.sale_id = v_refund.sale_id AND r.id = v_refund.id;
        END IF;
        outcome := refund_merge(v_order, v_payment, v_refund, p_status);
    END IF;
    PERFORM event_mark(p_event, 'done', outcome);
    RETURN NEXT;
END
$$;
