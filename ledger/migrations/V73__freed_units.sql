-- Units that are freed go to who waits for them, in the transaction that frees them: of an order that expired or was cancelled, of
-- tickets that were given back, of what was withheld.

-- As V14, also from the hands of an offer.
CREATE OR REPLACE FUNCTION order_units_move(p_sale uuid, p_order uuid, p_from text, p_to text) RETURNS void
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
       AND u.state = p_from AND (p_from IN ('free', 'offered') OR u.order_id = p_order);
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    SELECT count(*) INTO v_wanted FROM order_units WHERE sale_id = p_sale AND order_id = p_order;
    IF v_moved <> v_wanted THEN
        PERFORM refuse('units_change_hands_once', format('order %s has %s of its %s units %s', p_order, v_moved, v_wanted, p_from));
    END IF;
END
$$;

-- As V14, and the units go to who waits for them before they go on sale.
CREATE OR REPLACE FUNCTION order_release(p_sale uuid, p_order uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_claim integer;
BEGIN
    PERFORM waitlist_enter(p_sale, ARRAY(SELECT DISTINCT tier_id FROM order_units WHERE sale_id = p_sale AND order_id = p_order));
    PERFORM order_units_move(p_sale, p_order, 'ordered', 'free');
    SELECT claims INTO v_claim FROM orders WHERE sale_id = p_sale AND id = p_order;
    PERFORM post(p_sale, 'seats_released', format('order:%s:released:%s', p_order, v_claim), p_order, NULL, onsale_now(),
                 NULL, NULL, seat_legs(p_sale, p_order, 'seats_ordered', 'seats_available'));
    PERFORM units_give_out(p_sale, format('units_return:%s:%s', p_order, v_claim), jsonb_build_object(
        'order', p_order,
        'epoch', (SELECT epoch FROM sales WHERE id = p_sale),
        'units', (SELECT jsonb_agg(jsonb_build_array(tier_id, unit_no) ORDER BY tier_id, unit_no)
                    FROM order_units WHERE sale_id = p_sale AND order_id = p_order)));
END
$$;

-- As V31, and the units go to who waits for them before they go on sale.
CREATE OR REPLACE FUNCTION tickets_void(p_order orders, p_refund uuid, p_tickets uuid[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale  constant uuid := p_order.sale_id;
    v_moved bigint;
BEGIN
    IF cardinality(p_tickets) = 0 THEN
        RETURN;
    END IF;
    PERFORM waitlist_enter(v_sale, ARRAY(SELECT DISTINCT tier_id FROM tickets WHERE sale_id = v_sale AND id = ANY (p_tickets)));
    PERFORM FROM units u JOIN tickets t USING (sale_id, tier_id, unit_no)
      WHERE t.sale_id = v_sale AND t.id = ANY (p_tickets) ORDER BY u.tier_id, u.unit_no FOR NO KEY UPDATE OF u;
    UPDATE tickets SET state = 'void' WHERE sale_id = v_sale AND id = ANY (p_tickets) AND state = 'valid';
    UPDATE units u SET state = 'free', gen = gen + 1, order_id = NULL
      FROM tickets t
     WHERE t.sale_id = v_sale AND t.id = ANY (p_tickets) AND t.state = 'void'
       AND u.sale_id = t.sale_id AND u.tier_id = t.tier_id AND u.unit_no = t.unit_no AND u.state = 'sold' AND u.order_id = p_order.id;
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    IF v_moved <> cardinality(p_tickets) THEN
        PERFORM refuse('units_change_hands_once', format('order %s has %s of %s units sold', p_order.id, v_moved, cardinality(p_tickets)));
    END IF;
    PERFORM post(v_sale, 'seats_returned', format('refund:%s:seats', p_refund), p_order.id, NULL, onsale_now(), NULL, NULL, (
        SELECT array_agg(l) FROM (
            SELECT unnest(ARRAY[ROW('seats_available', 'seats:' || tier_id, count(*))::leg,
                                ROW('seats_sold', 'seats:' || tier_id, -count(*))::leg]) AS l
              FROM tickets WHERE sale_id = v_sale AND id = ANY (p_tickets) GROUP BY tier_id ORDER BY tier_id) AS legs));
    PERFORM units_give_out(v_sale, format('units_return:refund:%s', p_refund), jsonb_build_object(
        'order', p_order.id,
        'epoch', (SELECT epoch FROM sales WHERE id = v_sale),
        'units', (SELECT jsonb_agg(jsonb_build_array(tier_id, unit_no) ORDER BY tier_id, unit_no)
                    FROM tickets WHERE sale_id = v_sale AND id = ANY (p_tickets))));
END
$$;

-- As V29, the same.
CREATE OR REPLACE FUNCTION units_release(p_organizer uuid, p_sale uuid, p_request bytea, p_tier text, p_quantity integer, p_units integer[],
                              p_by text)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    c_return_max constant integer := 1000; -- units that Redis takes back in one call
    v_done     jsonb;
    v_withheld integer[];
    v_units    integer[];
BEGIN
    PERFORM gate_enter(p_sale);
    PERFORM waitlist_enter(p_sale, ARRAY[p_tier]);
    PERFORM FROM tiers WHERE sale_id = p_sale AND id = p_tier FOR NO KEY UPDATE;
    v_done := withholding_document(p_sale, p_request);
    IF v_done IS NOT NULL THEN
        RETURN v_done;
    ELSIF NOT EXISTS (SELECT FROM sales WHERE id = p_sale AND organizer_id = p_organizer AND state IN ('published', 'paused')) THEN
        RETURN jsonb_build_object('outcome', 'not_live');
    END IF;
    v_withheld := ARRAY(SELECT unit_no FROM units WHERE sale_id = p_sale AND tier_id = p_tier AND state = 'withheld' ORDER BY unit_no);
    v_units := coalesce(p_units, v_withheld[:p_quantity]);
    IF NOT v_units <@ v_withheld OR cardinality(v_units) < p_quantity THEN
        RETURN jsonb_build_object('outcome', 'not_withheld', 'withheld', cardinality(v_withheld),
                                  'units', to_jsonb(ARRAY(SELECT unnest(p_units) EXCEPT SELECT unnest(v_withheld) ORDER BY 1)));
    ELSIF NOT withholding_add(p_sale, p_request, 'released', NULL, p_tier, v_units, p_by) THEN
        RETURN withholding_document(p_sale, p_request);
    END IF;

    PERFORM units_move(p_sale, p_tier, v_units, 'withheld', 'free', 'withheld_released',
                       format('withheld_released:%s', encode(p_request, 'hex')));
    PERFORM units_give_out(p_sale, format('withheld_released:%s:%s', encode(p_request, 'hex'), part),
                           jsonb_build_object('epoch', (SELECT epoch FROM sales WHERE id = p_sale), 'whose', 'withheld', 'units', units))
       FROM (SELECT (rank - 1) / c_return_max AS part, jsonb_agg(jsonb_build_array(p_tier, unit_no) ORDER BY rank) AS units
               FROM unnest(v_units) WITH ORDINALITY AS u (unit_no, rank) GROUP BY part ORDER BY part) AS parts;
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, p_by, 'units_released', jsonb_build_object('tier', p_tier, 'units', v_units));
    RETURN withholding_document(p_sale, p_request);
END
$$;

-- As V30, but never in a sale that is called off, and only from a job of all units: those that went to a line first were made free by
-- a job of another name, which Redis hears of in any case and sells them.
CREATE OR REPLACE FUNCTION order_reclaim(p_sale uuid, p_order uuid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_number bigint := (SELECT number FROM orders WHERE sale_id = p_sale AND id = p_order);
    v_buyer  text   := (SELECT buyer FROM contacts WHERE sale_id = p_sale AND order_id = p_order);
    v_tiers  text[] := ARRAY(SELECT tier_id FROM order_units WHERE sale_id = p_sale AND order_id = p_order);
BEGIN
    IF sale_is_called_off(p_sale) OR buyer_limit_passed(p_sale, v_buyer, v_number, v_tiers) IS NOT NULL THEN
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
       AND j.state = 'pending' AND j.attempts = 0 AND (j.payload ->> 'epoch')::integer = s.epoch
       AND jsonb_array_length(j.payload -> 'units')
           = (SELECT count(*) FROM order_units ou WHERE ou.sale_id = p_sale AND ou.order_id = p_order);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM order_claim(p_sale, p_order);
    RETURN true;
END
$$;
