-- Registrations: who takes part in a draw. Dense indices from 0, one a holder and phase, durable when answered.
--
-- The leaf of the Merkle tree is made with the row, not at the freeze and not when it is asked for: an update of a million
-- rows would delay the opening, and a leaf computed from salt and holder would be gone with them. So a person can be
-- erased (salt and holder become NULL, after the draw) while the published root can be recomputed for ever. A leaf tells
-- nobody anything: 122 random bits of salt are hashed with the thumbprint.
CREATE TABLE registrations (
    sale_id  uuid     NOT NULL,
    phase_no smallint NOT NULL,
    index    integer  NOT NULL,
    salt     bytea,
    holder   bytea,
    leaf     bytea    NOT NULL,
    CONSTRAINT registrations_pkey PRIMARY KEY (sale_id, phase_no, index),
    CONSTRAINT registrations_holder_key UNIQUE (sale_id, holder, phase_no),
    CONSTRAINT registrations_index_check CHECK (index >= 0),
    CONSTRAINT registrations_person_check
        CHECK (num_nulls(salt, holder) = 2 OR octet_length(salt) = 16 AND octet_length(holder) = 16),
    -- SHA-256(0x00 ‖ salt ‖ index ‖ holder), as `domain::fairness::leaf` has it.
    CONSTRAINT registrations_leaf_check
        CHECK (octet_length(leaf) = 32 AND leaf = sha256('\x00'::bytea || salt || int4send(index) || holder))
);

-- The database itself refuses a registration that a frozen draw would not have, whoever writes it.
CREATE FUNCTION registrations_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT sale_id, phase_no FROM new_registrations) AS added
                WHERE NOT EXISTS (SELECT FROM draws d WHERE d.sale_id = added.sale_id AND d.phase_no = added.phase_no
                                                        AND d.state = 'collecting')) THEN
        PERFORM refuse('registrations_before_freeze', 'there is no draw that collects');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER registrations_check AFTER INSERT ON registrations
    REFERENCING NEW TABLE AS new_registrations FOR EACH STATEMENT EXECUTE FUNCTION registrations_check();

-- A registration stays, but for whose it was.
CREATE FUNCTION registrations_stay() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF (NEW.sale_id, NEW.phase_no, NEW.index, NEW.leaf) IS DISTINCT FROM (OLD.sale_id, OLD.phase_no, OLD.index, OLD.leaf)
       OR num_nonnulls(NEW.salt, NEW.holder) > 0 THEN
        PERFORM refuse('registrations_stay_as_written', format('%s of phase %s', OLD.index, OLD.phase_no));
    ELSIF NOT EXISTS (SELECT FROM draws WHERE sale_id = OLD.sale_id AND phase_no = OLD.phase_no AND state = 'drawn') THEN
        PERFORM refuse('registrations_erase_after_draw', format('%s of phase %s', OLD.index, OLD.phase_no));
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER registrations_stay BEFORE UPDATE ON registrations FOR EACH ROW EXECUTE FUNCTION registrations_stay();
CREATE TRIGGER registrations_stay_as_written BEFORE DELETE OR TRUNCATE ON registrations
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();

-- The lock of a draw: its batches one after the other, and its freeze. Advisory, because that one is given in the order of
-- asking; the lock of a row goes to whoever comes when it is free, and under a stream of batches somebody always waits too
-- long.
CREATE FUNCTION draw_enter(p_sale uuid, p_phase smallint) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_sale::text, 16 + p_phase));
END
$$;

-- How many registered for a phase: indices are dense, so it is the highest one and 1. By the end of the index, whatever the
-- planner thinks of a table that nobody has counted: `max` would be a walk over all of it.
CREATE FUNCTION registrations_count(p_sale uuid, p_phase smallint) RETURNS integer
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
BEGIN
    RETURN coalesce((SELECT index + 1 FROM registrations WHERE sale_id = p_sale AND phase_no = p_phase
                      ORDER BY index DESC LIMIT 1), 0);
END
$$;

-- Registers a batch and answers its indices in its order, NULL for who is too late. The draw is locked before its state and
-- the clock are read and before the highest index is looked for: under READ COMMITTED only the statements after the lock see
-- what the lock waited for.
--
-- Nobody has counted the table while it grows to a million rows within a minute, so the planner is told how to look a
-- holder up: by an index, in a plan made anew for the size of now, and not (`+ 0`) by the phase, which looks as selective
-- as a holder to it.
CREATE FUNCTION registrations_add(p_sale uuid, p_phase smallint, p_holders bytea[]) RETURNS integer[]
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
    v_batch_max CONSTANT integer := 1000;
    v_draw      record;
    v_next      integer;
    v_indices   integer[];
BEGIN
    IF cardinality(p_holders) > v_batch_max THEN
        PERFORM refuse('registrations_batch_max', format('%s at once', cardinality(p_holders)));
    END IF;
    PERFORM draw_enter(p_sale, p_phase);
    SELECT state, opens_at INTO v_draw FROM draws WHERE sale_id = p_sale AND phase_no = p_phase;
    IF v_draw.state = 'collecting' AND onsale_now() < v_draw.opens_at
       AND EXISTS (SELECT FROM sales WHERE id = p_sale AND state IN ('published', 'paused')) THEN
        v_next := registrations_count(p_sale, p_phase);
        INSERT INTO registrations (sale_id, phase_no, index, salt, holder, leaf)
        SELECT p_sale, p_phase, index, salt, holder, sha256('\x00'::bytea || salt || int4send(index) || holder)
          FROM (SELECT v_next + (row_number() OVER (ORDER BY rank))::integer - 1 AS index, holder,
                       uuid_send(gen_random_uuid()) AS salt
                  FROM (SELECT holder, min(rank) AS rank
                          FROM unnest(p_holders) WITH ORDINALITY AS asked (holder, rank) GROUP BY holder) AS once
                 WHERE NOT EXISTS (SELECT FROM registrations r WHERE r.sale_id = p_sale AND r.holder = once.holder
                                                                 AND r.phase_no + 0 = p_phase)) AS fresh;
    END IF;
    SELECT coalesce(array_agg(r.index ORDER BY rank), '{}') INTO v_indices
      FROM unnest(p_holders) WITH ORDINALITY AS asked (holder, rank)
      LEFT JOIN registrations r ON r.sale_id = p_sale AND r.holder = asked.holder AND r.phase_no + 0 = p_phase;
    RETURN v_indices;
END
$$;

-- The registrations of these holders, a row each in their order: phases from the first, and the index in each. No holder has
-- more than a sale has phases.
CREATE FUNCTION registrations_find(p_sale uuid, p_holders bytea[]) RETURNS TABLE (phases smallint[], indices integer[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_material = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    RETURN QUERY
    SELECT coalesce(found.phases, '{}'), coalesce(found.indices, '{}')
      FROM unnest(p_holders) WITH ORDINALITY AS asked (holder, rank)
     CROSS JOIN LATERAL (SELECT array_agg(r.phase_no ORDER BY r.phase_no) AS phases,
                                array_agg(r.index ORDER BY r.phase_no) AS indices
                           FROM registrations r
                          WHERE r.sale_id = p_sale AND r.holder = asked.holder) AS found
     ORDER BY rank;
END
$$;

-- Erases whose the registrations of a drawn phase were, from an index up to another, and answers how many it erased.
CREATE FUNCTION registrations_erase(p_sale uuid, p_phase smallint, p_from integer, p_to integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    v_erased bigint;
BEGIN
    UPDATE registrations SET salt = NULL, holder = NULL
     WHERE sale_id = p_sale AND phase_no = p_phase AND index >= p_from AND index < p_to AND holder IS NOT NULL;
    GET DIAGNOSTICS v_erased = ROW_COUNT;
    RETURN v_erased;
END
$$;
