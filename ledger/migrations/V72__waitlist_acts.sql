-- What becomes of an entry: join, confirm, leave, lapse, claim. Each act is one call.

-- When an offer ends, with the pauses since; never beyond the end of selling.
CREATE FUNCTION offer_until(p_offer offers) RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN least(p_offer.until + (paused_for(p_offer.sale_id) - p_offer.paused_for),
                 waitlist_deadline(p_offer.sale_id));
END
$$;

-- An entry as its holder sees it, but for its position.
CREATE FUNCTION waitlist_standing(p_entry waitlist_entries) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', p_entry.id, 'state', p_entry.state, 'tiers', to_jsonb(p_entry.tiers), 'quantity', p_entry.quantity,
        'joined_at', p_entry.joined_at,
        'gathers_until', (SELECT max(gathers_until) FROM waitlist_lines
                           WHERE sale_id = p_entry.sale_id AND tier_id = ANY (p_entry.tiers) AND gathers_until > onsale_now()),
        'offer', (SELECT jsonb_build_object('id', o.id, 'tier', o.tier_id, 'units', to_jsonb(o.unit_nos), 'state', o.state,
                                            'until', offer_until(o), 'order', o.order_id)
                    FROM offers o WHERE o.sale_id = p_entry.sale_id AND o.entry_id = p_entry.id));
END
$$;

-- An entry as its holder sees it; null when there is none. The position counts everybody ahead who waits for one of its tiers or
-- may confirm yet, so once the queue had its time it only falls.
CREATE FUNCTION waitlist_document(p_sale uuid, p_entry uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT waitlist_standing(e) || jsonb_build_object('position', CASE WHEN e.state IN ('unconfirmed', 'waiting') THEN 1 + (
                SELECT count(*) FROM waitlist_entries a
                 WHERE a.sale_id = p_sale AND a.state IN ('unconfirmed', 'waiting') AND a.rank < e.rank AND a.tiers && e.tiers) END)
          FROM waitlist_entries e WHERE e.sale_id = p_sale AND e.id = p_entry);
END
$$;

-- Step: where in line a new entry stands: by its number in the queue while the queue has its time in all of its lines, else behind
-- everybody. A line in which nobody is begins with that time.
CREATE FUNCTION waitlist_rank(p_sale uuid, p_tiers text[], p_number bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    c_gathers constant interval := interval '5 minutes';
    v_now     constant timestamptz := onsale_now();
BEGIN
    INSERT INTO waitlist_lines (sale_id, tier_id, gathers_until)
    SELECT p_sale, tier, v_now + c_gathers FROM unnest(p_tiers) AS tier
     WHERE NOT EXISTS (SELECT FROM waitlist_lines l WHERE l.sale_id = p_sale AND l.tier_id = tier AND l.gathers_until > v_now)
       AND NOT EXISTS (SELECT FROM waitlist_entries e
                        WHERE e.sale_id = p_sale AND e.state IN ('unconfirmed', 'waiting') AND tier = ANY (e.tiers))
       AND NOT EXISTS (SELECT FROM offers o WHERE o.sale_id = p_sale AND o.tier_id = tier AND o.state = 'live')
     ORDER BY tier
        ON CONFLICT ON CONSTRAINT waitlist_lines_pkey DO UPDATE SET gathers_until = excluded.gathers_until;
    IF p_number IS NOT NULL AND NOT EXISTS (SELECT FROM waitlist_lines WHERE sale_id = p_sale AND tier_id = ANY (p_tiers)
                                                                         AND gathers_until <= v_now) THEN
        RETURN p_number;
    END IF;
    RETURN nextval('waitlist_ranks');
END
$$;

-- Joins: answers joined, or sale_not_open, over, already_waiting (the place in the queue has an entry); whatever it refuses changes
-- nothing. The entry stands in no line before it is confirmed: until then nothing depends on it. Whose address it is nobody knows yet,
-- so nothing is said of that address, no other entry of it is touched, and it is sent so many letters in an hour at most. Another
-- entry of the same place in the queue that was never confirmed gives way. The same entry again is the one that is there.
CREATE FUNCTION waitlist_join(p_sale uuid, p_entry uuid, p_tiers text[], p_quantity integer, p_email text, p_buyer text,
                              p_number bigint)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    c_letters_max constant integer := 3;
    v_now         constant timestamptz := onsale_now();
    v_letters     bigint;
    v_other       waitlist_entries%ROWTYPE;
BEGIN
    PERFORM buyer_lock(p_sale, p_buyer, p_number);
    IF EXISTS (SELECT FROM waitlist_entries WHERE sale_id = p_sale AND id = p_entry) THEN
        RETURN jsonb_build_object('outcome', 'joined', 'entry', waitlist_document(p_sale, p_entry));
    ELSIF NOT EXISTS (SELECT FROM sales WHERE id = p_sale AND state IN ('published', 'paused')) THEN
        RETURN jsonb_build_object('outcome', 'sale_not_open');
    END IF;
    IF waitlist_is_over(p_sale) THEN
        RETURN jsonb_build_object('outcome', 'over', 'tier', p_tiers[1]);
    END IF;
    SELECT * INTO v_other FROM waitlist_entries
     WHERE sale_id = p_sale AND rank = p_number AND state IN ('unconfirmed', 'waiting', 'offered') FOR NO KEY UPDATE;
    IF v_other.state IN ('waiting', 'offered') THEN
        RETURN jsonb_build_object('outcome', 'already_waiting');
    ELSIF v_other.state = 'unconfirmed' THEN
        PERFORM waitlist_entry_end(p_sale, v_other.id, 'left');
    END IF;
    v_letters := (SELECT count(*) FROM waitlist_contacts c JOIN waitlist_entries e ON e.sale_id = c.sale_id AND e.id = c.entry_id
                   WHERE c.sale_id = p_sale AND c.buyer = p_buyer AND e.joined_at > v_now - interval '1 hour');
    INSERT INTO waitlist_entries (sale_id, id, rank, tiers, quantity, joined_at, changed_at)
    VALUES (p_sale, p_entry, waitlist_rank(p_sale, p_tiers, p_number), p_tiers, p_quantity, v_now, v_now);
    INSERT INTO waitlist_contacts (sale_id, entry_id, email, buyer, forget_at)
    VALUES (p_sale, p_entry, p_email, p_buyer, v_now + interval '1 hour');
    IF v_letters < c_letters_max THEN
        PERFORM waitlist_tell(p_sale, p_entry, 'mail_waitlist_joined');
    END IF;
    RETURN jsonb_build_object('outcome', 'joined', 'entry', waitlist_document(p_sale, p_entry));
END
$$;

-- The holder of the address says that it is hers: the entry begins to wait. Answers confirmed, also when it was before or is over
-- since; or not_found, on_sale (units of that tier are free or held: there is nothing to wait for yet), over, already_waiting (another
-- entry of the address), limit_reached. Alone behind the door: whoever is about to free units is through, and what they freed is seen.
CREATE FUNCTION waitlist_confirm(p_sale uuid, p_entry uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_buyer constant text   := (SELECT buyer FROM waitlist_contacts WHERE sale_id = p_sale AND entry_id = p_entry);
    v_rank  constant bigint := (SELECT rank FROM waitlist_entries WHERE sale_id = p_sale AND id = p_entry);
    v_entry waitlist_entries%ROWTYPE;
    v_tier  text;
    v_limit jsonb;
BEGIN
    PERFORM gate_enter(p_sale);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_sale::text, 4));
    PERFORM waitlist_line_enter(p_sale);
    PERFORM buyer_lock(p_sale, v_buyer, v_rank);
    SELECT * INTO v_entry FROM waitlist_entries WHERE sale_id = p_sale AND id = p_entry FOR NO KEY UPDATE;
    IF NOT FOUND OR (v_entry.state = 'unconfirmed' AND v_buyer IS NULL) THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    ELSIF v_entry.state <> 'unconfirmed' THEN
        RETURN jsonb_build_object('outcome', 'confirmed');
    ELSIF EXISTS (SELECT FROM waitlist_contacts WHERE sale_id = p_sale AND buyer = v_buyer AND is_live) THEN
        RETURN jsonb_build_object('outcome', 'already_waiting');
    ELSIF waitlist_is_over(p_sale) THEN
        RETURN jsonb_build_object('outcome', 'over', 'tier', v_entry.tiers[1]);
    END IF;
    FOREACH v_tier IN ARRAY v_entry.tiers LOOP
        v_limit := buyer_limit_passed(p_sale, v_buyer, v_rank, array_fill(v_tier, ARRAY[v_entry.quantity]));
        IF v_limit IS NOT NULL THEN
            RETURN jsonb_build_object('outcome', 'limit_reached') || v_limit;
        ELSIF NOT waitlist_waits(p_sale, v_tier)
              AND EXISTS (SELECT FROM units WHERE sale_id = p_sale AND tier_id = v_tier AND state = 'free') THEN
            RETURN jsonb_build_object('outcome', 'on_sale', 'tier', v_tier);
        END IF;
    END LOOP;
    UPDATE waitlist_contacts SET is_live = true, forget_at = NULL WHERE sale_id = p_sale AND entry_id = p_entry;
    UPDATE waitlist_entries SET state = 'waiting', confirmed_at = onsale_now(), changed_at = onsale_now(),
                                changed_by = pg_current_xact_id()
     WHERE sale_id = p_sale AND id = p_entry;
    INSERT INTO waitlist_wants (sale_id, tier_id, rank, entry_id, preference, quantity)
    SELECT p_sale, tier, v_entry.rank, p_entry, place, v_entry.quantity
      FROM unnest(v_entry.tiers) WITH ORDINALITY AS wanted (tier, place);
    PERFORM waitlist_promote(p_sale);
    RETURN jsonb_build_object('outcome', 'confirmed');
END
$$;

-- Takes back a wish that nobody confirmed; the entry as it is then, null when there is none. Whatever else it is stays as it is: who
-- typed an address has no say about what its owner confirmed.
CREATE FUNCTION waitlist_withdraw(p_sale uuid, p_entry uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM waitlist_entries WHERE sale_id = p_sale AND id = p_entry AND state = 'unconfirmed' FOR NO KEY UPDATE;
    IF FOUND THEN
        PERFORM waitlist_entry_end(p_sale, p_entry, 'left');
    END IF;
    RETURN waitlist_document(p_sale, p_entry);
END
$$;

-- Leaves the line, or gives an offer back; the entry as it is then, null when there is none. What is over stays as it is.
CREATE FUNCTION waitlist_leave(p_sale uuid, p_entry uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_state text;
    v_offer offers%ROWTYPE;
BEGIN
    PERFORM gate_enter(p_sale);
    PERFORM waitlist_line_enter(p_sale);
    SELECT state INTO v_state FROM waitlist_entries WHERE sale_id = p_sale AND id = p_entry FOR NO KEY UPDATE;
    IF v_state IN ('unconfirmed', 'waiting') THEN
        PERFORM waitlist_entry_end(p_sale, p_entry, 'left');
        PERFORM waitlist_promote(p_sale);
    ELSIF v_state = 'offered' THEN
        SELECT * INTO v_offer FROM offers WHERE sale_id = p_sale AND entry_id = p_entry AND state = 'live';
        PERFORM offer_end(v_offer, 'declined');
        PERFORM waitlist_promote(p_sale);
    END IF;
    RETURN waitlist_document(p_sale, p_entry);
END
$$;

-- Ends one offer whose time is over, and offers its units to the next; none when there is none. A paused sale's clocks stand. Nobody
-- waits for the line of a sale with the lock of another: whoever finds only what others ended answers that sale without an entry, and
-- looks again.
CREATE FUNCTION offer_lapse_next(p_look integer) RETURNS TABLE (sale_id uuid, entry_id uuid, offers_made integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_due   record;
    v_line  uuid;
    v_offer offers%ROWTYPE;
BEGIN
    FOR v_due IN
        SELECT o.sale_id, o.id FROM offers o JOIN sales s ON s.id = o.sale_id
         WHERE o.state = 'live' AND o.until <= (SELECT onsale_now()) AND s.state <> 'paused' AND offer_until(o) <= (SELECT onsale_now())
         ORDER BY o.until LIMIT p_look
    LOOP
        IF v_line <> v_due.sale_id THEN
            RETURN QUERY SELECT v_line, NULL::uuid, 0;
            RETURN;
        END IF;
        v_line := v_due.sale_id;
        PERFORM gate_enter(v_line);
        PERFORM waitlist_line_enter(v_line);
        SELECT o.* INTO v_offer FROM offers o JOIN sales s ON s.id = o.sale_id
         WHERE o.sale_id = v_due.sale_id AND o.id = v_due.id AND o.state = 'live' AND s.state <> 'paused'
           AND offer_until(o) <= (SELECT onsale_now())
           FOR NO KEY UPDATE OF o;
        IF FOUND THEN
            PERFORM offer_end(v_offer, 'lapsed');
            PERFORM waitlist_tell(v_offer.sale_id, v_offer.entry_id, 'mail_waitlist_lapsed');
            RETURN QUERY SELECT v_offer.sale_id, v_offer.entry_id, waitlist_promote(v_offer.sale_id);
            RETURN;
        END IF;
    END LOOP;
END
$$;

-- Sales whose waitlist has something to be looked after.
CREATE FUNCTION waitlist_sales() RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT id FROM (SELECT DISTINCT sale_id AS id FROM waitlist_lines) AS lines
     WHERE EXISTS (SELECT FROM waitlist_wants w WHERE w.sale_id = lines.id)
        OR EXISTS (SELECT FROM waitlist_entries e WHERE e.sale_id = lines.id AND e.state = 'unconfirmed')
        OR EXISTS (SELECT FROM offered_units u WHERE u.sale_id = lines.id)
        OR EXISTS (SELECT FROM waitlist_contacts c WHERE c.sale_id = lines.id AND c.forget_at <= (SELECT onsale_now()));
END
$$;

-- Step: ends entries of a sale that is called off, at most so many, the first in line first; who waited or had an offer is told.
CREATE FUNCTION waitlist_call_off(p_sale uuid, p_max integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_entry record;
    v_offer offers%ROWTYPE;
    v_ended integer := 0;
BEGIN
    FOR v_entry IN
        SELECT id, state FROM waitlist_entries
         WHERE sale_id = p_sale AND state IN ('unconfirmed', 'waiting', 'offered') ORDER BY rank LIMIT p_max
    LOOP
        IF v_entry.state = 'offered' THEN
            SELECT * INTO v_offer FROM offers WHERE sale_id = p_sale AND entry_id = v_entry.id;
            PERFORM offer_end(v_offer, 'over');
        ELSE
            PERFORM waitlist_entry_end(p_sale, v_entry.id, 'over');
        END IF;
        IF v_entry.state <> 'unconfirmed' THEN
            PERFORM waitlist_tell(p_sale, v_entry.id, 'mail_waitlist_cancelled');
        END IF;
        v_ended := v_ended + 1;
    END LOOP;
    RETURN v_ended;
END
$$;

-- What time does to a waitlist: the queue's time is over, a pause is, units were kept for long; nobody confirmed within an hour;
-- it is too late for offers, or the sale is over. Answers how many offers were made and how many entries ended. Of a long line that is
-- over one call ends a part, and what is kept for it goes back on sale with the last of it: the next look does the next part.
CREATE FUNCTION waitlist_tend(p_sale uuid) RETURNS TABLE (offers_made integer, entries_ended integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    c_confirm_within constant interval := interval '1 hour';
    c_ends_max       constant integer := 1000; -- entries of one call: the line is locked meanwhile
    v_out            integer;
    v_offer          offers%ROWTYPE;
BEGIN
    PERFORM gate_enter(p_sale);
    PERFORM waitlist_line_enter(p_sale);
    DELETE FROM waitlist_contacts
     WHERE sale_id = p_sale AND entry_id IN (SELECT entry_id FROM waitlist_contacts
                                              WHERE sale_id = p_sale AND forget_at <= (SELECT onsale_now())
                                              ORDER BY forget_at LIMIT c_ends_max);
    IF sale_is_called_off(p_sale) THEN
        entries_ended := waitlist_call_off(p_sale, c_ends_max);
        offers_made := waitlist_promote(p_sale);
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM waitlist_entry_end(p_sale, id, 'expired')
       FROM (SELECT id FROM waitlist_entries
              WHERE sale_id = p_sale AND state = 'unconfirmed' AND joined_at <= onsale_now() - c_confirm_within
              ORDER BY joined_at LIMIT c_ends_max) AS late;
    GET DIAGNOSTICS entries_ended = ROW_COUNT;
    IF waitlist_is_over(p_sale) THEN
        -- Whole entries: one that stood in one of its lines still would be passed over there if selling went on after all.
        PERFORM waitlist_entry_end(p_sale, id, 'over')
           FROM (SELECT id FROM waitlist_entries
                  WHERE sale_id = p_sale AND state = 'waiting' ORDER BY rank LIMIT c_ends_max) AS late;
        GET DIAGNOSTICS v_out = ROW_COUNT;
        entries_ended := entries_ended + v_out;
    END IF;
    -- Selling ended before these were to: its end was moved since, where `offer_lapse_next` does not look.
    IF waitlist_deadline(p_sale) <= onsale_now() AND EXISTS (SELECT FROM sales WHERE id = p_sale AND state = 'published') THEN
        FOR v_offer IN SELECT * FROM offers WHERE sale_id = p_sale AND state = 'live' ORDER BY id LIMIT c_ends_max LOOP
            PERFORM offer_end(v_offer, 'lapsed');
            PERFORM waitlist_tell(p_sale, v_offer.entry_id, 'mail_waitlist_lapsed');
            entries_ended := entries_ended + 1;
        END LOOP;
    END IF;
    -- Who has an offer may claim it as long as the sale lives.
    IF NOT EXISTS (SELECT FROM sales WHERE id = p_sale AND state IN ('published', 'paused')) THEN
        FOR v_offer IN SELECT * FROM offers WHERE sale_id = p_sale AND state = 'live' ORDER BY id LIMIT c_ends_max LOOP
            PERFORM offer_end(v_offer, 'over');
            entries_ended := entries_ended + 1;
        END LOOP;
    END IF;
    offers_made := waitlist_promote(p_sale);
    RETURN NEXT;
END
$$;

-- What an offer becomes in one call: an order with its units, for who waits for payment like any other. Answers created, or existing
-- when it was claimed before; not_found, not_offered (with the state of the entry), sale_paused, sale_not_open, limit_reached, or
-- units_differ when it is not these units. Whatever it refuses, it leaves the offer as it is. Name and address: as the entry has it.
CREATE FUNCTION offer_claim(
    p_sale uuid, p_entry uuid, p_order uuid, p_name text, p_tier text, p_units integer[],
    p_line_kinds text[], p_line_names text[], p_line_tiers text[], p_line_quantities integer[], p_line_amounts bigint[],
    p_currency text, p_total bigint, p_pay_within_s integer, p_reference text, p_kid text, p_ticket_ids uuid[])
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_now     constant timestamptz := onsale_now();
    v_sale    sales%ROWTYPE;
    v_entry   waitlist_entries%ROWTYPE;
    v_contact waitlist_contacts%ROWTYPE;
    v_offer   offers%ROWTYPE;
    v_limit   jsonb;
BEGIN
    PERFORM gate_enter(p_sale);
    PERFORM waitlist_line_enter(p_sale);
    SELECT * INTO v_sale FROM sales WHERE id = p_sale;
    SELECT * INTO v_contact FROM waitlist_contacts WHERE sale_id = p_sale AND entry_id = p_entry;
    -- The buyer before the entry, as who joins has it; neither its buyer nor its rank ever changes.
    PERFORM buyer_lock(p_sale, v_contact.buyer, (SELECT rank FROM waitlist_entries WHERE sale_id = p_sale AND id = p_entry));
    SELECT * INTO v_entry FROM waitlist_entries WHERE sale_id = p_sale AND id = p_entry FOR NO KEY UPDATE;
    SELECT * INTO v_offer FROM offers WHERE sale_id = p_sale AND entry_id = p_entry;
    IF v_entry.id IS NULL OR v_contact.entry_id IS NULL THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    ELSIF v_offer.state = 'claimed' THEN
        RETURN jsonb_build_object('outcome', 'existing', 'order', order_document(p_sale, v_offer.order_id));
    ELSIF v_sale.state NOT IN ('published', 'paused') THEN
        RETURN jsonb_build_object('outcome', 'sale_not_open');
    ELSIF v_entry.state <> 'offered' THEN
        RETURN jsonb_build_object('outcome', 'not_offered', 'state', v_entry.state);
    ELSIF v_sale.state = 'paused' THEN
        RETURN jsonb_build_object('outcome', 'sale_paused');
    ELSIF offer_until(v_offer) <= v_now THEN
        RETURN jsonb_build_object('outcome', 'not_offered', 'state', 'lapsed');
    ELSIF v_offer.tier_id <> p_tier OR v_offer.unit_nos <> p_units THEN
        RETURN jsonb_build_object('outcome', 'units_differ');
    END IF;
    v_limit := buyer_limit_passed(p_sale, v_contact.buyer, v_entry.rank, array_fill(p_tier, ARRAY[cardinality(p_units)]));
    IF v_limit IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'limit_reached') || v_limit;
    ELSIF p_currency <> v_sale.currency OR p_total <> (SELECT coalesce(sum(amount), 0) FROM unnest(p_line_amounts) AS amount) THEN
        PERFORM refuse('orders_total_is_the_sum', format('order %s: %s %s is not the sum of its lines', p_order, p_total, p_currency));
    END IF;

    -- The offer stands where orders have their hold: nothing in Redis has its name, and nobody else can order by it.
    INSERT INTO hold_claims (sale_id, hold_id, order_id) VALUES (p_sale, v_offer.id, p_order);
    INSERT INTO orders (sale_id, id, hold_id, number, epoch, currency, total, created_at, changed_at, expires_at)
    VALUES (p_sale, p_order, v_offer.id, v_entry.rank, v_sale.epoch, p_currency, p_total, v_now, v_now,
            v_now + make_interval(secs => p_pay_within_s));
    INSERT INTO order_lines (sale_id, order_id, line_no, kind, name, tier_id, quantity, amount)
    SELECT p_sale, p_order, line_no, kind, name, tier_id, quantity, amount
      FROM unnest(p_line_kinds, p_line_names, p_line_tiers, p_line_quantities, p_line_amounts)
           WITH ORDINALITY AS l (kind, name, tier_id, quantity, amount, line_no);
    INSERT INTO order_units (sale_id, order_id, tier_id, unit_no) SELECT p_sale, p_order, p_tier, unit_no FROM unnest(p_units) AS unit_no;
    INSERT INTO contacts (sale_id, order_id, email, buyer, name) VALUES (p_sale, p_order, v_contact.email, v_contact.buyer, p_name);

    PERFORM order_units_move(p_sale, p_order, 'offered', 'ordered');
    UPDATE orders SET claims = claims + 1 WHERE sale_id = p_sale AND id = p_order;
    PERFORM post(p_sale, 'seats_claimed', format('order:%s:claimed', p_order), p_order, NULL, v_now, NULL, NULL,
                 seat_legs(p_sale, p_order, 'seats_offered', 'seats_ordered'));
    DELETE FROM offered_units WHERE sale_id = p_sale AND tier_id = p_tier AND unit_no = ANY (p_units);
    UPDATE offers SET state = 'claimed', ended_at = v_now, order_id = p_order WHERE sale_id = p_sale AND id = v_offer.id;
    PERFORM waitlist_entry_end(p_sale, p_entry, 'claimed');

    IF p_total = 0 THEN
        PERFORM order_units_move(p_sale, p_order, 'ordered', 'sold');
        PERFORM post(p_sale, 'seats_sold', format('order:%s:sold', p_order), p_order, p_reference, v_now, NULL, NULL,
                     seat_legs(p_sale, p_order, 'seats_ordered', 'seats_sold'));
        PERFORM tickets_issue(p_sale, p_order, p_reference, p_kid, (
            SELECT array_agg(ROW(p_tier, unit_no, id)::ticket_line) FROM unnest(p_units, p_ticket_ids) AS t (unit_no, id)));
        UPDATE orders SET state = 'paid' WHERE sale_id = p_sale AND id = p_order;
        PERFORM mail_add(p_sale, p_order, 'mail_order_paid');
    END IF;
    RETURN jsonb_build_object('outcome', 'created', 'order', order_document(p_sale, p_order));
END
$$;

GRANT EXECUTE ON FUNCTION
    waitlist_join(uuid, uuid, text[], integer, text, text, bigint),
    waitlist_confirm(uuid, uuid),
    waitlist_withdraw(uuid, uuid),
    waitlist_leave(uuid, uuid),
    offer_claim(uuid, uuid, uuid, text, text, integer[], text[], text[], text[], integer[], bigint[], text, bigint, integer, text,
                text, uuid[])
    TO onsale_gateway;
GRANT EXECUTE ON FUNCTION waitlist_document(uuid, uuid) TO onsale_gateway, onsale_workers;
GRANT EXECUTE ON FUNCTION offer_lapse_next(integer), waitlist_sales(), waitlist_tend(uuid) TO onsale_workers;
