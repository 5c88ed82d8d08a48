-- The line of a tier: its locks, what is kept for it, and who is offered it. All of it are steps of other acts.

-- Step: nobody begins to wait until the transaction ends.
CREATE FUNCTION waitlist_door_enter(p_sale uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(p_sale::text, 4));
END
$$;

-- Step: nobody else touches the line until the transaction ends. The look that follows is a statement of its own, so that it sees
-- what the lock waited for.
CREATE FUNCTION waitlist_line_enter(p_sale uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM waitlist_door_enter(p_sale);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_sale::text, 5));
END
$$;

CREATE FUNCTION waitlist_waits(p_sale uuid, p_tier text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM waitlist_wants WHERE sale_id = p_sale AND tier_id = p_tier);
END
$$;

-- Step: before units of these tiers are locked and freed. Who finds nobody waiting leaves the line alone: nobody can begin to.
CREATE FUNCTION waitlist_enter(p_sale uuid, p_tiers text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM waitlist_door_enter(p_sale);
    IF EXISTS (SELECT FROM unnest(p_tiers) AS tier WHERE waitlist_waits(p_sale, tier)) THEN
        PERFORM waitlist_line_enter(p_sale);
    END IF;
END
$$;

-- How long an offer lives: what the sale says, and never shorter than a hold may last.
CREATE FUNCTION offer_ttl(p_config jsonb) RETURNS interval
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    c_usual_s constant integer := 1800;
BEGIN
    RETURN make_interval(secs => greatest(coalesce((p_config ->> 'offer_ttl_s')::integer, c_usual_s),
                                          (p_config -> 'hold' ->> 'max_ttl_s')::integer));
END
$$;

-- How long units are kept for who wants more than there is.
CREATE FUNCTION kept_max(p_config jsonb) RETURNS interval
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    c_kept_max constant interval := interval '30 minutes';
BEGIN
    RETURN least(offer_ttl(p_config), c_kept_max);
END
$$;

-- When nothing is offered any more: selling ends then, or the last performance begins. Null is never. The configuration says when that
-- is: `performances` has names only.
CREATE FUNCTION waitlist_deadline(p_sale uuid) RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN least((SELECT closes_at FROM phases WHERE sale_id = p_sale ORDER BY phase_no DESC LIMIT 1),
                 (SELECT max((performance ->> 'starts_at')::timestamptz)
                    FROM sales, jsonb_array_elements(config -> 'performances') AS performance WHERE id = p_sale));
END
$$;

-- Whether it is too late for an offer: less is left than the longest hold would have.
CREATE FUNCTION waitlist_is_over(p_sale uuid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (SELECT state NOT IN ('published', 'paused')
                   OR onsale_now() + make_interval(secs => coalesce((config -> 'hold' ->> 'max_ttl_s')::integer, 0))
                      > coalesce(waitlist_deadline(p_sale), 'infinity')
              FROM sales WHERE id = p_sale);
END
$$;

-- As V29, with units that are offered.
CREATE OR REPLACE FUNCTION units_move(p_sale uuid, p_tier text, p_units integer[], p_from text, p_to text, p_kind text, p_key text)
RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    c_accounts constant jsonb := '{"free": "seats_available", "withheld": "seats_withheld", "offered": "seats_offered"}';
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

-- Step: units of a tier that are free are kept for its line.
CREATE FUNCTION units_keep(p_sale uuid, p_tier text, p_units integer[], p_key text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM units_move(p_sale, p_tier, p_units, 'free', 'offered', 'seats_offered', format('offered:%s:%s', p_key, p_tier));
    INSERT INTO offered_units (sale_id, tier_id, unit_no, kept_at)
    SELECT p_sale, p_tier, unit_no, onsale_now() FROM unnest(p_units) AS unit_no;
END
$$;

CREATE FUNCTION sale_is_called_off(p_sale uuid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sales WHERE id = p_sale AND state = 'cancelled');
END
$$;

-- Step: units that were just freed go to the lines of their tiers, and to those who are first in them. What nobody waits for goes
-- on sale: Redis is told by a job of that name, unless the sale is called off. The caller entered by `waitlist_enter` before it locked the units.
CREATE FUNCTION units_give_out(p_sale uuid, p_job text, p_payload jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_tier    record;
    v_on_sale jsonb   := '[]';
    v_kept    boolean := false;
BEGIN
    FOR v_tier IN
        SELECT unit ->> 0 AS id, array_agg((unit ->> 1)::integer ORDER BY (unit ->> 1)::integer) AS units,
               jsonb_agg(unit ORDER BY (unit ->> 1)::integer) AS document
          FROM jsonb_array_elements(p_payload -> 'units') AS unit GROUP BY unit ->> 0 ORDER BY unit ->> 0
    LOOP
        IF waitlist_waits(p_sale, v_tier.id) THEN
            PERFORM units_keep(p_sale, v_tier.id, v_tier.units, p_job);
            v_kept := true;
        ELSE
            v_on_sale := v_on_sale || v_tier.document;
        END IF;
    END LOOP;
    IF v_on_sale <> '[]' AND NOT sale_is_called_off(p_sale) THEN
        PERFORM job_add(p_sale, 'stock', 'units_return', p_job, p_payload || jsonb_build_object('units', v_on_sale));
    END IF;
    IF v_kept THEN
        PERFORM waitlist_promote(p_sale);
    END IF;
END
$$;

-- Step: the first in the line of a tier who may have what is kept for it, null when nobody may.
--
-- The first who wants no more than there is; but nobody is passed over more than three times in a line, so whoever was bars it until
-- there is enough. Only the first thousand are looked at: who stands farther back passes nobody, so an offer writes no more rows than
-- that, however long the line. Units that nobody could have for so long go to the first in line, however many he wants.
CREATE FUNCTION waitlist_first(p_sale uuid, p_tier text, p_units bigint, p_unwanted_for interval, p_kept_max interval)
RETURNS waitlist_wants
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_sort = off
AS $$
DECLARE
    c_overtaken_max constant integer := 3;
    c_look_max      constant integer := 1000;
    v_kept_long     constant boolean := coalesce(p_unwanted_for >= p_kept_max, false);
    v_want          waitlist_wants%ROWTYPE;
BEGIN
    FOR v_want IN SELECT * FROM waitlist_wants WHERE sale_id = p_sale AND tier_id = p_tier ORDER BY rank LIMIT c_look_max LOOP
        IF v_want.quantity <= p_units OR v_kept_long THEN
            RETURN v_want;
        ELSIF v_want.overtaken >= c_overtaken_max THEN
            RETURN NULL;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- Step: a mail to the address of an entry, once for each kind.
CREATE FUNCTION waitlist_tell(p_sale uuid, p_entry uuid, p_kind text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM job_add(p_sale, 'mail', p_kind, format('%s:%s', p_kind, p_entry), jsonb_build_object('entry', p_entry));
END
$$;

-- Step: of the units that are kept for a line, those for somebody who wants so many: the first seats side by side in one row, else
-- the lowest numbers, fewer when there are no more.
CREATE FUNCTION kept_units(p_sale uuid, p_tier text, p_quantity integer) RETURNS integer[]
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
AS $$
DECLARE
    v_together integer[];
BEGIN
    -- Of one seat, and where there are none, nothing is side by side: looking at all that is kept would cost each offer as much again.
    IF p_quantity > 1 AND (SELECT u.seat_label FROM offered_units o JOIN units u USING (sale_id, tier_id, unit_no)
                            WHERE o.sale_id = p_sale AND o.tier_id = p_tier AND o.offer_id IS NULL LIMIT 1) IS NOT NULL THEN
        SELECT array_agg(unit_no ORDER BY unit_no) INTO v_together
          FROM (SELECT u.unit_no, regexp_replace(u.seat_label, '-[^-]*$', '') AS row_name,
                       u.unit_no - row_number() OVER (PARTITION BY regexp_replace(u.seat_label, '-[^-]*$', '') ORDER BY u.unit_no) AS run
                  FROM offered_units o JOIN units u USING (sale_id, tier_id, unit_no)
                 WHERE o.sale_id = p_sale AND o.tier_id = p_tier AND o.offer_id IS NULL AND u.seat_label IS NOT NULL) AS seats
         GROUP BY row_name, run HAVING count(*) >= p_quantity
         ORDER BY min(unit_no) LIMIT 1;
    END IF;
    RETURN coalesce(v_together[:p_quantity], ARRAY(
        SELECT unit_no FROM offered_units
         WHERE sale_id = p_sale AND tier_id = p_tier AND offer_id IS NULL ORDER BY unit_no LIMIT p_quantity));
END
$$;

-- Step: an entry gets units that are kept for a line, at most as many as it wants.
CREATE FUNCTION offer_make(p_want waitlist_wants, p_config jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    c_sale  constant uuid := p_want.sale_id;
    v_now   constant timestamptz := onsale_now();
    v_offer constant uuid := onsale_uuid();
    v_units constant integer[] := kept_units(c_sale, p_want.tier_id, p_want.quantity);
BEGIN
    INSERT INTO offers (sale_id, id, entry_id, rank, tier_id, unit_nos, made_at, until, paused_for)
    VALUES (c_sale, v_offer, p_want.entry_id, p_want.rank, p_want.tier_id, v_units, v_now,
            least(v_now + offer_ttl(p_config), waitlist_deadline(c_sale)), paused_for(c_sale));
    UPDATE offered_units SET offer_id = v_offer, unwanted_at = NULL, paused_for = NULL
     WHERE sale_id = c_sale AND tier_id = p_want.tier_id AND unit_no = ANY (v_units);
    DELETE FROM waitlist_wants WHERE sale_id = c_sale AND entry_id = p_want.entry_id;
    UPDATE waitlist_wants SET overtaken = overtaken + 1
     WHERE sale_id = c_sale AND tier_id = p_want.tier_id AND rank < p_want.rank;
    UPDATE waitlist_entries SET state = 'offered', served_at = v_now, changed_at = v_now, changed_by = pg_current_xact_id()
     WHERE sale_id = c_sale AND id = p_want.entry_id;
    PERFORM waitlist_tell(c_sale, p_want.entry_id, 'mail_waitlist_offer');
END
$$;

-- Step: what is kept for a line in which nobody waits goes on sale again.
CREATE FUNCTION waitlist_settle(p_sale uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    c_return_max constant integer := 1000; -- units that Redis takes back in one call
    v_key        constant text := format('offered_released:%s', onsale_uuid());
    v_tier       record;
BEGIN
    FOR v_tier IN
        SELECT kept.tier_id AS id, ARRAY(SELECT unit_no FROM offered_units
                                          WHERE sale_id = p_sale AND tier_id = kept.tier_id AND offer_id IS NULL
                                          ORDER BY unit_no) AS units
          -- Once a tier: the look is dear where many have just left the line.
          FROM (SELECT DISTINCT tier_id FROM offered_units WHERE sale_id = p_sale AND offer_id IS NULL OFFSET 0) AS kept
         WHERE NOT waitlist_waits(p_sale, kept.tier_id)
         ORDER BY kept.tier_id
    LOOP
        PERFORM units_move(p_sale, v_tier.id, v_tier.units, 'offered', 'free', 'offered_released', format('%s:%s', v_key, v_tier.id));
        DELETE FROM offered_units WHERE sale_id = p_sale AND tier_id = v_tier.id AND offer_id IS NULL;
        PERFORM job_add(p_sale, 'stock', 'units_return', format('%s:%s:%s', v_key, v_tier.id, part),
                        jsonb_build_object('epoch', (SELECT epoch FROM sales WHERE id = p_sale), 'units', units))
           FROM (SELECT (place - 1) / c_return_max AS part, jsonb_agg(jsonb_build_array(v_tier.id, unit_no) ORDER BY place) AS units
                   FROM unnest(v_tier.units) WITH ORDINALITY AS u (unit_no, place) GROUP BY part) AS parts
          WHERE NOT sale_is_called_off(p_sale);
    END LOOP;
END
$$;

-- Step: what is kept for a line in which nobody may have it is so from now on, unless it was before. Not while the queue has its time
-- to join or where it is too late for an offer: there nobody was asked.
CREATE FUNCTION units_unwanted(p_sale uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    UPDATE offered_units SET unwanted_at = onsale_now(), paused_for = paused_for(p_sale)
     WHERE sale_id = p_sale AND offer_id IS NULL AND unwanted_at IS NULL
       AND tier_id IN (SELECT tier_id FROM waitlist_lines
                        WHERE sale_id = p_sale AND gathers_until <= onsale_now() AND NOT waitlist_is_over(p_sale));
END
$$;

-- Step: offers what is kept, to whoever is first, until there is nobody or nothing left; answers how many offers it made. The
-- line is locked. Nothing is offered while a sale is paused, nor before the queue had its time to join.
CREATE FUNCTION waitlist_promote(p_sale uuid) RETURNS integer
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_config jsonb := (SELECT config FROM sales WHERE id = p_sale AND state = 'published');
    v_next   waitlist_wants%ROWTYPE;
    v_made   integer := 0;
BEGIN
    WHILE v_config IS NOT NULL LOOP
        SELECT (f.first).* INTO v_next
          FROM (SELECT o.tier_id, count(*) AS units,
                       onsale_now() - paused_for(p_sale) - min(o.unwanted_at - o.paused_for) AS unwanted_for
                  FROM offered_units o JOIN waitlist_lines l ON l.sale_id = o.sale_id AND l.tier_id = o.tier_id
                 WHERE o.sale_id = p_sale AND o.offer_id IS NULL AND l.gathers_until <= onsale_now()
                 GROUP BY o.tier_id) AS kept
         CROSS JOIN LATERAL (SELECT waitlist_first(p_sale, kept.tier_id, kept.units, kept.unwanted_for, kept_max(v_config)) AS first
                             OFFSET 0) AS f
         WHERE (f.first).entry_id IS NOT NULL AND NOT waitlist_is_over(p_sale)
         ORDER BY (f.first).rank, (f.first).preference LIMIT 1;
        EXIT WHEN NOT FOUND;
        PERFORM offer_make(v_next, v_config);
        v_made := v_made + 1;
    END LOOP;
    IF v_config IS NOT NULL THEN
        PERFORM units_unwanted(p_sale);
    END IF;
    PERFORM waitlist_settle(p_sale);
    RETURN v_made;
END
$$;

-- Step: an entry is over: it stands in no line, and its address may join again.
CREATE FUNCTION waitlist_entry_end(p_sale uuid, p_entry uuid, p_state text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    v_now constant timestamptz := onsale_now();
BEGIN
    DELETE FROM waitlist_wants WHERE sale_id = p_sale AND entry_id = p_entry;
    UPDATE waitlist_entries SET state = p_state, served_at = coalesce(served_at, v_now), changed_at = v_now,
                                changed_by = pg_current_xact_id()
     WHERE sale_id = p_sale AND id = p_entry;
    UPDATE waitlist_contacts SET is_live = false WHERE sale_id = p_sale AND entry_id = p_entry;
END
$$;

-- Step: an offer comes to nothing: its units are kept for the line again, its entry is over.
CREATE FUNCTION offer_end(p_offer offers, p_state text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    v_now constant timestamptz := onsale_now();
BEGIN
    UPDATE offers SET state = p_state, ended_at = v_now WHERE sale_id = p_offer.sale_id AND id = p_offer.id;
    UPDATE offered_units SET offer_id = NULL, kept_at = v_now
     WHERE sale_id = p_offer.sale_id AND tier_id = p_offer.tier_id AND unit_no = ANY (p_offer.unit_nos);
    PERFORM waitlist_entry_end(p_offer.sale_id, p_offer.entry_id, p_state);
END
$$;
