-- Units that an organizer keeps back: withheld when the sale is published, withheld and released while it is live.
--
-- A live sale sells from Redis, so withholding begins there: a hold of nobody's takes units that are free, and what becomes of
-- it is decided here under its id, as for every hold, by the first row in `hold_claims`: withheld (with a row below) or
-- tombstoned by the sweep. So no unit is taken from who holds it, and whoever dies where, the sweep finds the verdict.
-- Releasing begins here, and a job tells Redis.
--
-- Order of locks. Withholding: gate, claim of the hold, the act's row, units. Releasing: gate, the tier's row, the act's row,
-- units. Units are locked in the order of their numbers.

ALTER TABLE transfers
    DROP CONSTRAINT transfers_kind_check,
    ADD CONSTRAINT transfers_kind_check CHECK (kind IN (
        'seats_issued', 'seats_ordered', 'seats_released', 'seats_sold', 'seats_withheld', 'withheld_released',
        'authorised', 'authorisation_voided', 'captured', 'captured_late', 'refunded', 'refund_reversed'));

-- What organizers did to the units of a live sale. The request makes an act unique: repeated, it is found and not done again.
CREATE TABLE withholdings (
    sale_id  uuid        NOT NULL,
    request  bytea       NOT NULL,
    act      text        NOT NULL,
    -- The hold that took the units in Redis.
    hold_id  uuid,
    tier_id  text        NOT NULL,
    unit_nos integer[]   NOT NULL,
    actor    text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT withholdings_pkey PRIMARY KEY (sale_id, request),
    CONSTRAINT withholdings_hold_key UNIQUE (sale_id, hold_id),
    CONSTRAINT withholdings_tier_fkey FOREIGN KEY (sale_id, tier_id) REFERENCES tiers (sale_id, id),
    CONSTRAINT withholdings_hold_fkey FOREIGN KEY (sale_id, hold_id) REFERENCES hold_claims (sale_id, hold_id),
    CONSTRAINT withholdings_request_check CHECK (octet_length(request) = 32),
    CONSTRAINT withholdings_act_check CHECK (act IN ('withheld', 'released')),
    CONSTRAINT withholdings_hold_check CHECK ((act = 'withheld') = (hold_id IS NOT NULL))
);

-- Step: moves units of a tier that are nobody's from one state to another, and their seats in the books; none is no transfer.
CREATE FUNCTION units_move(p_sale uuid, p_tier text, p_units integer[], p_from text, p_to text, p_kind text, p_key text)
RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    c_accounts constant jsonb := '{"free": "seats_available", "withheld": "seats_withheld"}';
    v_seats    constant text := 'seats:' || p_tier;
    v_moved    bigint;
BEGIN
    PERFORM FROM units WHERE sale_id = p_sale AND tier_id = p_tier AND unit_no = ANY (p_units) ORDER BY unit_no FOR NO KEY UPDATE;
    UPDATE units SET state = p_to, gen = gen + 1
     WHERE sale_id = p_sale AND tier_id = p_tier AND unit_no = ANY (p_units) AND state = p_from;
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    IF v_moved IS DISTINCT FROM cardinality(p_units) THEN
        PERFORM refuse('units_change_hands_once', format('%s of %s units of %s are %s', v_moved, cardinality(p_units), p_tier, p_from));
    ELSIF v_moved = 0 THEN
        RETURN;
    END IF;
    PERFORM post(p_sale, p_kind, p_key, NULL, NULL, onsale_now(), NULL, NULL,
                 ARRAY[ROW(c_accounts ->> p_to, v_seats, v_moved)::leg, ROW(c_accounts ->> p_from, v_seats, -v_moved)::leg]);
END
$$;

-- The units that a configuration withholds of a tier: the highest numbers, or the seats of those names.
CREATE FUNCTION configured_units(p_sale uuid, p_tier text, p_withheld jsonb) RETURNS integer[]
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(p_withheld) = 'number' THEN
        RETURN ARRAY(SELECT unit_no FROM units WHERE sale_id = p_sale AND tier_id = p_tier
                      ORDER BY unit_no DESC LIMIT (p_withheld #>> '{}')::integer);
    END IF;
    RETURN ARRAY(SELECT unit_no FROM units WHERE sale_id = p_sale AND tier_id = p_tier
                    AND seat_label IN (SELECT jsonb_array_elements_text(p_withheld)));
END
$$;

-- As V27 had it, with what the configuration withholds.
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
    PERFORM units_move(p_sale, tier, configured_units(p_sale, tier, withheld), 'free', 'withheld',
                       'seats_withheld', format('withheld:configured:%s', tier))
       FROM jsonb_each(coalesce(v_sale.config -> 'withheld', '{}')) AS configured (tier, withheld);

    UPDATE sales
       SET state = 'published', published_at = v_now, changed_at = v_now, version = version + 1,
           opens_at = (SELECT opens_at FROM phases WHERE sale_id = p_sale AND phase_no = 0)
     WHERE id = p_sale;
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, organizer_name(p_organizer), 'sale_published', jsonb_build_object('before', 'draft', 'after', 'published'));
    RETURN 'published';
END
$$;

-- As V22 had it, then called `epoch_begin`, with how many units of each tier are withheld.
CREATE OR REPLACE FUNCTION epoch_snapshot(p_sale uuid, p_expected integer) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_epoch    integer;
    v_reserved bigint;
    v_places   jsonb;
    v_paused   interval;
BEGIN
    PERFORM pg_advisory_xact_lock(gate_of(p_sale));
    IF NOT EXISTS (SELECT FROM sales WHERE id = p_sale AND state IN ('published', 'paused')) THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    END IF;
    UPDATE sales SET epoch = epoch + 1
     WHERE id = p_sale AND epoch = coalesce(p_expected, epoch)
    RETURNING epoch INTO v_epoch;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'busy');
    END IF;
    SELECT coalesce(max(last_number), 0) INTO v_reserved FROM number_blocks WHERE sale_id = p_sale;
    INSERT INTO epochs (sale_id, epoch, reserved_number) VALUES (p_sale, v_epoch, v_reserved);
    PERFORM log_add(p_sale, v_epoch, 'epoch', nullif(v_reserved, 0), NULL);
    v_paused := paused_for(p_sale);
    SELECT jsonb_build_object(
               'grants', coalesce(jsonb_agg(jsonb_build_object('number', number, 'until', until) ORDER BY number)
                                  FILTER (WHERE place = 'inside'), '[]'),
               'left', coalesce(jsonb_agg(number ORDER BY number) FILTER (WHERE place = 'left'), '[]'))
      INTO v_places
      FROM (SELECT number, until + (v_paused - paused_for) AS until,
                   CASE WHEN greatest(ended_at, left_at) >= coalesce(granted_at, '-infinity') THEN 'left'
                        WHEN granted_at >= coalesce(lapsed_at, '-infinity') THEN 'inside'
                        ELSE 'waiting' END AS place
              FROM grants WHERE sale_id = p_sale) AS places;
    RETURN v_places || jsonb_build_object(
        'outcome', 'begun', 'epoch', v_epoch, 'reserved_number', v_reserved,
        'cohorts', (SELECT count(*) FROM draws WHERE sale_id = p_sale AND state <> 'collecting'),
        'tiers', (SELECT coalesce(jsonb_agg(stock ORDER BY rank), '[]') FROM (
                      SELECT t.rank, jsonb_build_object(
                                 'tier', t.id, 'capacity', t.capacity,
                                 'withheld', count(u.unit_no) FILTER (WHERE u.state = 'withheld'),
                                 'free', coalesce(jsonb_agg(u.unit_no ORDER BY u.unit_no) FILTER (WHERE u.state = 'free'), '[]')
                             ) AS stock
                        FROM tiers t
                        LEFT JOIN units u ON u.sale_id = t.sale_id AND u.tier_id = t.id
                       WHERE t.sale_id = p_sale
                       GROUP BY t.sale_id, t.id) AS tier_stock));
END
$$;

-- An act that was done: what its caller is told, now and whenever it is repeated.
CREATE FUNCTION withholding_document(p_sale uuid, p_request bytea) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (SELECT jsonb_build_object('outcome', act, 'hold', hold_id, 'units', to_jsonb(unit_nos))
              FROM withholdings WHERE sale_id = p_sale AND request = p_request);
END
$$;

-- Step: writes an act down. None of two that come at once with one request.
CREATE FUNCTION withholding_add(p_sale uuid, p_request bytea, p_act text, p_hold uuid, p_tier text, p_units integer[], p_by text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO withholdings (sale_id, request, act, hold_id, tier_id, unit_nos, actor)
    VALUES (p_sale, p_request, p_act, p_hold, p_tier, p_units, p_by)
        ON CONFLICT ON CONSTRAINT withholdings_pkey DO NOTHING;
    RETURN FOUND;
END
$$;

-- Keeps the units of a hold of nobody's back. Answers withheld, with the hold that did and its units: when it is another hold
-- than this one, the request was done before, and this one has a tombstone. Or, with a tombstone too, so that its units may
-- be freed: tombstoned, not_live, epoch_stale, or units_lost with those that are not free here.
CREATE FUNCTION units_withhold(p_organizer uuid, p_sale uuid, p_request bytea, p_hold uuid, p_epoch integer, p_tier text,
                               p_units integer[], p_by text)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale  sales%ROWTYPE;
    v_done  jsonb;
    v_lost  jsonb;
    v_first boolean;
BEGIN
    PERFORM gate_enter(p_sale);
    INSERT INTO hold_claims (sale_id, hold_id) VALUES (p_sale, p_hold) ON CONFLICT DO NOTHING;
    v_first := FOUND;
    v_done := withholding_document(p_sale, p_request);
    IF v_done IS NOT NULL THEN
        RETURN v_done;
    ELSIF NOT v_first THEN
        RETURN jsonb_build_object('outcome', 'tombstoned');
    END IF;
    SELECT * INTO v_sale FROM sales WHERE id = p_sale AND organizer_id = p_organizer AND state IN ('published', 'paused');
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'not_live');
    ELSIF v_sale.epoch <> p_epoch THEN
        RETURN jsonb_build_object('outcome', 'epoch_stale');
    ELSIF NOT withholding_add(p_sale, p_request, 'withheld', p_hold, p_tier, p_units, p_by) THEN
        RETURN withholding_document(p_sale, p_request);
    END IF;

    PERFORM FROM units WHERE sale_id = p_sale AND tier_id = p_tier AND unit_no = ANY (p_units) ORDER BY unit_no FOR NO KEY UPDATE;
    SELECT jsonb_agg(w.unit_no ORDER BY w.unit_no) INTO v_lost
      FROM unnest(p_units) AS w (unit_no)
      LEFT JOIN units u ON u.sale_id = p_sale AND u.tier_id = p_tier AND u.unit_no = w.unit_no
     WHERE u.state IS DISTINCT FROM 'free';
    IF v_lost IS NOT NULL THEN
        DELETE FROM withholdings WHERE sale_id = p_sale AND request = p_request;
        RETURN jsonb_build_object('outcome', 'units_lost', 'units', v_lost);
    END IF;
    PERFORM units_move(p_sale, p_tier, p_units, 'free', 'withheld', 'seats_withheld', format('withheld:%s', p_hold));
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, p_by, 'units_withheld', jsonb_build_object('tier', p_tier, 'units', p_units));
    RETURN withholding_document(p_sale, p_request);
END
$$;

-- Puts withheld units on sale again: these, or so many, the lowest numbers first. Answers released, not_live, or not_withheld
-- with how many units are withheld and which of these are not. Two at once wait for each other on the tier, and see what
-- is left.
CREATE FUNCTION units_release(p_organizer uuid, p_sale uuid, p_request bytea, p_tier text, p_quantity integer, p_units integer[],
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
    PERFORM job_add(p_sale, 'stock', 'units_return', format('withheld_released:%s:%s', encode(p_request, 'hex'), part),
                    jsonb_build_object('epoch', (SELECT epoch FROM sales WHERE id = p_sale), 'whose', 'withheld', 'units', units))
       FROM (SELECT (rank - 1) / c_return_max AS part, jsonb_agg(jsonb_build_array(p_tier, unit_no) ORDER BY rank) AS units
               FROM unnest(v_units) WITH ORDINALITY AS u (unit_no, rank) GROUP BY part) AS parts;
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, p_by, 'units_released', jsonb_build_object('tier', p_tier, 'units', v_units));
    RETURN withholding_document(p_sale, p_request);
END
$$;

-- Step: what was decided about a hold; null when nothing was.
CREATE FUNCTION hold_verdict(p_sale uuid, p_hold uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (SELECT CASE WHEN c.order_id IS NOT NULL THEN 'ordered' WHEN w.hold_id IS NOT NULL THEN 'withheld' ELSE 'tombstoned' END
              FROM hold_claims c LEFT JOIN withholdings w USING (sale_id, hold_id)
             WHERE c.sale_id = p_sale AND c.hold_id = p_hold);
END
$$;

-- As V14 had it, with withheld as a verdict. If the hold is being ordered or withheld right now, the insert waits for it and
-- the verdict is that.
CREATE OR REPLACE FUNCTION hold_settle(p_sale uuid, p_hold uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO hold_claims (sale_id, hold_id) VALUES (p_sale, p_hold) ON CONFLICT DO NOTHING;
    RETURN hold_verdict(p_sale, p_hold);
END
$$;

GRANT SELECT ON withholdings TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION
    withholding_document(uuid, bytea),
    units_withhold(uuid, uuid, bytea, uuid, integer, text, integer[], text),
    units_release(uuid, uuid, bytea, text, integer, integer[], text)
    TO onsale_gateway;
GRANT EXECUTE ON FUNCTION hold_verdict(uuid, uuid) TO onsale_gateway, onsale_workers;
