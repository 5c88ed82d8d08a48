-- Calling a sale off. The organizer's act is one transaction; workers wind up what it leaves, order by order, each in a transaction of
-- its own. `ledger/src/sales/cancelling.rs` says what it promises.
--
-- | row | means | goes on as |
-- |---|---|---|
-- | `sale_cancellations`, `walked_at` null | orders up to `after` (by id) were met, the others were not | the next order is met |
-- | the same, `walked_at` set | every order was met | stays |
-- | `called_off_orders`, `look_at` set | a bank has not decided yet, or the order refused | is met again then, or when the bank gives back |
-- | the same, `look_at` null | all was done that is to be done | stays |
--
-- No order is written behind the walk: the act takes the gate of the sale alone, so whoever was about to write one has, and whoever
-- comes later reads that the sale is called off. No order comes back to life before it either: `order_reclaim` refuses.
--
-- Order of locks: the cancellation's row (of the walk alone), gate, order, payment, tickets, waitlist, units.

CREATE TABLE sale_cancellations (
    sale_id   uuid        NOT NULL,
    asked_at  timestamptz NOT NULL,
    asked_by  text        NOT NULL,
    -- The last order that was met.
    after     uuid,
    walked_at timestamptz,
    CONSTRAINT sale_cancellations_pkey PRIMARY KEY (sale_id),
    CONSTRAINT sale_cancellations_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT sale_cancellations_walked_check CHECK (walked_at >= asked_at)
) WITH (fillfactor = 50);
CREATE INDEX sale_cancellations_walk_idx ON sale_cancellations (asked_at) WHERE walked_at IS NULL;

-- What was done about an order because its sale was called off; an order that was over by then has none.
CREATE TABLE called_off_orders (
    sale_id   uuid        NOT NULL,
    order_id  uuid        NOT NULL,
    -- Its state when it was met.
    was       text        NOT NULL,
    -- What it gives back, if anything was to be had.
    refund_id uuid,
    at        timestamptz NOT NULL,
    look_at   timestamptz,
    CONSTRAINT called_off_orders_pkey PRIMARY KEY (sale_id, order_id),
    CONSTRAINT called_off_orders_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id),
    CONSTRAINT called_off_orders_refund_fkey FOREIGN KEY (sale_id, refund_id) REFERENCES refunds (sale_id, id),
    CONSTRAINT called_off_orders_was_check CHECK (was NOT IN ('expired', 'cancelled')),
    CONSTRAINT called_off_orders_refund_check CHECK (refund_id IS NULL OR was NOT IN ('awaiting_payment', 'processing'))
);
CREATE INDEX called_off_orders_look_idx ON called_off_orders (look_at) WHERE look_at IS NOT NULL;

-- Whether the letter that the sale is called off told of this refund.
ALTER TABLE refunds ADD COLUMN called_off boolean NOT NULL DEFAULT false;

GRANT SELECT ON sale_cancellations, called_off_orders TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT SELECT (called_off) ON refunds TO onsale_readonly;

-- As V10. Who was told that the sale is called off, and that nothing is to be paid, is not told so again.
CREATE OR REPLACE FUNCTION mail_add(p_sale uuid, p_order uuid, p_kind text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_kind IN ('mail_payment_released', 'mail_payment_refunded')
       AND EXISTS (SELECT FROM called_off_orders WHERE sale_id = p_sale AND order_id = p_order
                                                   AND was IN ('awaiting_payment', 'processing')) THEN
        RETURN;
    END IF;
    PERFORM job_add(p_sale, 'mail', p_kind, format('%s:%s', p_kind, p_order), jsonb_build_object('order', p_order));
END
$$;

-- As V31. A refund that the letter of a sale that is called off told of is not told of twice.
CREATE OR REPLACE FUNCTION refund_tell(p_order uuid, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_refund.request_key IS NOT NULL AND NOT p_refund.called_off THEN
        PERFORM job_add(p_refund.sale_id, 'mail', 'mail_refund_made', format('mail_refund_made:%s', p_refund.id),
                        jsonb_build_object('order', p_order, 'refund', p_refund.id));
    END IF;
END
$$;

-- Calls a sale off, if it is in one of these states; answers whether this call did. Alone in the gate: whoever was selling has sold.
CREATE FUNCTION sale_cancel(p_organizer uuid, p_sale uuid, p_from text[], p_by text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale sales;
    v_now  timestamptz := onsale_now();
BEGIN
    PERFORM pg_advisory_xact_lock(gate_of(p_sale));
    v_sale := sale_lock(p_organizer, p_sale, p_from);
    IF v_sale.id IS NULL THEN
        RETURN false;
    END IF;
    UPDATE sales
       SET state = 'cancelled', version = version + 1, changed_at = v_now, paused_at = NULL,
           paused_for = paused_for + coalesce(v_now - paused_at, '0')
     WHERE id = p_sale;
    INSERT INTO sale_cancellations (sale_id, asked_at, asked_by) VALUES (p_sale, v_now, p_by);
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, p_by, 'sale_cancelled', jsonb_build_object('before', v_sale.state, 'after', 'cancelled'));
    RETURN true;
END
$$;

-- Step: a capture that nobody has begun is not begun any more. One that somebody has may take the money; then it came too late.
CREATE FUNCTION captures_drop(p_sale uuid, p_order uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE outbox j SET state = 'dropped', last_error = 'the sale was called off'
      FROM payments p
     WHERE p.sale_id = p_sale AND p.order_id = p_order
       AND j.sale_id = p_sale AND j.dedup_key = format('payment_capture:%s', p.id)
       AND j.state = 'pending' AND j.attempts = 0;
END
$$;

-- Step: all that is left of a paid order goes back, fees and all, and its tickets become void; those that opened the door stay as they
-- are, and are paid back too. What a bank has is not given back a second time. Null where there is nothing to give back.
CREATE FUNCTION refund_call_off(p_order orders, p_payment payments, p_told boolean, p_by text) RETURNS uuid
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    c_refund  constant uuid := onsale_uuid();
    v_key     constant bytea := sha256(uuid_send(c_refund));
    v_pool    constant money_parts := payment_parts_left(p_payment);
    v_amount  constant bigint := refund_rest(p_payment, v_pool);
    v_parts   constant money_parts := parts_split(v_amount, v_pool);
    v_tickets uuid[];
    v_refund  refunds%ROWTYPE;
BEGIN
    PERFORM FROM tickets WHERE sale_id = p_order.sale_id AND order_id = p_order.id ORDER BY tier_id, unit_no, id FOR NO KEY UPDATE;
    v_tickets := ARRAY(SELECT tickets_to_give(p_order.sale_id, p_order.id));
    IF v_amount = 0 AND cardinality(v_tickets) = 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO refunds (sale_id, id, payment_id, order_id, origin, reason, amount, base, fee, tax, request_key, request_hash, state,
                         called_off)
    VALUES (p_order.sale_id, c_refund, p_payment.id, CASE WHEN p_payment.id IS NULL THEN p_order.id END, 'onsale', 'sale_cancelled',
            v_amount, v_parts.base, v_parts.fee, v_parts.tax, v_key, v_key,
            CASE v_amount WHEN 0 THEN 'succeeded' ELSE 'planned' END, p_told)
    RETURNING * INTO v_refund;
    PERFORM tickets_give_back(p_order, p_payment, v_refund, v_tickets);
    PERFORM refund_owe(p_payment, v_refund);
    PERFORM order_flag(p_order.sale_id, p_order.id);
    IF v_refund.state = 'succeeded' THEN
        PERFORM refund_tell(p_order.id, v_refund);
    END IF;
    PERFORM refund_asked(p_order, v_refund, 'sale_cancelled', p_by);
    RETURN c_refund;
END
$$;

-- Step: an order of a sale that is called off, which the caller has locked. Answers ended (it was not paid), refunded, waits (a bank
-- decides first) or nothing. Its buyer is told once, when it is met for the first time.
CREATE FUNCTION order_call_off(p_order orders, p_by text) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    c_again_in constant interval := interval '1 minute';
    v_sale     constant uuid := p_order.sale_id;
    v_is_first constant boolean := NOT EXISTS (SELECT FROM called_off_orders
                                                WHERE sale_id = v_sale AND order_id = p_order.id AND was <> 'stuck');
    v_payment  payments%ROWTYPE;
    v_refund   uuid;
    v_waits    boolean := false;
BEGIN
    IF p_order.state IN ('expired', 'cancelled') THEN
        UPDATE called_off_orders SET look_at = NULL WHERE sale_id = v_sale AND order_id = p_order.id;
        RETURN 'nothing';
    ELSIF p_order.state IN ('awaiting_payment', 'processing') THEN
        PERFORM captures_drop(v_sale, p_order.id);
        PERFORM order_end(v_sale, p_order.id, 'cancelled');
    ELSE
        v_payment := payment_to_refund(p_order);
        IF v_payment.order_id IS NULL THEN
            UPDATE called_off_orders SET look_at = NULL WHERE sale_id = v_sale AND order_id = p_order.id;
            RETURN 'nothing';
        END IF;
        v_waits := v_payment.id IS NOT NULL AND payment_is_undecided(v_payment);
        v_refund := refund_call_off(p_order, v_payment, v_is_first, p_by);
        IF v_refund IS NULL AND NOT v_waits AND v_is_first THEN
            DELETE FROM called_off_orders WHERE sale_id = v_sale AND order_id = p_order.id;
            RETURN 'nothing';
        END IF;
    END IF;
    INSERT INTO called_off_orders AS c (sale_id, order_id, was, refund_id, at, look_at)
    VALUES (v_sale, p_order.id, p_order.state, v_refund, onsale_now(), CASE WHEN v_waits THEN onsale_now() + c_again_in END)
        ON CONFLICT ON CONSTRAINT called_off_orders_pkey DO UPDATE
       SET look_at = excluded.look_at, was = CASE c.was WHEN 'stuck' THEN excluded.was ELSE c.was END,
           refund_id = coalesce(c.refund_id, excluded.refund_id);
    IF v_is_first THEN
        PERFORM job_add(v_sale, 'mail', 'mail_sale_cancelled', format('mail_sale_cancelled:%s', p_order.id),
                        jsonb_build_object('order', p_order.id, 'refund', v_refund));
    END IF;
    RETURN CASE WHEN v_waits THEN 'waits' WHEN v_refund IS NOT NULL THEN 'refunded' WHEN v_payment.order_id IS NULL THEN 'ended'
                ELSE 'nothing' END;
END
$$;

-- What a bank gives back is its buyer's from that transaction on; else the books would have a void ticket and nobody who is paid for
-- it. At the end of the transaction, when the dispute says what it came to.
CREATE FUNCTION called_off_money_came_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_order orders%ROWTYPE;
    v_by    text := (SELECT asked_by FROM sale_cancellations WHERE sale_id = NEW.sale_id);
BEGIN
    IF EXISTS (SELECT FROM called_off_orders WHERE sale_id = NEW.sale_id AND order_id = NEW.order_id) THEN
        SELECT * INTO v_order FROM orders WHERE sale_id = NEW.sale_id AND id = NEW.order_id FOR NO KEY UPDATE;
        PERFORM order_call_off(v_order, v_by);
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER called_off_money_came_back AFTER UPDATE ON payments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.disputed < OLD.disputed OR NEW.exchanged < OLD.exchanged)
    EXECUTE FUNCTION called_off_money_came_back();

-- Step: as `order_call_off`, where one order that refuses must not keep the others from their money: it is met again, and people are told.
CREATE FUNCTION order_call_off_or_stick(p_order orders, p_by text) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    c_again_in constant interval := interval '1 minute';
BEGIN
    RETURN order_call_off(p_order, p_by);
EXCEPTION WHEN integrity_constraint_violation THEN
    RAISE WARNING 'order % of the called off sale % cannot be wound up: %', p_order.id, p_order.sale_id, SQLERRM;
    INSERT INTO called_off_orders (sale_id, order_id, was, at, look_at)
    VALUES (p_order.sale_id, p_order.id, 'stuck', onsale_now(), onsale_now() + c_again_in)
        ON CONFLICT ON CONSTRAINT called_off_orders_pkey DO UPDATE SET look_at = excluded.look_at;
    RETURN 'stuck';
END
$$;

-- Meets the next order of the sale that was called off first, and says what came of it; no order when the last one was met. No row when
-- there is no such sale, or other workers are at them. One order a call: two in one transaction would lock units of two orders in no
-- common order with anybody else.
CREATE FUNCTION sale_wind_up_next() RETURNS TABLE (sale_id uuid, order_id uuid, outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_cancelled sale_cancellations%ROWTYPE;
    v_order     orders%ROWTYPE;
BEGIN
    SELECT c.* INTO v_cancelled FROM sale_cancellations c
     WHERE c.walked_at IS NULL ORDER BY c.asked_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM gate_enter(v_cancelled.sale_id);
    SELECT o.* INTO v_order FROM orders o
     WHERE o.sale_id = v_cancelled.sale_id AND (v_cancelled.after IS NULL OR o.id > v_cancelled.after)
       AND o.state NOT IN ('expired', 'cancelled')
     ORDER BY o.id LIMIT 1;
    IF NOT FOUND THEN
        UPDATE sale_cancellations SET walked_at = onsale_now() WHERE sale_id = v_cancelled.sale_id;
        RETURN QUERY SELECT v_cancelled.sale_id, NULL::uuid, 'over';
        RETURN;
    END IF;
    SELECT o.* INTO v_order FROM orders o WHERE o.sale_id = v_order.sale_id AND o.id = v_order.id FOR NO KEY UPDATE;
    RETURN QUERY SELECT v_order.sale_id, v_order.id, order_call_off_or_stick(v_order, v_cancelled.asked_by);
    UPDATE sale_cancellations SET after = v_order.id WHERE sale_id = v_cancelled.sale_id;
END
$$;

-- Meets an order again that waits, when its time has come; no row when there is none.
CREATE FUNCTION called_off_settle_next(p_look integer) RETURNS TABLE (sale_id uuid, order_id uuid, outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_due   record;
    v_order orders%ROWTYPE;
BEGIN
    FOR v_due IN
        SELECT c.sale_id, c.order_id, s.asked_by FROM called_off_orders c JOIN sale_cancellations s ON s.sale_id = c.sale_id
         WHERE c.look_at <= (SELECT onsale_now()) ORDER BY c.look_at LIMIT p_look
    LOOP
        PERFORM gate_enter(v_due.sale_id);
        SELECT o.* INTO v_order FROM orders o WHERE o.sale_id = v_due.sale_id AND o.id = v_due.order_id FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND AND EXISTS (SELECT FROM called_off_orders c
                              WHERE c.sale_id = v_due.sale_id AND c.order_id = v_due.order_id AND c.look_at <= (SELECT onsale_now())) THEN
            RETURN QUERY SELECT v_order.sale_id, v_order.id, order_call_off_or_stick(v_order, v_due.asked_by);
            RETURN;
        END IF;
    END LOOP;
END
$$;

GRANT EXECUTE ON FUNCTION sale_cancel(uuid, uuid, text[], text) TO onsale_gateway;
GRANT EXECUTE ON FUNCTION sale_wind_up_next(), called_off_settle_next(integer) TO onsale_workers;
