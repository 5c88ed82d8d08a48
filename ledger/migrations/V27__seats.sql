-- Seats: a tier is a number of places, or rows of seats whose names its units carry.

-- The units of a tier as its configuration has it: numbered from 0, in a tier of rows through the rows in their order. The
-- names are those of `Seating::seat`; a test compares.
CREATE FUNCTION tier_units(p_tier jsonb) RETURNS TABLE (unit_no integer, seat_label text)
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_tier ? 'rows' THEN
        RETURN QUERY
        SELECT (row_number() OVER (ORDER BY rank, seat))::integer - 1, format('%s-%s', configured ->> 'row', seat)
          FROM jsonb_array_elements(p_tier -> 'rows') WITH ORDINALITY AS given (configured, rank),
               generate_series(1, (configured ->> 'seats')::integer) AS seat;
    ELSE
        RETURN QUERY SELECT n, NULL::text FROM generate_series(0, (p_tier ->> 'capacity')::integer - 1) AS n;
    END IF;
END
$$;

-- As before, with the units of each tier from its rows where it has some.
CREATE OR REPLACE FUNCTION sale_publish(p_organizer uuid, p_sale uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale sales%ROWTYPE;
    v_now  timestamptz := onsale_now();
    v_legs leg[];
BEGIN
    SELECT * INTO v_sale FROM sales WHERE id = p_sale AND organizer_id = p_organizer FOR NO KEY UPDATE;
    IF NOT FOUND OR (v_sale.state = 'cancelled' AND v_sale.published_at IS NULL) THEN
        RETURN 'not_found';
    ELSIF v_sale.state <> 'draft' THEN
        RETURN 'already_published';
    END IF;

    INSERT INTO performances (sale_id, id, name, venue)
    VALUES (p_sale, 'main', v_sale.config ->> 'name', coalesce(v_sale.config ->> 'venue', ''));
    PERFORM phases_make(p_sale, v_sale.config, v_now);
    INSERT INTO tiers (sale_id, id, performance_id, rank, name, price, capacity)
    SELECT p_sale, tier ->> 'id', 'main', rank, tier ->> 'name', (tier ->> 'price')::bigint,
           (SELECT count(*) FROM tier_units(tier))
      FROM jsonb_array_elements(v_sale.config -> 'tiers') WITH ORDINALITY AS configured (tier, rank);
    INSERT INTO units (sale_id, tier_id, unit_no, seat_label)
    SELECT p_sale, tier ->> 'id', u.unit_no, u.seat_label
      FROM jsonb_array_elements(v_sale.config -> 'tiers') AS configured (tier), tier_units(tier) AS u;

    PERFORM accounts_open(p_sale, v_sale.currency);
    SELECT array_agg(l ORDER BY rank) INTO v_legs FROM (
        SELECT rank, unnest(ARRAY[ROW('seats_available', 'seats:' || id, capacity)::leg,
                                  ROW('seats_issued', 'seats:' || id, -capacity)::leg]) AS l
          FROM tiers WHERE sale_id = p_sale) AS issued;
    PERFORM post(p_sale, 'seats_issued', 'seats_issued', NULL, NULL, v_now, NULL, NULL, v_legs);

    UPDATE sales
       SET state = 'published', published_at = v_now, changed_at = v_now, version = version + 1,
           opens_at = (SELECT opens_at FROM phases WHERE sale_id = p_sale AND phase_no = 0)
     WHERE id = p_sale;
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, organizer_name(p_organizer), 'sale_published', jsonb_build_object('before', 'draft', 'after', 'published'));
    RETURN 'published';
END
$$;
