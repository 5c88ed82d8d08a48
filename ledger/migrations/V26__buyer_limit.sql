-- One limit for one buyer, over all orders of a sale: a hold is bounded in Redis, but one buyer may make many holds.
--
-- A buyer is known by address, in the one spelling that stands for all (`buyer`), and by pass, which is the number in the
-- queue: another address on the same pass is the same buyer, and the same address on another pass, too. What counts is the
-- units in hand, ordered or sold: an order that expired, was cancelled or gave units back counts for what it has left.
--
-- The count is made and kept under a lock on the buyer, never on the sale. Order of locks, kept by all: gate, claim of the
-- hold, order, payment, buyer, units.

ALTER TABLE contacts ADD COLUMN buyer text;
UPDATE contacts SET buyer = lower(email);
ALTER TABLE contacts
    ALTER COLUMN buyer SET NOT NULL,
    ADD CONSTRAINT contacts_buyer_check CHECK (char_length(buyer) BETWEEN 3 AND 320);

CREATE INDEX contacts_buyer_idx ON contacts (sale_id, buyer);
CREATE INDEX orders_number_idx ON orders (sale_id, number);

-- Step: nobody else orders for this buyer until the transaction ends. An address and a pass are two locks, taken in one
-- order whoever comes with which, so that nobody waits in a circle; an address that was erased locks nothing.
CREATE FUNCTION buyer_lock(p_sale uuid, p_buyer text, p_number bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_key integer;
BEGIN
    FOR v_key IN
        SELECT hashtext(who) FROM unnest(ARRAY['address ' || p_buyer, 'pass ' || p_number]) AS who
         WHERE who IS NOT NULL ORDER BY 1
    LOOP
        PERFORM pg_advisory_xact_lock(hashtext(p_sale::text), v_key);
    END LOOP;
END
$$;

-- Step: how many units a buyer has in hand. Only what it says under the buyer's lock stays true; then it must be a statement
-- of its own, because the statement that waited for the lock does not see what was committed meanwhile.
CREATE FUNCTION buyer_units(p_sale uuid, p_buyer text, p_number bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT count(*)
          FROM order_units ou
          JOIN units u ON u.sale_id = ou.sale_id AND u.tier_id = ou.tier_id AND u.unit_no = ou.unit_no
                      AND u.order_id = ou.order_id
         WHERE ou.sale_id = p_sale AND ou.order_id IN (
                   SELECT order_id FROM contacts WHERE sale_id = p_sale AND buyer = p_buyer
                   UNION
                   SELECT id FROM orders WHERE sale_id = p_sale AND number = p_number)
    );
END
$$;

-- Step: whether a buyer may have so many units more; the buyer is locked from here on.
CREATE FUNCTION buyer_may_have(p_sale uuid, p_buyer text, p_number bigint, p_more bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM buyer_lock(p_sale, p_buyer, p_number);
    RETURN buyer_units(p_sale, p_buyer, p_number) + p_more
        <= (SELECT (config ->> 'per_buyer_limit')::bigint FROM sales WHERE id = p_sale);
END
$$;

-- As before, and within the limit: who ordered anew after an order expired does not get the units of both.
CREATE OR REPLACE FUNCTION order_reclaim(p_sale uuid, p_order uuid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_number bigint := (SELECT number FROM orders WHERE sale_id = p_sale AND id = p_order);
    v_buyer  text   := (SELECT buyer FROM contacts WHERE sale_id = p_sale AND order_id = p_order);
    v_units  bigint := (SELECT count(*) FROM order_units WHERE sale_id = p_sale AND order_id = p_order);
BEGIN
    IF NOT buyer_may_have(p_sale, v_buyer, v_number, v_units) THEN
        RETURN false;
    END IF;
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

-- As before, with the buyer: writes an order, the hold's verdict, the order's rows, its units and its seats in the books. An
-- order of nothing is paid at once, its own id being the payment reference. Whatever it refuses, it leaves nothing behind.
DROP FUNCTION order_create(uuid, uuid, uuid, integer, bigint, text, text, text[], integer[], text[], text[], text[], integer[],
                           bigint[], text, bigint, integer, text, text, uuid[]);

CREATE FUNCTION order_create(
    p_sale uuid, p_order uuid, p_hold uuid, p_epoch integer, p_number bigint, p_email text, p_buyer text, p_name text,
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
    ELSIF NOT buyer_may_have(p_sale, p_buyer, p_number, cardinality(p_unit_nos)) THEN
        v_outcome := jsonb_build_object('outcome', 'limit_reached', 'limit', v_sale.config -> 'per_buyer_limit');
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
    INSERT INTO contacts (sale_id, order_id, email, buyer, name) VALUES (p_sale, p_order, p_email, p_buyer, p_name);
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

GRANT EXECUTE ON FUNCTION
    order_create(uuid, uuid, uuid, integer, bigint, text, text, text, text[], integer[], text[], text[], text[], integer[],
                 bigint[], text, bigint, integer, text, text, uuid[])
    TO onsale_gateway;
