-- What people do with jobs and events that were given up; the rounds of the reconcilers; and what is deleted when it is old.

-- An event that people gave up for good is over, and not done: what it says was never applied.
ALTER TABLE inbox
    DROP CONSTRAINT inbox_state_check,
    DROP CONSTRAINT inbox_done_at_check,
    ADD CONSTRAINT inbox_state_check CHECK (state IN ('pending', 'done', 'quarantined', 'parked', 'dropped')),
    ADD CONSTRAINT inbox_done_at_check CHECK ((state IN ('done', 'dropped')) = (done_at IS NOT NULL));

-- What is over, oldest first: only pruning reads it.
CREATE INDEX inbox_over_idx ON inbox (done_at) WHERE done_at IS NOT NULL;

-- Who tried again or gave up what, when and why: written by the same statement that does it, never changed.
CREATE TABLE dead_letter_acts (
    id      uuid        NOT NULL DEFAULT onsale_uuid(),
    at      timestamptz NOT NULL DEFAULT onsale_now(),
    actor   text        NOT NULL,
    act     text        NOT NULL,
    queue   text        NOT NULL,
    letter  text        NOT NULL,
    -- Of a job; which sale an event is about is not known of it.
    sale_id uuid,
    kind    text        NOT NULL,
    why     text        NOT NULL,
    -- What was wrong with it.
    note    text,
    CONSTRAINT dead_letter_acts_pkey PRIMARY KEY (id),
    CONSTRAINT dead_letter_acts_act_check CHECK (act IN ('retried', 'dropped')),
    CONSTRAINT dead_letter_acts_actor_check CHECK (actor <> ''),
    CONSTRAINT dead_letter_acts_why_check CHECK (act = 'retried' OR why <> '')
);

CREATE TRIGGER dead_letter_acts_stay_as_written BEFORE UPDATE OR DELETE OR TRUNCATE ON dead_letter_acts
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();

-- The letters that fit, oldest first; each condition that is null leaves all. `inbox` is a queue here like those of the outbox.
CREATE FUNCTION dead_letters(p_letter text, p_queue text, p_kind text, p_sale uuid, p_older_s integer, p_max integer)
RETURNS TABLE (queue text, letter text, sale_id uuid, kind text, state text, attempts integer, since timestamptz,
               age_s bigint, note text)
LANGUAGE sql STABLE
SET search_path = public, pg_temp
AS $$
    SELECT d.queue, d.letter, d.sale_id, d.kind, d.state, d.attempts, d.since,
           greatest(extract(epoch FROM onsale_now() - d.since), 0)::bigint, d.note
      FROM (SELECT o.queue, o.id::text AS letter, o.sale_id, o.kind, o.state, o.attempts, o.created_at AS since, o.last_error AS note
              FROM outbox o WHERE o.state = 'parked'
             UNION ALL
            SELECT 'inbox', i.id, NULL::uuid, i.kind, i.state, i.attempts, i.received_at, i.note
              FROM inbox i WHERE i.state IN ('quarantined', 'parked')) AS d
     WHERE (p_letter IS NULL OR d.letter = p_letter) AND (p_queue IS NULL OR d.queue = p_queue)
       AND (p_kind IS NULL OR d.kind = p_kind) AND (p_sale IS NULL OR d.sale_id = p_sale)
       AND (p_older_s IS NULL OR d.since <= onsale_now() - make_interval(secs => p_older_s))
     ORDER BY d.since, d.letter
     LIMIT p_max;
$$;

-- Where a job or an event of that id is; null when there is none.
CREATE FUNCTION letter_state(p_letter text) RETURNS text
LANGUAGE sql STABLE
SET search_path = public, pg_temp
AS $$
    SELECT state FROM inbox WHERE id = p_letter
     UNION ALL
    SELECT state FROM outbox WHERE id::text = p_letter
     LIMIT 1;
$$;

-- A key that no try before had, for a call that takes effect once whatever its key: Stripe keeps a failure under the key it
-- was made with, and would give it as the answer again. A refund keeps its key, because with another one it could be made twice.
CREATE FUNCTION payload_anew(p_kind text, p_payload jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE
SET search_path = public, pg_temp
AS $$
    SELECT CASE WHEN p_kind IN ('payment_capture', 'payment_cancel') AND p_payload ? 'key'
                THEN jsonb_set(p_payload, '{key}', to_jsonb(
                         split_part(p_payload ->> 'key', '~', 1) || '~' || substr(gen_random_uuid()::text, 1, 8)))
                ELSE p_payload END;
$$;

-- Tries the letters that fit anew and answers how many; another call that has one at this moment keeps it. Whoever runs a job
-- has it leased and it is pending, so what runs is never touched. One attempt stays counted: none would say that nobody
-- ever had the job, by which `order_reclaim` would take its units back.
CREATE FUNCTION dead_letters_retry(p_letter text, p_queue text, p_kind text, p_sale uuid, p_older_s integer, p_max integer,
                                   p_by text, p_why text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_count  bigint;
    v_queues text[];
BEGIN
    WITH fit AS MATERIALIZED (
        SELECT * FROM dead_letters(p_letter, p_queue, p_kind, p_sale, p_older_s, p_max)
    ), jobs AS (
        UPDATE outbox o
           SET state = 'pending', attempts = 1, next_at = onsale_now(), lease = NULL, payload = payload_anew(o.kind, o.payload)
          FROM fit
         WHERE o.sale_id = fit.sale_id AND o.id = CASE WHEN fit.queue <> 'inbox' THEN fit.letter::uuid END AND o.state = 'parked'
        RETURNING o.queue, o.id::text AS letter, o.sale_id, o.kind, o.last_error AS note
    ), events AS (
        UPDATE inbox i SET state = 'pending', attempts = 1, next_at = onsale_now(), lease = NULL
          FROM fit WHERE fit.queue = 'inbox' AND i.id = fit.letter AND i.state IN ('quarantined', 'parked')
        RETURNING 'inbox'::text, i.id, NULL::uuid, i.kind, i.note
    ), acts AS (
        INSERT INTO dead_letter_acts (actor, act, queue, letter, sale_id, kind, why, note)
        SELECT p_by, 'retried', queue, letter, sale_id, kind, p_why, note FROM (SELECT * FROM jobs UNION ALL SELECT * FROM events) AS l
        RETURNING queue
    )
    SELECT count(*), array_agg(DISTINCT queue) INTO v_count, v_queues FROM acts;
    PERFORM pg_notify(CASE queue WHEN 'inbox' THEN 'onsale_inbox' ELSE 'onsale_outbox_' || queue END, '')
       FROM unnest(v_queues) AS queue;
    RETURN v_count;
END
$$;

-- Gives up the letters that fit for good, and answers how many. They stay where they are, and why is written down.
CREATE FUNCTION dead_letters_drop(p_letter text, p_queue text, p_kind text, p_sale uuid, p_older_s integer, p_max integer,
                                  p_by text, p_why text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH fit AS MATERIALIZED (
        SELECT * FROM dead_letters(p_letter, p_queue, p_kind, p_sale, p_older_s, p_max)
    ), jobs AS (
        UPDATE outbox o SET state = 'dropped', lease = NULL
          FROM fit
         WHERE o.sale_id = fit.sale_id AND o.id = CASE WHEN fit.queue <> 'inbox' THEN fit.letter::uuid END AND o.state = 'parked'
        RETURNING o.queue, o.id::text AS letter, o.sale_id, o.kind, o.last_error AS note
    ), events AS (
        UPDATE inbox i SET state = 'dropped', lease = NULL, done_at = onsale_now()
          FROM fit WHERE fit.queue = 'inbox' AND i.id = fit.letter AND i.state IN ('quarantined', 'parked')
        RETURNING 'inbox'::text, i.id, NULL::uuid, i.kind, i.note
    ), acts AS (
        INSERT INTO dead_letter_acts (actor, act, queue, letter, sale_id, kind, why, note)
        SELECT p_by, 'dropped', queue, letter, sale_id, kind, p_why, note FROM (SELECT * FROM jobs UNION ALL SELECT * FROM events) AS l
        RETURNING id
    )
    SELECT count(*) INTO v_count FROM acts;
    RETURN v_count;
END
$$;

-- The rounds of the reconcilers. One round of each at a time, over all workers: the one without an end. A round whose worker
-- died is ended by the next one, when its lease is over.
CREATE TABLE reconciliations (
    name        text        NOT NULL,
    id          uuid        NOT NULL DEFAULT onsale_uuid(),
    began_at    timestamptz NOT NULL DEFAULT onsale_now(),
    lease_until timestamptz NOT NULL,
    ended_at    timestamptz,
    -- Done: it looked at everything it was to look at.
    result      text,
    looked_at   bigint      NOT NULL DEFAULT 0,
    found       bigint      NOT NULL DEFAULT 0,
    mended      bigint      NOT NULL DEFAULT 0,
    alerted     bigint      NOT NULL DEFAULT 0,
    -- How far it came: the next round begins there. Its meaning is the reconciler's.
    cursor      text,
    -- The first things it found that people must look at, or why it failed.
    told        text[]      NOT NULL DEFAULT '{}',
    CONSTRAINT reconciliations_pkey PRIMARY KEY (name, id),
    CONSTRAINT reconciliations_result_check CHECK (result IN ('done', 'failed', 'lost')),
    CONSTRAINT reconciliations_ended_check CHECK ((result IS NULL) = (ended_at IS NULL)),
    CONSTRAINT reconciliations_counts_check CHECK (looked_at >= 0 AND found >= 0 AND mended >= 0 AND alerted >= 0)
);

CREATE UNIQUE INDEX reconciliations_one_key ON reconciliations (name) WHERE ended_at IS NULL;
CREATE INDEX reconciliations_latest_idx ON reconciliations (name, began_at DESC);

-- Begins a round, if none is under way and the last one began long enough ago. Answers it, and where the last good one ended.
CREATE FUNCTION reconciliation_begin(p_name text, p_every_s integer, p_lease_s integer)
RETURNS TABLE (run uuid, resume text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_run uuid;
BEGIN
    -- Who asks at the same moment need not be heard; who asks after it sees what is written here.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('reconciliation:' || p_name, 0)) THEN
        RETURN;
    END IF;
    v_now := onsale_now();
    UPDATE reconciliations SET ended_at = v_now, result = 'lost'
     WHERE name = p_name AND ended_at IS NULL AND lease_until <= v_now;
    IF EXISTS (SELECT FROM reconciliations
                WHERE name = p_name AND (ended_at IS NULL OR began_at > v_now - make_interval(secs => p_every_s))) THEN
        RETURN;
    END IF;
    INSERT INTO reconciliations (name, began_at, lease_until) VALUES (p_name, v_now, v_now + make_interval(secs => p_lease_s))
    RETURNING id INTO v_run;
    RETURN QUERY
    SELECT v_run, (SELECT cursor FROM reconciliations
                    WHERE name = p_name AND result = 'done' ORDER BY began_at DESC LIMIT 1);
END
$$;

-- Ends a round. Whose lease is over and whose round was ended ends nothing.
CREATE FUNCTION reconciliation_end(p_name text, p_run uuid, p_result text, p_looked_at bigint, p_found bigint, p_mended bigint,
                                   p_alerted bigint, p_cursor text, p_told text[])
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE reconciliations
       SET ended_at = onsale_now(), result = p_result, looked_at = p_looked_at, found = p_found, mended = p_mended,
           alerted = p_alerted, cursor = p_cursor, told = p_told
     WHERE name = p_name AND id = p_run AND ended_at IS NULL;
    RETURN FOUND;
END
$$;

-- Deletes events that were over so long ago, the oldest first, at most so many; answers how many there were.
CREATE FUNCTION inbox_prune(p_keep_s integer, p_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH old AS MATERIALIZED (
        SELECT id FROM inbox WHERE done_at < onsale_now() - make_interval(secs => p_keep_s)
         ORDER BY done_at LIMIT p_max FOR UPDATE SKIP LOCKED)
    DELETE FROM inbox i USING old WHERE i.id = old.id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

-- Deletes jobs that are over, of sales that were over so long ago and have no other jobs: until then a job's key keeps its act
-- from ordering the same work twice.
CREATE FUNCTION outbox_prune(p_keep_s integer, p_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH over AS MATERIALIZED (
        SELECT s.id FROM sales s
         WHERE s.state IN ('closed', 'cancelled') AND s.changed_at < onsale_now() - make_interval(secs => p_keep_s)
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.sale_id = s.id AND o.state IN ('pending', 'parked'))
    ), old AS MATERIALIZED (
        SELECT o.sale_id, o.id FROM over JOIN outbox o ON o.sale_id = over.id
         WHERE o.state IN ('done', 'dropped') AND o.created_at < onsale_now() - make_interval(secs => p_keep_s)
         LIMIT p_max FOR UPDATE OF o SKIP LOCKED)
    DELETE FROM outbox o USING old WHERE o.sale_id = old.sale_id AND o.id = old.id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

-- Deletes remembered answers that are not replayed any more.
CREATE FUNCTION idempotency_prune(p_keep_s integer, p_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH old AS MATERIALIZED (
        SELECT scope, key FROM idempotency
         WHERE begun_at < onsale_now() - make_interval(secs => p_keep_s) AND lease_until < onsale_now()
         ORDER BY begun_at LIMIT p_max FOR UPDATE SKIP LOCKED)
    DELETE FROM idempotency i USING old WHERE i.scope = old.scope AND i.key = old.key;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

-- Deletes rounds of reconcilers that began so long ago, but never the last good one of each, which the next goes on from.
CREATE FUNCTION reconciliations_prune(p_keep_s integer, p_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH old AS MATERIALIZED (
        SELECT r.name, r.id FROM reconciliations r
         WHERE r.ended_at IS NOT NULL AND r.began_at < onsale_now() - make_interval(secs => p_keep_s)
           AND r.id IS DISTINCT FROM (SELECT g.id FROM reconciliations g
                                       WHERE g.name = r.name AND g.result = 'done' ORDER BY g.began_at DESC LIMIT 1)
         LIMIT p_max FOR UPDATE OF r SKIP LOCKED)
    DELETE FROM reconciliations r USING old WHERE r.name = old.name AND r.id = old.id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

-- Ends claims whose workers died.
CREATE FUNCTION intent_claims_prune(p_keep_s integer, p_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH old AS MATERIALIZED (
        SELECT sale_id, intent_id FROM intent_claims
         WHERE lease_until < onsale_now() - make_interval(secs => p_keep_s) LIMIT p_max FOR UPDATE SKIP LOCKED)
    DELETE FROM intent_claims c USING old WHERE c.sale_id = old.sale_id AND c.intent_id = old.intent_id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

GRANT SELECT ON dead_letter_acts, reconciliations TO onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION dead_letters(text, text, text, uuid, integer, integer), letter_state(text)
    TO onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION
    dead_letters_retry(text, text, text, uuid, integer, integer, text, text),
    dead_letters_drop(text, text, text, uuid, integer, integer, text, text),
    reconciliation_begin(text, integer, integer),
    reconciliation_end(text, uuid, text, bigint, bigint, bigint, bigint, text, text[]),
    inbox_prune(integer, integer),
    outbox_prune(integer, integer),
    idempotency_prune(integer, integer),
    reconciliations_prune(integer, integer),
    intent_claims_prune(integer, integer)
    TO onsale_workers;
-- An event found at Stripe is stored as one that was delivered.
GRANT INSERT, UPDATE (deliveries) ON inbox TO onsale_workers;
