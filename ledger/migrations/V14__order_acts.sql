-- Acts on orders. Each public one is a single autocommitted call; the private ones (no grant) are their steps.
--
-- Order of locks, kept by all: gate, claim of the hold, order, payment, units by (tier, number).

-- The seat legs of an order from one account to another, tier by tier.
CREATE FUNCTION seat_legs(p_sale uuid, p_order uuid, p_from text, p_to text) RETURNS leg[]
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT array_agg(l) FROM (
            SELECT unnest(ARRAY[ROW(p_to, 'seats:' || tier_id, count(*))::leg, ROW(p_from, 'seats:' || tier_id, -count(*))::leg]) AS l
              FROM order_units WHERE sale_id = p_sale AND order_id = p_order
             GROUP BY tier_id ORDER BY tier_id) AS legs
    );
END
$$;

-- Step: locks the units of an order in the one order that all follow.
CREATE FUNCTION order_units_lock(p_sale uuid, p_order uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM units u JOIN order_units ou USING (sale_id, tier_id, unit_no)
      WHERE ou.sale_id = p_sale AND ou.order_id = p_order
      ORDER BY u.tier_id, u.unit_no
        FOR NO KEY UPDATE OF u;
END
$$;

-- Step: moves every unit of an order from one state to another, or refuses. The one place where a unit changes hands:
-- the condition on the old state is what makes overselling impossible, whoever calls.
CREATE FUNCTION order_units_move(p_sale uuid, p_order uuid, p_from text, p_to text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_wanted bigint;
    v_moved  bigint;
BEGIN
    PERFORM order_units_lock(p_sale, p_order);
    UPDATE units u
       SET state = p_to, gen = gen + 1, order_id = CASE WHEN p_to IN ('ordered', 'sold') THEN p_order END
      FROM order_units ou
     WHERE ou.sale_id = p_sale AND ou.order_id = p_order
       AND u.sale_id = ou.sale_id AND u.tier_id = ou.tier_id AND u.unit_no = ou.unit_no
       AND u.state = p_from AND (p_from = 'free' OR u.order_id = p_order);
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    SELECT count(*) INTO v_wanted FROM order_units WHERE sale_id = p_sale AND order_id = p_order;
    IF v_moved <> v_wanted THEN
        PERFORM refuse('units_change_hands_once', format('order %s has %s of its %s units %s', p_order, v_moved, v_wanted, p_from));
    END IF;
END
$$;

-- Step: an order takes its units, which are free.
CREATE FUNCTION order_claim(p_sale uuid, p_order uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_claim integer;
BEGIN
    PERFORM order_units_move(p_sale, p_order, 'free', 'ordered');
    UPDATE orders SET claims = claims + 1 WHERE sale_id = p_sale AND id = p_order RETURNING claims INTO v_claim;
    PERFORM post(p_sale, 'seats_ordered', format('order:%s:ordered:%s', p_order, v_claim), p_order, NULL, onsale_now(),
                 NULL, NULL, seat_legs(p_sale, p_order, 'seats_available', 'seats_ordered'));
END
$$;

-- Step: an order gives its units back, and a job tells Redis. The epoch says which Redis: one loaded later has read the
-- units as free already.
CREATE FUNCTION order_release(p_sale uuid, p_order uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_claim integer;
BEGIN
    PERFORM order_units_move(p_sale, p_order, 'ordered', 'free');
    SELECT claims INTO v_claim FROM orders WHERE sale_id = p_sale AND id = p_order;
    PERFORM post(p_sale, 'seats_released', format('order:%s:released:%s', p_order, v_claim), p_order, NULL, onsale_now(),
                 NULL, NULL, seat_legs(p_sale, p_order, 'seats_ordered', 'seats_available'));
    PERFORM job_add(p_sale, 'stock', 'units_return', format('units_return:%s:%s', p_order, v_claim), jsonb_build_object(
        'order', p_order,
        'epoch', (SELECT epoch FROM sales WHERE id = p_sale),
        'units', (SELECT jsonb_agg(jsonb_build_array(tier_id, unit_no) ORDER BY tier_id, unit_no)
                    FROM order_units WHERE sale_id = p_sale AND order_id = p_order)));
END
$$;

-- Step: an expired order takes its units again for a late payment. Only while Redis has not been told that they are back
-- (the job that would tell it was never claimed and is dropped here): afterwards somebody may be holding them, and Redis
-- would go on selling what is taken.
CREATE FUNCTION order_reclaim(p_sale uuid, p_order uuid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM order_units_lock(p_sale, p_order);
    IF EXISTS (SELECT FROM order_units ou JOIN units u USING (sale_id, tier_id, unit_no)
                WHERE ou.sale_id = p_sale AND ou.order_id = p_order AND u.state <> 'free') THEN
        RETURN false;
    END IF;
    UPDATE outbox j SET state = 'dropped', last_error = 'a late payment took the units again'
      FROM orders o, sales s
     WHERE o.sale_id = p_sale AND o.id = p_order AND s.id = p_sale
       AND j.sale_id = p_sale AND j.dedup_key = format('units_return:%s:%s', o.id, o.claims)
       AND j.state = 'pending' AND j.attempts = 0 AND (j.payload ->> 'epoch')::integer = s.epoch;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM order_claim(p_sale, p_order);
    RETURN true;
END
$$;

-- Step: issues the tickets of an order. They must be for exactly its units.
CREATE TYPE ticket_line AS (tier_id text, unit_no integer, id uuid);

CREATE FUNCTION tickets_issue(p_sale uuid, p_order uuid, p_reference text, p_kid text, p_tickets ticket_line[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_wanted bigint;
    v_issued bigint;
BEGIN
    INSERT INTO tickets (sale_id, id, order_id, payment_reference, tier_id, unit_no, qr_kid, issued_at)
    SELECT p_sale, t.id, p_order, p_reference, t.tier_id, t.unit_no, p_kid, onsale_now()
      FROM unnest(p_tickets) AS t JOIN order_units ou
        ON ou.sale_id = p_sale AND ou.order_id = p_order AND ou.tier_id = t.tier_id AND ou.unit_no = t.unit_no;
    GET DIAGNOSTICS v_issued = ROW_COUNT;
    SELECT count(*) INTO v_wanted FROM order_units WHERE sale_id = p_sale AND order_id = p_order;
    IF v_issued <> v_wanted OR v_issued <> cardinality(p_tickets) THEN
        PERFORM refuse('tickets_for_every_unit', format('order %s has %s units and was given %s tickets, of which %s fit',
                                                        p_order, v_wanted, cardinality(p_tickets), v_issued));
    END IF;
END
$$;

-- Step: whatever payments of an order are under way at Stripe are given up there too.
CREATE FUNCTION payments_give_up(p_sale uuid, p_order uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_payment payments%ROWTYPE;
BEGIN
    FOR v_payment IN
        SELECT * FROM payments
         WHERE sale_id = p_sale AND order_id = p_order AND intent_id IS NOT NULL
           AND state IN ('planned', 'requires_action', 'processing', 'authorised', 'failed')
         ORDER BY attempt
    LOOP
        PERFORM intent_job_add(v_payment, 'payment_cancel');
    END LOOP;
END
$$;

-- Step: a call on an intent, to be made by a worker. The idempotency key names operation, order and attempt.
CREATE FUNCTION intent_job_add(p_payment payments, p_kind text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM job_add(p_payment.sale_id, 'stripe', p_kind, format('%s:%s', p_kind, p_payment.id), jsonb_build_object(
        'order', p_payment.order_id, 'payment', p_payment.id, 'intent', p_payment.intent_id,
        'key', format('%s:%s:%s', substr(p_kind, 9), p_payment.order_id, p_payment.attempt)));
END
$$;

-- Writes an order: the hold's verdict, the order's rows, its units and its seats in the books. An order of nothing is
-- paid at once, its own id being the payment reference. Whatever it refuses, it leaves nothing behind.
CREATE FUNCTION order_create(
    p_sale uuid, p_order uuid, p_hold uuid, p_epoch integer, p_number bigint, p_email text, p_name text,
    p_unit_tiers text[], p_unit_nos integer[],
    p_line_kinds text[], p_line_names text[], p_line_tiers text[], p_line_quantities integer[], p_line_amounts bigint[],
    p_currency text, p_total bigint, p_pay_within_s integer,
    p_reference text, p_kid text, p_ticket_ids uuid[])
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_now     timestamptz := onsale_now();
    v_sale    sales%ROWTYPE;
    v_outcome jsonb;
    v_lost    jsonb;
BEGIN
    PERFORM gate_enter(p_sale);

    INSERT INTO hold_claims (sale_id, hold_id, order_id) VALUES (p_sale, p_hold, p_order) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT CASE WHEN order_id IS NULL THEN jsonb_build_object('outcome', 'hold_expired')
                    ELSE jsonb_build_object('outcome', 'existing', 'order', order_document(sale_id, order_id)) END
          INTO v_outcome FROM hold_claims WHERE sale_id = p_sale AND hold_id = p_hold;
        RETURN v_outcome;
    END IF;

    SELECT * INTO v_sale FROM sales WHERE id = p_sale;
    IF v_sale.state IS NULL OR v_sale.state NOT IN ('published', 'paused') THEN
        v_outcome := jsonb_build_object('outcome', 'sale_not_open');
    ELSIF v_sale.epoch <> p_epoch THEN
        v_outcome := jsonb_build_object('outcome', 'epoch_stale');
    ELSE
        PERFORM FROM units u JOIN unnest(p_unit_tiers, p_unit_nos) AS w (tier_id, unit_no) USING (tier_id, unit_no)
          WHERE u.sale_id = p_sale ORDER BY u.tier_id, u.unit_no FOR NO KEY UPDATE OF u;
        SELECT jsonb_agg(jsonb_build_array(w.tier_id, w.unit_no) ORDER BY w.tier_id, w.unit_no) INTO v_lost
          FROM unnest(p_unit_tiers, p_unit_nos) AS w (tier_id, unit_no)
          LEFT JOIN units u ON u.sale_id = p_sale AND u.tier_id = w.tier_id AND u.unit_no = w.unit_no
         WHERE u.state IS DISTINCT FROM 'free';
        IF v_lost IS NOT NULL THEN
            v_outcome := jsonb_build_object('outcome', 'units_lost', 'units', v_lost);
        END IF;
    END IF;
    IF v_outcome IS NOT NULL THEN
        DELETE FROM hold_claims WHERE sale_id = p_sale AND hold_id = p_hold;
        RETURN v_outcome;
    END IF;

    IF p_currency <> v_sale.currency OR p_total <> (SELECT coalesce(sum(amount), 0) FROM unnest(p_line_amounts) AS amount) THEN
        PERFORM refuse('orders_total_is_the_sum', format('order %s: %s %s is not the sum of its lines', p_order, p_total, p_currency));
    END IF;
    INSERT INTO orders (sale_id, id, hold_id, number, epoch, currency, total, created_at, changed_at, expires_at)
    VALUES (p_sale, p_order, p_hold, p_number, p_epoch, p_currency, p_total, v_now, v_now,
            v_now + make_interval(secs => p_pay_within_s));
    INSERT INTO order_lines (sale_id, order_id, line_no, kind, name, tier_id, quantity, amount)
    SELECT p_sale, p_order, line_no, kind, name, tier_id, quantity, amount
      FROM unnest(p_line_kinds, p_line_names, p_line_tiers, p_line_quantities, p_line_amounts)
           WITH ORDINALITY AS l (kind, name, tier_id, quantity, amount, line_no);
    INSERT INTO order_units (sale_id, order_id, tier_id, unit_no)
    SELECT p_sale, p_order, tier_id, unit_no FROM unnest(p_unit_tiers, p_unit_nos) AS w (tier_id, unit_no);
    INSERT INTO contacts (sale_id, order_id, email, name) VALUES (p_sale, p_order, p_email, p_name);
    PERFORM order_claim(p_sale, p_order);

    IF p_total = 0 THEN
        PERFORM order_units_move(p_sale, p_order, 'ordered', 'sold');
        PERFORM post(p_sale, 'seats_sold', format('order:%s:sold', p_order), p_order, p_reference, v_now, NULL, NULL,
                     seat_legs(p_sale, p_order, 'seats_ordered', 'seats_sold'));
        PERFORM tickets_issue(p_sale, p_order, p_reference, p_kid, (
            SELECT array_agg(ROW(tier_id, unit_no, id)::ticket_line)
              FROM unnest(p_unit_tiers, p_unit_nos, p_ticket_ids) AS t (tier_id, unit_no, id)));
        UPDATE orders SET state = 'paid' WHERE sale_id = p_sale AND id = p_order;
        PERFORM mail_add(p_sale, p_order, 'mail_order_paid');
    END IF;
    RETURN jsonb_build_object('outcome', 'created', 'order', order_document(p_sale, p_order));
END
$$;

-- The verdict on a hold that nobody turned into an order: tombstoned or ordered. If an order is being written right now,
-- the insert waits for it and then finds its claim.
CREATE FUNCTION hold_settle(p_sale uuid, p_hold uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_order uuid;
BEGIN
    INSERT INTO hold_claims (sale_id, hold_id) VALUES (p_sale, p_hold) ON CONFLICT DO NOTHING;
    SELECT order_id INTO v_order FROM hold_claims WHERE sale_id = p_sale AND hold_id = p_hold;
    RETURN CASE WHEN v_order IS NULL THEN 'tombstoned' ELSE 'ordered' END;
END
$$;

-- Step: ends an order that waits for payment; its row is locked by the caller.
CREATE FUNCTION order_end(p_sale uuid, p_order uuid, p_state text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE orders SET state = p_state, changed_at = onsale_now() WHERE sale_id = p_sale AND id = p_order;
    PERFORM payments_give_up(p_sale, p_order);
    PERFORM order_release(p_sale, p_order);
END
$$;

-- The buyer gives an unpaid order up.
CREATE FUNCTION order_cancel(p_sale uuid, p_order uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_state text;
BEGIN
    PERFORM gate_enter(p_sale);
    SELECT state INTO v_state FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    ELSIF v_state <> 'awaiting_payment' THEN
        RETURN jsonb_build_object('outcome', 'not_cancellable', 'state', v_state);
    END IF;
    PERFORM order_end(p_sale, p_order, 'cancelled');
    RETURN jsonb_build_object('outcome', 'cancelled', 'order', order_document(p_sale, p_order));
END
$$;

-- Ends one order whose clock ran out and says which; none when there is none that another sweep is not at. One order a
-- call: two in one transaction would lock units of two orders in no common order with anybody else.
CREATE FUNCTION order_expire_next(p_look integer) RETURNS TABLE (sale_id uuid, order_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_due record;
BEGIN
    FOR v_due IN
        SELECT o.sale_id, o.id FROM orders o
         WHERE o.state = 'awaiting_payment' AND o.expires_at <= (SELECT onsale_now())
         ORDER BY o.expires_at LIMIT p_look
    LOOP
        PERFORM gate_enter(v_due.sale_id);
        PERFORM FROM orders o
          WHERE o.sale_id = v_due.sale_id AND o.id = v_due.id
            AND o.state = 'awaiting_payment' AND o.expires_at <= (SELECT onsale_now())
            FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            BEGIN
                PERFORM order_end(v_due.sale_id, v_due.id, 'expired');
                PERFORM mail_add(v_due.sale_id, v_due.id, 'mail_order_expired');
            EXCEPTION WHEN integrity_constraint_violation THEN
                -- One order that breaks a rule must not keep the others from expiring; the audit names it.
                RAISE WARNING 'order % cannot expire: %', v_due.id, SQLERRM;
                CONTINUE;
            END;
            RETURN QUERY SELECT v_due.sale_id, v_due.id;
            RETURN;
        END IF;
    END LOOP;
END
$$;
