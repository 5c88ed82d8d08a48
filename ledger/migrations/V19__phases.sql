-- Phases as configured, and the draw that each phase with a prequeue gets when the sale is published.
--
-- The seed is made here, with the server's strong random numbers, before anybody can register, and only its hash is
-- published. Its column is granted to nobody: `draw_seed` shows it from `drawn` on. Whoever owns the database can read
-- it all the same, which is why the order also depends on a beacon.

ALTER TABLE phases ADD COLUMN phase_no smallint;
-- Until now every published sale had one phase.
UPDATE phases SET phase_no = 0;
ALTER TABLE phases
    ALTER COLUMN phase_no SET NOT NULL,
    ADD CONSTRAINT phases_phase_no_key UNIQUE (sale_id, phase_no),
    ADD CONSTRAINT phases_phase_no_check CHECK (phase_no BETWEEN 0 AND 7);

-- One row a prequeue. Everything in it is written once, and the constraints say in which order:
-- hash (at publishing) < freeze < root and round < the round's time < the beacon's value and the seed.
CREATE TABLE draws (
    sale_id           uuid        NOT NULL,
    phase_no          smallint    NOT NULL,
    state             text        NOT NULL DEFAULT 'collecting',
    seed              bytea       NOT NULL,
    seed_hash         bytea       NOT NULL,
    -- When registrations end, as it was when the hash was published.
    opens_at          timestamptz NOT NULL,
    frozen_at         timestamptz,
    count             integer,
    first_number      bigint,
    root              bytea,
    root_at           timestamptz,
    beacon_url        text,
    beacon_chain_hash text,
    beacon_round      bigint,
    beacon_round_at   timestamptz,
    beacon_randomness bytea,
    beacon_signature  bytea,
    self_attested     text,
    drawn_at          timestamptz,
    CONSTRAINT draws_pkey PRIMARY KEY (sale_id, phase_no),
    CONSTRAINT draws_phase_fkey FOREIGN KEY (sale_id, phase_no) REFERENCES phases (sale_id, phase_no),
    CONSTRAINT draws_state_check CHECK (state IN ('collecting', 'frozen', 'drawn')),
    CONSTRAINT draws_seed_check CHECK (octet_length(seed) = 32 AND seed_hash = sha256(seed)),
    CONSTRAINT draws_frozen_check
        CHECK (num_nulls(frozen_at, count, first_number) = CASE state WHEN 'collecting' THEN 3 ELSE 0 END),
    CONSTRAINT draws_freeze_after_opening CHECK (frozen_at >= opens_at),
    CONSTRAINT draws_count_check CHECK (count >= 0 AND first_number >= 1),
    CONSTRAINT draws_root_after_freeze
        CHECK (num_nulls(root, root_at) = 2 OR root_at >= frozen_at AND octet_length(root) = 32 AND frozen_at IS NOT NULL),
    CONSTRAINT draws_beacon_check
        CHECK (num_nulls(beacon_url, beacon_chain_hash, beacon_round, beacon_round_at)
                   = CASE WHEN beacon_url IS NULL THEN 4 ELSE 0 END
               AND num_nulls(beacon_randomness, beacon_signature) IN (0, 2)
               AND (beacon_url IS NULL OR root IS NOT NULL)
               AND (beacon_randomness IS NULL OR beacon_url IS NOT NULL)),
    CONSTRAINT draws_round_ahead_check CHECK (beacon_round_at > root_at),
    CONSTRAINT draws_randomness_check CHECK (beacon_randomness = sha256(beacon_signature)),
    CONSTRAINT draws_finish_after_root
        CHECK (CASE state WHEN 'drawn' THEN root IS NOT NULL AND drawn_at >= root_at
                                            AND num_nonnulls(beacon_randomness, self_attested) = 1
                          ELSE num_nonnulls(drawn_at, beacon_randomness, self_attested) = 0 END),
    CONSTRAINT draws_self_attested_check CHECK (char_length(self_attested) BETWEEN 1 AND 500)
) WITH (fillfactor = 50);

-- The workers look here several times a second.
CREATE INDEX draws_due_idx ON draws (opens_at) WHERE state <> 'drawn';

-- What a draw says stays, for every role and the owner too; what it does not say yet may be added. Whether there is a
-- round is decided with the root: a round added later could be chosen by its value.
CREATE FUNCTION draws_go_forward() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_states CONSTANT text[] := ARRAY['collecting', 'frozen', 'drawn'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'collecting' THEN
            PERFORM refuse('draws_begin_by_collecting', format('phase %s begins as %s', NEW.phase_no, NEW.state));
        END IF;
    ELSIF array_position(v_states, NEW.state) < array_position(v_states, OLD.state)
          OR NOT to_jsonb(NEW) - 'state' @> jsonb_strip_nulls(to_jsonb(OLD) - 'state')
          OR (OLD.root IS NOT NULL AND OLD.beacon_url IS NULL AND NEW.beacon_url IS NOT NULL)
          OR (OLD.state = 'drawn' AND NEW IS DISTINCT FROM OLD) THEN
        PERFORM refuse('draws_stay_as_written', format('phase %s of sale %s', OLD.phase_no, OLD.sale_id));
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER draws_go_forward BEFORE INSERT OR UPDATE ON draws FOR EACH ROW EXECUTE FUNCTION draws_go_forward();
CREATE TRIGGER draws_stay_as_written BEFORE DELETE OR TRUNCATE ON draws
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();

-- The seed of a draw that is drawn; nothing before.
CREATE FUNCTION draw_seed(p_sale uuid, p_phase smallint) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (SELECT seed FROM draws WHERE sale_id = p_sale AND phase_no = p_phase AND state = 'drawn');
END
$$;

-- Makes the phases of a sale and their draws. The defaults are those of `SaleConfig::phases` and `Phase::has_prequeue`;
-- a test compares. A sale that names no phases has one, `general`, of its own times.
CREATE FUNCTION phases_make(p_sale uuid, p_config jsonb, p_published_at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_phases jsonb := coalesce(nullif(p_config -> 'phases', '[]'),
                               jsonb_build_array(jsonb_build_object('id', 'general', 'opens_at', p_config -> 'opens_at')));
BEGIN
    INSERT INTO phases (sale_id, phase_no, id, access, prequeue_opens_at, opens_at, closes_at)
    SELECT p_sale, rank - 1, phase ->> 'id', coalesce(phase ->> 'access', 'public'),
           coalesce((phase ->> 'prequeue_opens_at')::timestamptz,
                    CASE rank WHEN 1 THEN (p_config ->> 'prequeue_opens_at')::timestamptz END,
                    opens_at - interval '30 minutes'),
           opens_at,
           coalesce((phase ->> 'closes_at')::timestamptz, lead(opens_at) OVER (ORDER BY rank),
                    (p_config ->> 'closes_at')::timestamptz)
      FROM (SELECT phase, rank, (phase ->> 'opens_at')::timestamptz AS opens_at
              FROM jsonb_array_elements(v_phases) WITH ORDINALITY AS configured (phase, rank)) AS timed;
    -- Two UUIDs have 244 random bits; three make it more than the 256 of the seed.
    INSERT INTO draws (sale_id, phase_no, seed, seed_hash, opens_at)
    SELECT p_sale, phase_no, seed, sha256(seed), opens_at
      FROM (SELECT phase_no, opens_at,
                   sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) AS seed
              FROM phases
             WHERE sale_id = p_sale AND prequeue_opens_at < opens_at AND p_published_at < opens_at) AS seeded;
END
$$;

-- As before, with phases and draws from the configuration, and a line in the audit log.
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
    SELECT p_sale, tier ->> 'id', 'main', rank, tier ->> 'name', (tier ->> 'price')::bigint, (tier ->> 'capacity')::integer
      FROM jsonb_array_elements(v_sale.config -> 'tiers') WITH ORDINALITY AS configured (tier, rank);
    INSERT INTO units (sale_id, tier_id, unit_no)
    SELECT p_sale, id, unit_no FROM tiers, generate_series(0, capacity - 1) AS unit_no WHERE sale_id = p_sale;

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

-- An organizer as the audit log names one when nobody closer to the act is known.
CREATE FUNCTION organizer_name(p_organizer uuid) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN 'org_' || replace(p_organizer::text, '-', '');
END
$$;

-- Sales that were published before there were draws get theirs, by the same rule.
DELETE FROM phases;
SELECT phases_make(id, config, published_at) FROM sales WHERE published_at IS NOT NULL;
