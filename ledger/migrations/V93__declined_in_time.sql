-- What a press of Pay adds to the time of an order is for the bank and its customer. Once the bank has said no it is of no more use,
-- and others wait for the units: from then on the order has as long as it was given at first, to fill in the form again, and never
-- more than it had. An attempt that nobody knows anything of takes nothing back, for the bank may have said yes; neither does one of
-- before this migration, or one that was written again after a restore.

-- When the order would have ended without this press. The first press finds the time that it was given.
ALTER TABLE payments ADD COLUMN order_until timestamptz;

GRANT SELECT (order_until) ON payments TO onsale_readonly;

CREATE FUNCTION attempt_failed_gives_time_back() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_until constant timestamptz := onsale_now() + (
        SELECT min(p.order_until) - o.created_at FROM payments p JOIN orders o ON o.sale_id = p.sale_id AND o.id = p.order_id
         WHERE p.sale_id = NEW.sale_id AND p.order_id = NEW.order_id GROUP BY o.created_at);
BEGIN
    UPDATE orders SET changed_at = onsale_now(), expires_at = v_until
     WHERE sale_id = NEW.sale_id AND id = NEW.order_id AND state = 'awaiting_payment' AND expires_at > v_until;
    RETURN NULL;
END
$$;

-- Whoever says that an attempt failed has locked its order before it.
CREATE TRIGGER attempt_failed_gives_time_back AFTER UPDATE OF state ON payments
    FOR EACH ROW WHEN (NEW.state IN ('failed', 'cancelled') AND OLD.state NOT IN ('failed', 'cancelled') AND NOT NEW.superseded
                       AND NEW.failure IS DISTINCT FROM 'never_made')
    EXECUTE FUNCTION attempt_failed_gives_time_back();

-- As V90, with the time that the order had.
CREATE OR REPLACE FUNCTION payment_begin(
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
                          confirmation_token, return_url, description, begun_at, changed_at, sent_until, look_at, memo_kid,
                          order_until)
    VALUES (p_sale, p_payment, p_order, v_attempt, p_livemode, p_capture, v_order.currency, v_order.total,
            format('create:%s:%s', p_order, v_attempt), p_token, p_return_url, p_description, v_now, v_now,
            v_now + v_sent, v_now + v_sent, p_kid, v_order.expires_at)
    RETURNING * INTO v_payment;
    RETURN jsonb_build_object('outcome', 'begun', 'attempt', attempt_document(v_payment));
END
$$;
