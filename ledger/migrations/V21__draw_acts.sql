-- The steps of a draw. Each is one call, takes the lock of the draw, does its part once, and answers the same when it is called
-- again. Each raises the version of the sale, so that whoever shows the sale sees it. What a constraint refuses is refused anew,
-- by its name alone: Postgres would show the whole row, with the seed, to the caller and in its log.

-- Ends registration, when its time has come, and reserves the numbers of the cohort: a block like any other, so that a lost
-- Redis restarts none of them. The phases of a sale freeze in their order, so the n-th frozen draw is the n-th cohort. Together
-- in the gate with others, so that the snapshot of an epoch has block and cohort both or neither.
CREATE FUNCTION draw_freeze(p_sale uuid, p_phase smallint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_draw  record;
    v_now   timestamptz;
    v_count integer;
    v_next  integer;
    v_first bigint;
BEGIN
    PERFORM gate_enter(p_sale);
    PERFORM draw_enter(p_sale, p_phase);
    SELECT state, opens_at INTO v_draw FROM draws WHERE sale_id = p_sale AND phase_no = p_phase;
    v_now := onsale_now();
    IF v_draw.state <> 'collecting' THEN
        RETURN 'frozen';
    ELSIF v_draw.state IS NULL OR v_now < v_draw.opens_at
          OR EXISTS (SELECT FROM draws WHERE sale_id = p_sale AND phase_no < p_phase AND state = 'collecting') THEN
        RETURN 'not_yet';
    END IF;
    v_next := registrations_count(p_sale, p_phase);
    SELECT count(*) INTO v_count FROM registrations WHERE sale_id = p_sale AND phase_no = p_phase;
    IF v_count <> v_next THEN
        PERFORM refuse('registrations_dense', format('%s registrations up to %s', v_count, v_next - 1));
    END IF;
    PERFORM numbers_lock(p_sale);
    SELECT coalesce(max(last_number), 0) + 1 INTO v_first FROM number_blocks WHERE sale_id = p_sale;
    IF v_count > 0 THEN
        INSERT INTO number_blocks (sale_id, first_number, last_number) VALUES (p_sale, v_first, v_first + v_count - 1);
    END IF;
    UPDATE draws SET state = 'frozen', frozen_at = v_now, count = v_count, first_number = v_first
     WHERE sale_id = p_sale AND phase_no = p_phase;
    PERFORM sale_changed(p_sale);
    RETURN 'frozen';
END
$$;

-- The lock under which numbers are reserved, the same as `numbers_reserve` takes.
CREATE FUNCTION numbers_lock(p_sale uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_sale::text, 2));
END
$$;

CREATE FUNCTION sale_changed(p_sale uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE sales SET version = version + 1, changed_at = onsale_now() WHERE id = p_sale;
END
$$;

-- The leaves, one after the other: one value of 32 MB for a million, which is far below what a value may have.
CREATE FUNCTION draw_leaves(p_sale uuid, p_phase smallint) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET work_mem = '128MB'
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM draws WHERE sale_id = p_sale AND phase_no = p_phase AND state <> 'collecting') THEN
        PERFORM refuse('draws_leaves_after_freeze', format('phase %s is not frozen', p_phase));
    END IF;
    RETURN (SELECT coalesce(string_agg(leaf, '' ORDER BY index), '')
              FROM registrations WHERE sale_id = p_sale AND phase_no = p_phase);
END
$$;

-- Records the root and the round that will be waited for. A round whose time has come is not recorded: its value may be
-- known to whoever chose it.
CREATE FUNCTION draw_commit_root(p_sale uuid, p_phase smallint, p_root bytea, p_url text, p_chain_hash text, p_round bigint,
                                 p_round_at timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_draw record;
    v_now  timestamptz;
    v_rule text;
BEGIN
    PERFORM draw_enter(p_sale, p_phase);
    SELECT state, root INTO v_draw FROM draws WHERE sale_id = p_sale AND phase_no = p_phase;
    v_now := onsale_now();
    IF v_draw.state IS NULL OR v_draw.state = 'collecting' THEN
        PERFORM refuse('draws_root_after_freeze', format('phase %s is not frozen', p_phase));
    ELSIF v_draw.root IS NOT NULL THEN
        RETURN 'committed';
    ELSIF p_round_at <= v_now THEN
        RETURN 'round_passed';
    END IF;
    BEGIN
        UPDATE draws
           SET root = p_root, root_at = v_now, beacon_url = p_url, beacon_chain_hash = p_chain_hash, beacon_round = p_round,
               beacon_round_at = p_round_at
         WHERE sale_id = p_sale AND phase_no = p_phase;
    EXCEPTION WHEN check_violation THEN
        GET STACKED DIAGNOSTICS v_rule = CONSTRAINT_NAME;
        PERFORM refuse(v_rule, format('phase %s', p_phase));
    END;
    PERFORM sale_changed(p_sale);
    RETURN 'committed';
END
$$;

-- Ends a draw, with the value of the recorded round or with the reason why there is none. From here on the seed is public.
CREATE FUNCTION draw_finish(p_sale uuid, p_phase smallint, p_randomness bytea, p_signature bytea, p_reason text)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_draw record;
    v_rule text;
BEGIN
    PERFORM draw_enter(p_sale, p_phase);
    SELECT state, root INTO v_draw FROM draws WHERE sale_id = p_sale AND phase_no = p_phase;
    IF v_draw.root IS NULL THEN
        PERFORM refuse('draws_finish_after_root', format('phase %s has no root', p_phase));
    ELSIF v_draw.state = 'drawn' THEN
        RETURN 'drawn';
    END IF;
    BEGIN
        UPDATE draws
           SET state = 'drawn', drawn_at = onsale_now(), beacon_randomness = p_randomness, beacon_signature = p_signature,
               self_attested = p_reason
         WHERE sale_id = p_sale AND phase_no = p_phase;
    EXCEPTION WHEN check_violation THEN
        GET STACKED DIAGNOSTICS v_rule = CONSTRAINT_NAME;
        PERFORM refuse(v_rule, format('phase %s', p_phase));
    END;
    PERFORM sale_changed(p_sale);
    RETURN 'drawn';
END
$$;

-- As `numbers_reserve`, for visitors who walk up: they come behind every cohort, so no block is given out to a caller that
-- knows of fewer cohorts than are frozen. NULL says so. Without it a gateway whose clock is behind could hand the numbers of
-- a cohort that Redis has not heard of to walk-ups.
CREATE FUNCTION numbers_reserve_behind(p_sale uuid, p_cohorts integer, p_block bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM numbers_lock(p_sale);
    IF p_cohorts < (SELECT count(*) FROM draws WHERE sale_id = p_sale AND state <> 'collecting') THEN
        RETURN NULL;
    END IF;
    RETURN numbers_reserve(p_sale, 0, p_block);
END
$$;
