-- The admission log, and what the next epoch needs to know of each number.
--
-- The log keeps everything: one line for every turn given, every place that lapsed, was left or used up, every bypass and
-- every reason why people ahead may become more. Its lines are numbered without holes within a sale, by a lock that is held
-- for one insert a tick, so a line that was taken out would be missed. It has numbers and nothing of persons.

CREATE TABLE admission_log (
    sale_id     uuid        NOT NULL,
    seq         bigint      NOT NULL,
    epoch       integer     NOT NULL,
    kind        text        NOT NULL,
    number      bigint,
    -- By Redis for what a tick did, by Postgres otherwise.
    at          timestamptz NOT NULL,
    count       integer,
    note        text,
    recorded_at timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT admission_log_pkey PRIMARY KEY (sale_id, seq),
    CONSTRAINT admission_log_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT admission_log_kind_check CHECK (kind IN (
        'granted', 'lapsed', 'left', 'ended', 'bypassed', 'bypass_asked', 'returned', 'epoch', 'stopped', 'resumed')),
    CONSTRAINT admission_log_number_check
        CHECK (CASE WHEN kind IN ('stopped', 'resumed') THEN number IS NULL
                    WHEN kind = 'epoch' THEN number IS NULL OR number >= 1
                    ELSE number >= 1 AND number IS NOT NULL END),
    CONSTRAINT admission_log_count_check CHECK (count >= 1 AND kind = 'returned' OR count IS NULL AND kind <> 'returned'),
    CONSTRAINT admission_log_note_check
        CHECK (char_length(note) BETWEEN 1 AND 500 AND kind IN ('stopped', 'bypass_asked')
               OR note IS NULL AND kind NOT IN ('stopped', 'bypass_asked'))
);

-- By which a line that is told again is known. Times grow, so it grows at one end.
CREATE UNIQUE INDEX admission_log_told_key
    ON admission_log (sale_id, at, kind, coalesce(number, 0), coalesce(note, ''));

CREATE TRIGGER admission_log_stay_as_written BEFORE UPDATE OR DELETE OR TRUNCATE ON admission_log
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();

-- A row a number that something became of: the latest time of each. Every column is a maximum, so the order in which
-- ticks arrive does not matter, and a lapse may come before its turn does. A turn given later than the lapse is the one that
-- counts, also at the same instant, because a tick lapses before it gives; leaving and the end of a session are final.
ALTER TABLE grants
    ALTER COLUMN granted_at DROP NOT NULL,
    ALTER COLUMN until DROP NOT NULL,
    ADD COLUMN lapsed_at timestamptz,
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN left_at timestamptz,
    -- How long the sale had been paused in all when the turn was given: what came since is added to `until`.
    ADD COLUMN paused_for interval NOT NULL DEFAULT '0',
    ADD CONSTRAINT grants_given_check CHECK ((granted_at IS NULL) = (until IS NULL)),
    ADD CONSTRAINT grants_something_check CHECK (num_nonnulls(granted_at, lapsed_at, ended_at, left_at) > 0);

-- Since when the sale is paused, and how long it was before.
ALTER TABLE sales
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN paused_for interval NOT NULL DEFAULT '0';
UPDATE sales SET paused_at = changed_at WHERE state = 'paused';
ALTER TABLE sales ADD CONSTRAINT sales_paused_at_check CHECK ((state = 'paused') = (paused_at IS NOT NULL));

-- The lock of a sale's log, and the number of its last line. The look is a statement of its own, after the lock, and by the
-- end of the index, as in `registrations_count`.
CREATE FUNCTION log_enter(p_sale uuid) RETURNS bigint
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_sale::text, 3));
    RETURN coalesce((SELECT seq FROM admission_log WHERE sale_id = p_sale ORDER BY seq DESC LIMIT 1), 0);
END
$$;

-- Writes down what a tick did and answers how many lines of it stand; 0 when the epoch is over, because what it did ended
-- with it. What is known already is not written again; it is looked up by index, as in `registrations_add`.
CREATE FUNCTION tick_record(p_sale uuid, p_epoch integer, p_at timestamptz, p_bound_s integer,
                            p_granted bigint[], p_granted_at timestamptz[],
                            p_kinds text[], p_numbers bigint[], p_times timestamptz[],
                            p_returned integer, p_lowest bigint,
                            p_stopped_why text[], p_stopped_at timestamptz[])
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_material = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    v_paused_for interval;
    v_last       bigint;
    v_told       bigint;
BEGIN
    PERFORM gate_enter(p_sale);
    SELECT paused_for INTO v_paused_for FROM sales WHERE id = p_sale AND epoch = p_epoch;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    v_last := log_enter(p_sale);
    WITH told AS MATERIALIZED (
        SELECT 'granted' AS kind, number, at, NULL::integer AS count, NULL AS note
          FROM unnest(p_granted, p_granted_at) AS given (number, at)
         UNION SELECT kind, number, at, NULL, NULL FROM unnest(p_kinds, p_numbers, p_times) AS event (kind, number, at)
         UNION SELECT 'returned', p_lowest, p_at, p_returned, NULL WHERE p_returned > 0
         UNION SELECT CASE WHEN why IS NULL THEN 'resumed' ELSE 'stopped' END, NULL, at, NULL, why
                 FROM unnest(p_stopped_why, p_stopped_at) AS stop (why, at)),
    logged AS (
        INSERT INTO admission_log (sale_id, seq, epoch, kind, number, at, count, note)
        SELECT p_sale, v_last + row_number() OVER (ORDER BY at, kind <> 'lapsed', kind, number, note), p_epoch, kind, number, at,
               count, note
          FROM told
         WHERE NOT EXISTS (SELECT FROM admission_log l
                            WHERE l.sale_id = p_sale AND l.at = told.at AND l.kind = told.kind
                              AND coalesce(l.number, 0) = coalesce(told.number, 0)
                              AND coalesce(l.note, '') = coalesce(told.note, ''))),
    kept AS (
        INSERT INTO grants AS known (sale_id, number, epoch, granted_at, until, lapsed_at, ended_at, left_at, paused_for)
        SELECT p_sale, number, p_epoch, max(at) FILTER (WHERE kind = 'granted'),
               max(at) FILTER (WHERE kind = 'granted') + make_interval(secs => p_bound_s),
               max(at) FILTER (WHERE kind = 'lapsed'), max(at) FILTER (WHERE kind = 'ended'),
               max(at) FILTER (WHERE kind = 'left'), v_paused_for
          FROM told WHERE kind IN ('granted', 'lapsed', 'ended', 'left')
         GROUP BY number ORDER BY number
            ON CONFLICT (sale_id, number) DO UPDATE
           SET epoch = excluded.epoch,
               granted_at = greatest(known.granted_at, excluded.granted_at),
               until = CASE WHEN known.granted_at >= excluded.granted_at THEN known.until
                            ELSE coalesce(excluded.until, known.until) END,
               paused_for = CASE WHEN excluded.granted_at IS NULL OR known.granted_at >= excluded.granted_at
                                 THEN known.paused_for ELSE excluded.paused_for END,
               lapsed_at = greatest(known.lapsed_at, excluded.lapsed_at),
               ended_at = greatest(known.ended_at, excluded.ended_at),
               left_at = greatest(known.left_at, excluded.left_at)
         WHERE (known.granted_at, known.lapsed_at, known.ended_at, known.left_at)
               IS DISTINCT FROM
               (greatest(known.granted_at, excluded.granted_at), greatest(known.lapsed_at, excluded.lapsed_at),
                greatest(known.ended_at, excluded.ended_at), greatest(known.left_at, excluded.left_at)))
    SELECT count(*) INTO v_told FROM told;
    RETURN v_told;
END
$$;

-- One line of the log, from outside a tick.
CREATE FUNCTION log_add(p_sale uuid, p_epoch integer, p_kind text, p_number bigint, p_note text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_last bigint := log_enter(p_sale);
BEGIN
    INSERT INTO admission_log (sale_id, seq, epoch, kind, number, at, note)
    VALUES (p_sale, v_last + 1, p_epoch, p_kind, p_number, onsale_now(), p_note);
END
$$;

-- How long a sale has been paused in all.
CREATE FUNCTION paused_for(p_sale uuid) RETURNS interval
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (SELECT paused_for + coalesce(onsale_now() - paused_at, '0') FROM sales WHERE id = p_sale);
END
$$;

-- As before; the snapshot now says of each number what became of it. Inside is whose turn neither lapsed nor ended; time
-- during which the sale was paused since is added to its end. Who lapsed waits again: that number is not mentioned. Who left
-- or is through is `left`. `cohorts` draws have their numbers in a block.
CREATE OR REPLACE FUNCTION epoch_begin(p_sale uuid, p_expected integer) RETURNS jsonb
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
                                 'free', coalesce(jsonb_agg(u.unit_no ORDER BY u.unit_no) FILTER (WHERE u.state = 'free'), '[]')
                             ) AS stock
                        FROM tiers t
                        LEFT JOIN units u ON u.sale_id = t.sale_id AND u.tier_id = t.id
                       WHERE t.sale_id = p_sale
                       GROUP BY t.sale_id, t.id) AS tier_stock));
END
$$;

-- Its callers write ticks now.
DROP FUNCTION grants_insert(uuid, integer, bigint[], timestamptz[], integer);
