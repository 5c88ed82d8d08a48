-- A sale is changed: its configuration as a whole, and with it what it sells. A tier grows by units behind its last; they go to who
-- waits for them first and on sale next, like every unit that becomes free.
--
-- Order of locks: gate, the waitlist's door and line, the sale's row, the tier's row; the units are new, so nobody else has them.

-- The tiers that have more places in a configuration than they have units.
CREATE FUNCTION tiers_growing(p_sale uuid, p_config jsonb) RETURNS TABLE (id text, units integer[])
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT t.id, ARRAY(SELECT generate_series(t.capacity, (tier ->> 'capacity')::integer - 1))
      FROM tiers t JOIN jsonb_array_elements(p_config -> 'tiers') AS tier ON tier ->> 'id' = t.id
     WHERE t.sale_id = p_sale AND (tier ->> 'capacity')::integer > t.capacity
     ORDER BY t.id;
END
$$;

-- Step: whatever came before, a tier that was sold of is there still, in its place, for its price, and no smaller; one of rows is
-- as large as it was.
CREATE FUNCTION tiers_stand(p_sale uuid, p_config jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_broken text;
BEGIN
    SELECT string_agg(coalesce(t.id, c.tier ->> 'id'), ', ') INTO v_broken
      FROM (SELECT * FROM tiers WHERE sale_id = p_sale) AS t
      FULL JOIN (SELECT tier, rank FROM jsonb_array_elements(p_config -> 'tiers') WITH ORDINALITY AS given (tier, rank)) AS c
        ON c.tier ->> 'id' = t.id
     WHERE (t.rank = c.rank AND t.price = (c.tier ->> 'price')::bigint
            AND CASE WHEN c.tier ? 'rows' THEN (SELECT count(*) FROM tier_units(c.tier)) = t.capacity
                     ELSE (c.tier ->> 'capacity')::integer >= t.capacity END) IS NOT TRUE;
    IF v_broken IS NOT NULL THEN
        PERFORM refuse('tiers_only_grow', format('sale %s: %s', p_sale, v_broken));
    END IF;
END
$$;

-- Step: the units that a configuration has more are there from now on. The sale's row is locked, and the line by `waitlist_enter`.
CREATE FUNCTION tiers_grow(p_sale uuid, p_config jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    c_return_max constant integer := 1000; -- units that Redis takes in one call
    v_key        text;
    v_tier       record;
BEGIN
    FOR v_tier IN SELECT * FROM tiers_growing(p_sale, p_config) LOOP
        -- No two growths of a tier end at the same number.
        v_key := format('seats_issued:%s:%s', v_tier.id, v_tier.units[cardinality(v_tier.units)]);
        UPDATE tiers SET capacity = capacity + cardinality(v_tier.units) WHERE sale_id = p_sale AND tiers.id = v_tier.id;
        INSERT INTO units (sale_id, tier_id, unit_no) SELECT p_sale, v_tier.id, unit_no FROM unnest(v_tier.units) AS unit_no;
        PERFORM post(p_sale, 'seats_issued', v_key, NULL, NULL, onsale_now(), NULL, NULL,
                     ARRAY[ROW('seats_available', 'seats:' || v_tier.id, cardinality(v_tier.units))::leg,
                           ROW('seats_issued', 'seats:' || v_tier.id, -cardinality(v_tier.units))::leg]);
        -- For Redis they are like what was withheld: there are so many more of the tier than before.
        PERFORM units_give_out(p_sale, format('%s:%s', v_key, part),
                               jsonb_build_object('epoch', (SELECT epoch FROM sales WHERE sales.id = p_sale), 'whose', 'withheld',
                                                  'units', document))
           FROM (SELECT (place - 1) / c_return_max AS part,
                        jsonb_agg(jsonb_build_array(v_tier.id, unit_no) ORDER BY place) AS document
                   FROM unnest(v_tier.units) WITH ORDINALITY AS u (unit_no, place) GROUP BY part ORDER BY part) AS parts;
    END LOOP;
END
$$;

-- Step: what a configuration says that the database has in rows of its own, of a sale that was published.
CREATE FUNCTION sale_rows_change(p_sale uuid, p_config jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE performances SET name = p_config ->> 'name', venue = coalesce(p_config ->> 'venue', '') WHERE sale_id = p_sale;
    UPDATE tiers SET name = tier ->> 'name'
      FROM jsonb_array_elements(p_config -> 'tiers') AS tier
     WHERE sale_id = p_sale AND id = tier ->> 'id' AND name <> tier ->> 'name';
    UPDATE phases SET closes_at = coalesce((p_config #>> '{phases,-1,closes_at}')::timestamptz, (p_config ->> 'closes_at')::timestamptz)
     WHERE sale_id = p_sale AND phase_no = (SELECT max(phase_no) FROM phases WHERE sale_id = p_sale);
END
$$;

-- The members of a document that another has not, or has otherwise.
CREATE FUNCTION members_but(p_document jsonb, p_other jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(p_document)
             WHERE p_other -> key IS DISTINCT FROM value);
END
$$;

-- Changes a sale that is as the caller saw it: of that version. Answers changed, stale, not_found (or called off) or slug_taken.
CREATE FUNCTION sale_change(p_organizer uuid, p_sale uuid, p_version bigint, p_config jsonb, p_slug text, p_currency text,
                            p_opens_at timestamptz, p_by text)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale sales%ROWTYPE;
BEGIN
    PERFORM gate_enter(p_sale);
    PERFORM waitlist_enter(p_sale, ARRAY(SELECT id FROM tiers_growing(p_sale, p_config)));
    v_sale := sale_lock(p_organizer, p_sale, ARRAY['draft', 'published', 'paused', 'closed']);
    IF v_sale.id IS NULL THEN
        RETURN 'not_found';
    ELSIF v_sale.version <> p_version THEN
        RETURN 'stale';
    END IF;

    IF v_sale.state = 'draft' THEN
        BEGIN
            UPDATE sales SET slug = p_slug, currency = p_currency, opens_at = p_opens_at WHERE id = p_sale;
        EXCEPTION WHEN unique_violation THEN
            RETURN 'slug_taken';
        END;
    ELSE
        PERFORM tiers_stand(p_sale, p_config);
        PERFORM sale_rows_change(p_sale, p_config);
    END IF;
    UPDATE sales SET config = p_config WHERE id = p_sale;
    PERFORM sale_changed(p_sale);
    IF v_sale.state <> 'draft' THEN
        PERFORM tiers_grow(p_sale, p_config);
    END IF;
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, p_by, 'sale_changed',
            jsonb_build_object('before', members_but(v_sale.config, p_config), 'after', members_but(p_config, v_sale.config)));
    RETURN 'changed';
END
$$;

GRANT EXECUTE ON FUNCTION sale_change(uuid, uuid, bigint, jsonb, text, text, timestamptz, text) TO onsale_gateway;
