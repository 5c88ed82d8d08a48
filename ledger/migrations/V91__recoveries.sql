-- Recovering: a database that was restored to an earlier moment hears again, from Stripe and Redis, what it has forgotten.
--
-- One recovery is open at a time. While it is, the sales that it found published are paused by it, and it ends by resuming
-- those. Whoever begins finds the open one, so a recovery that died is gone on with by beginning again: every step below finds
-- done what was done.
CREATE TABLE recoveries (
    id       uuid        NOT NULL DEFAULT onsale_uuid(),
    since    timestamptz NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT onsale_now(),
    ended_at timestamptz,
    -- The sales it paused.
    paused   uuid[]      NOT NULL DEFAULT '{}',
    report   jsonb,
    CONSTRAINT recoveries_pkey PRIMARY KEY (id),
    CONSTRAINT recoveries_report_check CHECK ((report IS NULL) = (ended_at IS NULL))
);

CREATE UNIQUE INDEX recoveries_one_open_key ON recoveries ((true)) WHERE ended_at IS NULL;

GRANT SELECT ON recoveries TO onsale_workers, onsale_readonly;

-- Step: a sale is paused or resumed by a recovery, which the audit log says.
CREATE FUNCTION recovery_decide(p_sale uuid, p_from text, p_to text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_now constant timestamptz := onsale_now();
BEGIN
    UPDATE sales
       SET state = p_to, version = version + 1, changed_at = v_now,
           paused_at = CASE p_to WHEN 'paused' THEN v_now END,
           paused_for = paused_for + coalesce(v_now - paused_at, '0')
     WHERE id = p_sale AND state = p_from;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, 'onsale recover', 'sale_decided', jsonb_build_object('before', p_from, 'after', p_to, 'why', 'recovery'));
    RETURN true;
END
$$;

-- Begins a recovery, or finds the one that is open, and pauses every sale that is published: from when it hears again.
CREATE FUNCTION recovery_begin(p_since timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_open recoveries%ROWTYPE;
    v_sale uuid;
BEGIN
    INSERT INTO recoveries (since) VALUES (p_since) ON CONFLICT DO NOTHING;
    UPDATE recoveries SET since = least(since, p_since) WHERE ended_at IS NULL RETURNING * INTO v_open;
    FOR v_sale IN SELECT id FROM sales WHERE state = 'published' ORDER BY id LOOP
        IF recovery_decide(v_sale, 'published', 'paused') THEN
            UPDATE recoveries SET paused = paused || v_sale WHERE id = v_open.id;
        END IF;
    END LOOP;
    RETURN v_open.since;
END
$$;

-- Ends the open recovery: every live sale begins anew in Redis, and those that it paused sell again.
CREATE FUNCTION recovery_end(p_report jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_paused uuid[];
    v_sale   uuid;
BEGIN
    UPDATE recoveries SET ended_at = onsale_now(), report = p_report WHERE ended_at IS NULL RETURNING paused INTO v_paused;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR v_sale IN SELECT id FROM sales WHERE state IN ('published', 'paused') ORDER BY id LOOP
        PERFORM pg_advisory_xact_lock(gate_of(v_sale));
        UPDATE sales SET epoch = epoch + 1 WHERE id = v_sale;
        IF v_sale = ANY (v_paused) THEN
            PERFORM recovery_decide(v_sale, 'paused', 'published');
        END IF;
    END LOOP;
END
$$;

-- What Redis knows of a sale and Postgres has forgotten. Alone in the gate, as an epoch begins: the epoch goes above both, so
-- what is under way with either is refused, and Redis is loaded anew; numbers that may have been given out are reserved; turns
-- that were given are written down, so that nobody is let in twice. Answers how many places that were.
CREATE FUNCTION recovery_of_redis(p_sale uuid, p_epoch integer, p_number bigint, p_bound_s integer,
                                  p_inside bigint[], p_ended bigint[], p_left bigint[])
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_now     constant timestamptz := onsale_now();
    v_epoch   integer;
    v_inside  bigint[];
    v_kinds   text[];
    v_numbers bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(gate_of(p_sale));
    UPDATE sales SET epoch = greatest(epoch, p_epoch) + 1 WHERE id = p_sale AND state IN ('published', 'paused')
    RETURNING epoch INTO v_epoch;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF p_number > 0 THEN
        PERFORM numbers_reserve(p_sale, p_number, 1);
    END IF;
    -- As `epoch_snapshot` reads places.
    WITH known AS MATERIALIZED (
        SELECT number, CASE WHEN greatest(ended_at, left_at) >= coalesce(granted_at, '-infinity') THEN 'left'
                            WHEN granted_at >= coalesce(lapsed_at, '-infinity') THEN 'inside'
                            ELSE 'waiting' END AS place
          FROM grants WHERE sale_id = p_sale),
    said AS (
        SELECT number, 'inside' AS kind FROM unnest(p_inside) AS number
         UNION ALL SELECT number, 'ended' FROM unnest(p_ended) AS number
         UNION ALL SELECT number, 'left' FROM unnest(p_left) AS number),
    news AS (
        SELECT number, kind FROM said LEFT JOIN known USING (number)
         WHERE place IS DISTINCT FROM 'left' AND (kind <> 'inside' OR place IS DISTINCT FROM 'inside'))
    SELECT coalesce(array_agg(number) FILTER (WHERE kind = 'inside'), '{}'),
           coalesce(array_agg(kind ORDER BY number) FILTER (WHERE kind <> 'inside'), '{}'),
           coalesce(array_agg(number ORDER BY number) FILTER (WHERE kind <> 'inside'), '{}')
      INTO v_inside, v_kinds, v_numbers FROM news;
    PERFORM tick_record(p_sale, v_epoch, v_now, p_bound_s, v_inside, array_fill(v_now, ARRAY[cardinality(v_inside)]),
                        v_kinds, v_numbers, array_fill(v_now, ARRAY[cardinality(v_numbers)]), NULL, NULL, '{}', '{}');
    RETURN cardinality(v_inside) + cardinality(v_numbers);
END
$$;

-- Writes an order and its payment as their intent tells of them, so that the intent can then be applied as news of any other.
--
-- | answers | is written |
-- |---|---|
-- | `known` | nothing: there is a payment of the intent, or one that waits for it |
-- | `paid_for` | the payment, of an order that is there |
-- | `rebuilt` | order and payment; the order has its units |
-- | `units_lost` | nothing: its units are not free, and it was not told to be `late` |
-- | `late` | order and payment, the order expired and without its units: what was promised is let go, what was taken goes back |
-- | `unknown_sale` | nothing |
CREATE FUNCTION order_recall(
    p_sale uuid, p_order uuid, p_hold uuid, p_number bigint, p_email text, p_buyer text, p_name text,
    p_unit_tiers text[], p_unit_nos integer[],
    p_line_kinds text[], p_line_names text[], p_line_tiers text[], p_line_quantities integer[], p_line_amounts bigint[],
    p_currency text, p_total bigint, p_payment uuid, p_attempt integer, p_intent text, p_livemode boolean, p_capture text,
    p_made_at timestamptz, p_pay_within_s integer, p_late boolean)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_now      constant timestamptz := onsale_now();
    v_sale     sales%ROWTYPE;
    v_order    orders%ROWTYPE;
    v_offer    offers%ROWTYPE;
    v_whole    boolean;
    v_outcome  text := 'paid_for';
    v_occupied boolean;
BEGIN
    PERFORM gate_enter(p_sale);
    SELECT * INTO v_sale FROM sales WHERE id = p_sale AND published_at IS NOT NULL;
    IF NOT FOUND THEN
        RETURN 'unknown_sale';
    END IF;
    SELECT * INTO v_order FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM payment_of_intent(p_intent, p_sale, p_order, p_attempt)) THEN
        RETURN 'known';
    END IF;

    IF v_order.id IS NULL THEN
        -- Of units that were offered to somebody who waited, the offer says that they are the order's to take.
        PERFORM waitlist_line_enter(p_sale);
        SELECT * INTO v_offer FROM offers
         WHERE sale_id = p_sale AND id = p_hold AND state = 'live'
           AND tier_id = ALL (p_unit_tiers) AND unit_nos @> p_unit_nos AND unit_nos <@ p_unit_nos;
        PERFORM FROM units u JOIN unnest(p_unit_tiers, p_unit_nos) AS w (tier_id, unit_no) USING (tier_id, unit_no)
          WHERE u.sale_id = p_sale ORDER BY u.tier_id, u.unit_no FOR NO KEY UPDATE OF u;
        v_whole := cardinality(p_unit_nos) > 0 AND p_currency = v_sale.currency AND v_sale.state <> 'cancelled'
            AND p_total = (SELECT coalesce(sum(amount), 0) FROM unnest(p_line_amounts) AS amount)
            AND NOT EXISTS (
                SELECT FROM unnest(p_unit_tiers, p_unit_nos) AS w (tier_id, unit_no)
                  LEFT JOIN units u ON u.sale_id = p_sale AND u.tier_id = w.tier_id AND u.unit_no = w.unit_no
                 WHERE u.state IS DISTINCT FROM CASE WHEN v_offer.id IS NULL THEN 'free' ELSE 'offered' END);
        IF NOT v_whole AND NOT p_late THEN
            RETURN 'units_lost';
        END IF;
        -- Where the hold has a verdict already, the order stands for itself.
        INSERT INTO hold_claims (sale_id, hold_id, order_id) VALUES (p_sale, p_hold, p_order) ON CONFLICT DO NOTHING;
        INSERT INTO orders (sale_id, id, hold_id, number, epoch, state, currency, total, created_at, changed_at, expires_at)
        SELECT p_sale, p_order, CASE WHEN EXISTS (SELECT FROM orders WHERE sale_id = p_sale AND hold_id = p_hold) THEN p_order
                                     ELSE p_hold END,
               p_number, v_sale.epoch, CASE WHEN v_whole THEN 'awaiting_payment' ELSE 'expired' END, p_currency, p_total,
               p_made_at, v_now, v_now + make_interval(secs => p_pay_within_s);
        INSERT INTO order_lines (sale_id, order_id, line_no, kind, name, tier_id, quantity, amount)
        SELECT p_sale, p_order, line_no, kind, name, tier_id, quantity, amount
          FROM unnest(p_line_kinds, p_line_names, p_line_tiers, p_line_quantities, p_line_amounts)
               WITH ORDINALITY AS l (kind, name, tier_id, quantity, amount, line_no);
        INSERT INTO order_units (sale_id, order_id, tier_id, unit_no)
        SELECT p_sale, p_order, u.tier_id, u.unit_no FROM unnest(p_unit_tiers, p_unit_nos) AS w (tier_id, unit_no)
          JOIN units u ON u.sale_id = p_sale AND u.tier_id = w.tier_id AND u.unit_no = w.unit_no;
        INSERT INTO contacts (sale_id, order_id, email, buyer, name)
        SELECT p_sale, p_order, p_email, p_buyer, p_name WHERE p_email IS NOT NULL;
        IF v_whole AND v_offer.id IS NULL THEN
            PERFORM order_claim(p_sale, p_order);
        ELSIF v_whole THEN
            -- As `offer_claim` has it.
            PERFORM order_units_move(p_sale, p_order, 'offered', 'ordered');
            UPDATE orders SET claims = claims + 1 WHERE sale_id = p_sale AND id = p_order;
            PERFORM post(p_sale, 'seats_claimed', format('order:%s:claimed', p_order), p_order, NULL, v_now, NULL, NULL,
                         seat_legs(p_sale, p_order, 'seats_offered', 'seats_ordered'));
            DELETE FROM offered_units WHERE sale_id = p_sale AND tier_id = v_offer.tier_id AND unit_no = ANY (v_offer.unit_nos);
            UPDATE offers SET state = 'claimed', ended_at = v_now, order_id = p_order WHERE sale_id = p_sale AND id = v_offer.id;
            PERFORM waitlist_entry_end(p_sale, v_offer.entry_id, 'claimed');
        END IF;
        v_outcome := CASE WHEN v_whole THEN 'rebuilt' ELSE 'late' END;
    END IF;

    -- A later attempt of an order takes the place of one that failed; a second live one takes nobody's.
    v_occupied := EXISTS (SELECT FROM payments WHERE sale_id = p_sale AND order_id = p_order AND NOT superseded
                                                 AND state NOT IN ('failed', 'cancelled'));
    IF NOT v_occupied THEN
        UPDATE payments SET superseded = true WHERE sale_id = p_sale AND order_id = p_order AND NOT superseded;
    END IF;
    INSERT INTO payments (sale_id, id, order_id, attempt, superseded, livemode, capture, currency, amount, idem_key,
                          confirmation_token, return_url, description, intent_id, begun_at, changed_at)
    SELECT p_sale, p_payment, p_order, attempt, v_occupied, p_livemode, p_capture, p_currency, p_total,
           format('create:%s:%s', p_order, attempt), '', '', 'recovered', p_intent, p_made_at, v_now
      FROM (SELECT CASE WHEN EXISTS (SELECT FROM payments WHERE sale_id = p_sale AND order_id = p_order AND attempt = p_attempt)
                        THEN (SELECT max(attempt) + 1 FROM payments WHERE sale_id = p_sale AND order_id = p_order)
                        ELSE p_attempt END AS attempt) AS free_number;
    RETURN v_outcome;
END
$$;

-- Finds the refund of ours that Stripe tells of, or writes it again, as asking for it did: what is owed, tickets void, units
-- free. The refund itself is then applied as news of any other.
--
-- | answers | means |
-- |---|---|
-- | `known` | it is there under that id, or under the id that it got anew: money that came too late is owed again by the capture |
-- | `rebuilt` | it is there now |
-- | `at_stripe` | it is no refund of ours, or gives back what ours cannot: it is booked as one that was made at Stripe |
-- | `unknown_payment`, `early` | its payment is not there, or not captured: later |
CREATE FUNCTION refund_recall(p_intent text, p_refund uuid, p_stripe_id text, p_amount bigint, p_tiers text[], p_units integer[])
RETURNS TABLE (outcome text, refund uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_order   orders%ROWTYPE;
    v_payment payments%ROWTYPE;
    v_refund  refunds%ROWTYPE;
    v_tickets uuid[];
    v_wish    text;
    v_keeps   boolean;
    v_pool    money_parts;
    v_price   money_parts;
BEGIN
    SELECT * INTO v_payment FROM payments p WHERE p.intent_id = p_intent;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_payment', NULL::uuid;
        RETURN;
    END IF;
    PERFORM gate_enter(v_payment.sale_id);
    SELECT * INTO v_order FROM orders o WHERE o.sale_id = v_payment.sale_id AND o.id = v_payment.order_id FOR NO KEY UPDATE;
    SELECT * INTO v_payment FROM payments p WHERE p.sale_id = v_payment.sale_id AND p.id = v_payment.id FOR NO KEY UPDATE;
    SELECT * INTO v_refund FROM refunds r
     WHERE r.sale_id = v_payment.sale_id AND r.payment_id = v_payment.id
       AND (r.stripe_id = p_stripe_id OR r.id = p_refund
            OR (p_refund IS NOT NULL AND r.stripe_id IS NULL AND r.state = 'planned' AND r.base IS NULL AND r.amount = p_amount))
     ORDER BY r.stripe_id IS NULL, r.id <> p_refund LIMIT 1;
    IF FOUND THEN
        RETURN QUERY SELECT 'known', v_refund.id;
        RETURN;
    ELSIF p_refund IS NULL THEN
        RETURN QUERY SELECT 'at_stripe', NULL::uuid;
        RETURN;
    ELSIF v_payment.state <> 'captured' THEN
        RETURN QUERY SELECT 'early', NULL::uuid;
        RETURN;
    END IF;

    v_tickets := ARRAY(
        SELECT t.id FROM tickets t JOIN unnest(p_tiers, p_units) AS w (tier_id, unit_no) USING (tier_id, unit_no)
         WHERE t.sale_id = v_order.sale_id AND t.order_id = v_order.id
           AND NOT EXISTS (SELECT FROM refund_tickets_last l JOIN refunds r ON r.sale_id = l.sale_id AND r.id = l.refund_id
                            WHERE l.sale_id = t.sale_id AND l.ticket_id = t.id AND r.state <> 'failed'));
    v_wish := CASE cardinality(v_tickets) WHEN 0 THEN 'amount' ELSE 'tickets' END;
    v_keeps := refund_keeps_fees(v_order.sale_id, v_wish);
    v_pool := refund_pool(v_payment, v_wish);
    IF p_amount > parts_sum(v_pool) THEN
        -- It gave fees back, too.
        v_keeps := false;
        v_pool := payment_parts_left(v_payment);
    END IF;
    IF p_amount > least(parts_sum(v_pool), payment_left(v_payment)) THEN
        RETURN QUERY SELECT 'at_stripe', NULL::uuid;
        RETURN;
    END IF;
    v_price := tickets_parts(v_payment, v_tickets, v_keeps);
    v_price := CASE WHEN v_wish = 'tickets' AND p_amount = parts_sum(v_price) THEN parts_take(v_price, v_pool)
                    ELSE parts_split(p_amount, v_pool) END;
    INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount, base, fee, tax, keeps_fees)
    VALUES (v_order.sale_id, p_refund, v_payment.id, 'onsale', 'recovered', p_amount, v_price.base, v_price.fee, v_price.tax, v_keeps)
    RETURNING * INTO v_refund;
    PERFORM tickets_give_back(v_order, v_payment, v_refund, v_tickets);
    PERFORM refund_owe(v_payment, v_refund);
    PERFORM order_flag(v_order.sale_id, v_order.id);
    PERFORM refund_asked(v_order, v_refund, v_wish, 'onsale recover');
    RETURN QUERY SELECT 'rebuilt', v_refund.id;
END
$$;

GRANT EXECUTE ON FUNCTION
    recovery_begin(timestamptz), recovery_end(jsonb),
    recovery_of_redis(uuid, integer, bigint, integer, bigint[], bigint[], bigint[]),
    order_recall(uuid, uuid, uuid, bigint, text, text, text, text[], integer[], text[], text[], text[], integer[], bigint[],
                 text, bigint, uuid, integer, text, boolean, text, timestamptz, integer, boolean),
    refund_recall(text, uuid, text, bigint, text[], integer[])
    TO onsale_workers;
