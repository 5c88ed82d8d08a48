-- Attempts to pay whose answer nobody heard come to an end.
--
-- An attempt is unheard of while it is `planned` and has no intent. `sent_until` says until when somebody may be sending its
-- call; then workers look for it at Stripe (`look_at`), and once it is nowhere although it was not sent for a minute, it was
-- never made. The rule is told in ledger/src/payments/attempt.rs.
ALTER TABLE payments
    ADD COLUMN sent_until timestamptz,
    ADD COLUMN look_at    timestamptz,
    -- Stripe repeats a failure under its key for good: sending the call again tells nothing.
    ADD COLUMN key_spent  boolean NOT NULL DEFAULT false;

UPDATE payments SET sent_until = begun_at + interval '45 s', look_at = begun_at + interval '45 s'
 WHERE state = 'planned' AND intent_id IS NULL;

-- What is heard of leaves it: it has as many rows as there are calls under way.
CREATE INDEX payments_unheard_idx ON payments (look_at) WHERE state = 'planned' AND intent_id IS NULL;

GRANT SELECT (sent_until, look_at, key_spent) ON payments TO onsale_readonly;

-- As V15, but an attempt that nobody heard of is sent again for so long only, and not under a key that is spent; afterwards it
-- is being looked for, and whoever presses Pay waits for what comes of that.
CREATE OR REPLACE FUNCTION payment_begin(
    p_payment uuid, p_sale uuid, p_order uuid, p_token text, p_return_url text, p_description text, p_capture text,
    p_livemode boolean, p_window_s integer, p_life_max_s integer)
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
                          confirmation_token, return_url, description, begun_at, changed_at, sent_until, look_at)
    VALUES (p_sale, p_payment, p_order, v_attempt, p_livemode, p_capture, v_order.currency, v_order.total,
            format('create:%s:%s', p_order, v_attempt), p_token, p_return_url, p_description, v_now, v_now,
            v_now + v_sent, v_now + v_sent)
    RETURNING * INTO v_payment;
    RETURN jsonb_build_object('outcome', 'begun', 'attempt', attempt_document(v_payment));
END
$$;

-- The key of an attempt is spent: whoever still sends its call changes nothing, so it is looked for from now on.
CREATE FUNCTION payment_key_spent(p_sale uuid, p_order uuid, p_payment uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    UPDATE payments
       SET key_spent = true, sent_until = least(sent_until, onsale_now()), look_at = onsale_now(), changed_at = onsale_now()
     WHERE sale_id = p_sale AND id = p_payment AND order_id = p_order
       AND state = 'planned' AND intent_id IS NULL AND NOT key_spent;
END
$$;

-- Attempts to look for now, at most so many, each the caller's alone until it is due again: soon at first, then every eighth of
-- the time it has been looked for. Over `p_after_s` it was not sent for so long that it may end.
CREATE FUNCTION attempts_look(p_limit integer, p_again_s integer, p_after_s integer)
RETURNS TABLE (sale_id uuid, order_id uuid, payment_id uuid, attempt integer, begun_at timestamptz, sent_until timestamptz,
               may_end boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now constant timestamptz := onsale_now();
BEGIN
    RETURN QUERY
    WITH due AS MATERIALIZED (
        SELECT sale_id, id FROM payments
         WHERE state = 'planned' AND intent_id IS NULL AND look_at <= v_now
         ORDER BY look_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE payments p
       SET look_at = v_now + greatest(make_interval(secs => p_again_s), (v_now - p.sent_until) / 8)
      FROM due WHERE p.sale_id = due.sale_id AND p.id = due.id
    RETURNING p.sale_id, p.order_id, p.id, p.attempt, p.begun_at, p.sent_until,
              p.sent_until + make_interval(secs => p_after_s) <= v_now;
END
$$;

-- Stripe does not have an attempt that nobody heard of: it ends, and the next press of Pay begins another. Says whether it did;
-- it does not if it was heard of or sent again in the meantime.
CREATE FUNCTION payment_never_made(p_sale uuid, p_order uuid, p_payment uuid, p_after_s integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    UPDATE payments SET state = 'failed', failure = 'never_made', changed_at = onsale_now()
     WHERE sale_id = p_sale AND id = p_payment AND order_id = p_order
       AND state = 'planned' AND intent_id IS NULL
       AND sent_until + make_interval(secs => p_after_s) <= onsale_now();
    RETURN FOUND;
END
$$;

-- As V16: a payment moves on and nothing else does. But one that is heard of only after its order is over is given up at Stripe,
-- as those are that were known when it ended.
CREATE OR REPLACE FUNCTION payment_moves(p_payment payments, p_state text) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE payments SET state = p_state, changed_at = onsale_now() WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    IF p_state IN ('requires_action', 'processing') AND EXISTS (
        SELECT FROM orders WHERE sale_id = p_payment.sale_id AND id = p_payment.order_id AND state IN ('expired', 'cancelled')) THEN
        PERFORM intent_job_add(p_payment, 'payment_cancel');
    END IF;
    RETURN 'nothing';
END
$$;

GRANT EXECUTE ON FUNCTION payment_key_spent(uuid, uuid, uuid) TO onsale_gateway;
GRANT EXECUTE ON FUNCTION attempts_look(integer, integer, integer), payment_never_made(uuid, uuid, uuid, integer) TO onsale_workers;
