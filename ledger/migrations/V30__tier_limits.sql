-- A tier may have a limit for one buyer of its own, beside the sale's and never above it: `tiers[].per_buyer_limit`. Both
-- are kept as V26 keeps the sale's: what counts is the units in hand, under a lock on the buyer.

DROP FUNCTION buyer_may_have(uuid, text, bigint, bigint);
DROP FUNCTION buyer_units(uuid, text, bigint);

-- Step (V26 had it for all tiers together): how many units of each tier a buyer has in hand. Only what it says under the
-- buyer's lock stays true; then it must be a statement of its own, because the statement that waited for the lock does not
-- see what was committed meanwhile.
CREATE FUNCTION buyer_units(p_sale uuid, p_buyer text, p_number bigint) RETURNS TABLE (tier_id text, units bigint)
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT ou.tier_id, count(*)
      FROM order_units ou
      JOIN units u ON u.sale_id = ou.sale_id AND u.tier_id = ou.tier_id AND u.unit_no = ou.unit_no
                  AND u.order_id = ou.order_id
     WHERE ou.sale_id = p_sale AND ou.order_id IN (
               SELECT order_id FROM contacts WHERE sale_id = p_sale AND buyer = p_buyer
               UNION
               SELECT id FROM orders WHERE sale_id = p_sale AND number = p_number)
     GROUP BY ou.tier_id;
END
$$;

-- Step: the limit that a buyer would pass with one unit more for each of these tiers, the sale's (whose `tier` is null)
-- before those of tiers; null when the units may be had. The buyer is locked from here on.
CREATE FUNCTION buyer_limit_passed(p_sale uuid, p_buyer text, p_number bigint, p_tiers text[]) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_config jsonb := (SELECT config FROM sales WHERE id = p_sale);
BEGIN
    PERFORM buyer_lock(p_sale, p_buyer, p_number);
    RETURN (
        WITH would_have AS (
            SELECT tier_id, units FROM buyer_units(p_sale, p_buyer, p_number)
             UNION ALL
            SELECT wanted, 1 FROM unnest(p_tiers) AS wanted),
        limits AS (
            SELECT 0 AS rank, NULL AS tier_id, (v_config ->> 'per_buyer_limit')::bigint AS units
             UNION ALL
            SELECT rank, tier ->> 'id', (tier ->> 'per_buyer_limit')::bigint
              FROM jsonb_array_elements(v_config -> 'tiers') WITH ORDINALITY AS configured (tier, rank)
             WHERE tier ->> 'id' = ANY (p_tiers))
        SELECT jsonb_build_object('limit', limits.units, 'tier', limits.tier_id)
          FROM limits
         WHERE limits.units < (SELECT sum(units) FROM would_have
                                WHERE limits.tier_id IS NULL OR would_have.tier_id = limits.tier_id)
         ORDER BY rank LIMIT 1);
END
$$;

-- As before (V26), within the limits of the tiers too.
CREATE OR REPLACE FUNCTION order_reclaim(p_sale uuid, p_order uuid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_number bigint := (SELECT number FROM orders WHERE sale_id = p_sale AND id = p_order);
    v_buyer  text   := (SELECT buyer FROM contacts WHERE sale_id = p_sale AND order_id = p_order);
    v_tiers  text[] := ARRAY(SELECT tier_id FROM order_units WHERE sale_id = p_sale AND order_id = p_order);
BEGIN
    IF buyer_limit_passed(p_sale, v_buyer, v_number, v_tiers) IS NOT NULL THEN
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

-- As before (V26), within the limits of the tiers too: writes an order, the hold's verdict, the order's rows, its units and
-- its seats in the books. An order of nothing is paid at once, its own id being the payment reference. Whatever it refuses,
-- it leaves nothing behind.
CREATE OR REPLACE FUNCTION order_create(
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
    v_limit   jsonb;
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
        v_limit := buyer_limit_passed(p_sale, p_buyer, p_number, p_unit_tiers);
        IF v_limit IS NOT NULL THEN
            v_outcome := jsonb_build_object('outcome', 'limit_reached') || v_limit;
        END IF;
    END IF;
    IF v_outcome IS NULL THEN
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
