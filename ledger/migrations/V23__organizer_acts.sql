-- What organizers do to a sale that is running. Each act is one call that writes what was before and what is after into the
-- audit log; the same again changes nothing and writes nothing.

ALTER TABLE sales
    ADD COLUMN notice text,
    ADD COLUMN notice_at timestamptz,
    ADD CONSTRAINT sales_notice_check
        CHECK (num_nulls(notice, notice_at) IN (0, 2) AND char_length(notice) BETWEEN 1 AND 500);

-- The sale of an organizer, locked, if it is in one of these states.
CREATE FUNCTION sale_lock(p_organizer uuid, p_sale uuid, p_states text[]) RETURNS sales
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale sales%ROWTYPE;
BEGIN
    SELECT * INTO v_sale FROM sales
     WHERE id = p_sale AND organizer_id = p_organizer AND state = ANY (p_states) FOR NO KEY UPDATE;
    RETURN v_sale;
END
$$;

-- Takes a decision where the state allows it, and keeps the time for which the clocks of turns stood.
CREATE FUNCTION sale_decide(p_organizer uuid, p_sale uuid, p_from text[], p_to text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale sales   := sale_lock(p_organizer, p_sale, p_from);
    v_now  timestamptz := onsale_now();
BEGIN
    IF v_sale.id IS NULL THEN
        RETURN false;
    END IF;
    UPDATE sales
       SET state = p_to, version = version + 1, changed_at = v_now,
           paused_at = CASE p_to WHEN 'paused' THEN v_now END,
           paused_for = paused_for + coalesce(v_now - paused_at, '0')
     WHERE id = p_sale;
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, organizer_name(p_organizer), 'sale_decided', jsonb_build_object('before', v_sale.state, 'after', p_to));
    RETURN true;
END
$$;

CREATE FUNCTION sale_set_admission(p_organizer uuid, p_sale uuid, p_admission jsonb, p_by text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale sales := sale_lock(p_organizer, p_sale, ARRAY['draft', 'published', 'paused']);
BEGIN
    IF v_sale.id IS NULL THEN
        RETURN false;
    ELSIF v_sale.config -> 'admission' IS DISTINCT FROM p_admission THEN
        UPDATE sales SET config = jsonb_set(config, '{admission}', p_admission) WHERE id = p_sale;
        PERFORM sale_changed(p_sale);
        INSERT INTO audit_log (sale_id, actor, act, detail)
        VALUES (p_sale, p_by, 'admission_set', jsonb_build_object('before', v_sale.config -> 'admission', 'after', p_admission));
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION notice_add(p_organizer uuid, p_sale uuid, p_text text, p_by text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale sales := sale_lock(p_organizer, p_sale, ARRAY['draft', 'published', 'paused', 'closed']);
    v_text text  := nullif(p_text, '');
BEGIN
    IF v_sale.id IS NULL THEN
        RETURN false;
    ELSIF v_sale.notice IS DISTINCT FROM v_text THEN
        UPDATE sales SET notice = v_text, notice_at = CASE WHEN v_text IS NOT NULL THEN onsale_now() END WHERE id = p_sale;
        PERFORM sale_changed(p_sale);
        INSERT INTO audit_log (sale_id, actor, act, detail)
        VALUES (p_sale, p_by, 'notice_added', jsonb_build_object('before', v_sale.notice, 'after', v_text));
    END IF;
    RETURN true;
END
$$;

-- Answers whether there is such a sale; the line in the admission log is public, the one in the audit log says who.
CREATE FUNCTION bypass_log(p_organizer uuid, p_sale uuid, p_number bigint, p_reason text, p_by text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_epoch integer;
BEGIN
    PERFORM gate_enter(p_sale);
    SELECT epoch INTO v_epoch FROM sales
     WHERE id = p_sale AND organizer_id = p_organizer AND state IN ('published', 'paused');
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM log_add(p_sale, v_epoch, 'bypass_asked', p_number, p_reason);
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, p_by, 'bypass_asked', jsonb_build_object('number', p_number, 'reason', p_reason));
    RETURN true;
END
$$;

-- Access codes, as digests only. A phase is named as the configuration names it: codes may be made for a draft.
CREATE TABLE access_codes (
    sale_id  uuid    NOT NULL,
    phase_id text    NOT NULL,
    hash     bytea   NOT NULL,
    max_uses integer NOT NULL,
    uses     integer NOT NULL DEFAULT 0,
    CONSTRAINT access_codes_pkey PRIMARY KEY (sale_id, phase_id, hash),
    CONSTRAINT access_codes_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT access_codes_hash_check CHECK (octet_length(hash) = 32),
    CONSTRAINT access_codes_uses_check CHECK (max_uses >= 1 AND uses BETWEEN 0 AND max_uses)
) WITH (fillfactor = 80);

-- Who used a code: a digest of code and holder, so that thumbprints of holders are in `registrations` and nowhere else.
CREATE TABLE access_code_uses (
    sale_id  uuid  NOT NULL,
    phase_id text  NOT NULL,
    hash     bytea NOT NULL,
    redeemer bytea NOT NULL,
    CONSTRAINT access_code_uses_pkey PRIMARY KEY (sale_id, phase_id, hash, redeemer),
    CONSTRAINT access_code_uses_code_fkey FOREIGN KEY (sale_id, phase_id, hash)
        REFERENCES access_codes (sale_id, phase_id, hash),
    CONSTRAINT access_code_uses_redeemer_check CHECK (octet_length(redeemer) = 32)
);

CREATE FUNCTION access_codes_add(p_organizer uuid, p_sale uuid, p_phase text, p_hashes bytea[], p_max_uses integer, p_by text)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale  sales := sale_lock(p_organizer, p_sale, ARRAY['draft', 'published', 'paused']);
    v_codes integer;
BEGIN
    IF v_sale.id IS NULL THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    ELSIF NOT v_sale.config -> 'phases' @> jsonb_build_array(jsonb_build_object('id', p_phase, 'access', 'code')) THEN
        RETURN jsonb_build_object('outcome', 'no_such_phase');
    END IF;
    INSERT INTO access_codes (sale_id, phase_id, hash, max_uses)
    SELECT p_sale, p_phase, hash, p_max_uses FROM unnest(p_hashes) AS hash
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_codes = ROW_COUNT;
    IF v_codes > 0 THEN
        INSERT INTO audit_log (sale_id, actor, act, detail)
        VALUES (p_sale, p_by, 'access_codes_added',
                jsonb_build_object('phase', p_phase, 'codes', v_codes, 'max_uses', p_max_uses));
    END IF;
    RETURN jsonb_build_object('outcome', 'added', 'codes', v_codes);
END
$$;

-- Answers redeemed, unknown or used_up. The look for an earlier use comes twice: without the lock, so that repeats do not
-- wait for each other, and under it.
CREATE FUNCTION access_code_redeem(p_sale uuid, p_phase smallint, p_hash bytea, p_holder bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_phase    text  := (SELECT id FROM phases WHERE sale_id = p_sale AND phase_no = p_phase AND access = 'code');
    v_redeemer bytea := sha256(p_hash || p_holder);
    v_code     record;
BEGIN
    IF code_is_used_by(p_sale, v_phase, p_hash, v_redeemer) THEN
        RETURN 'redeemed';
    END IF;
    SELECT uses, max_uses INTO v_code FROM access_codes
     WHERE sale_id = p_sale AND phase_id = v_phase AND hash = p_hash FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF code_is_used_by(p_sale, v_phase, p_hash, v_redeemer) THEN
        RETURN 'redeemed';
    ELSIF v_code.uses >= v_code.max_uses THEN
        RETURN 'used_up';
    END IF;
    INSERT INTO access_code_uses (sale_id, phase_id, hash, redeemer) VALUES (p_sale, v_phase, p_hash, v_redeemer);
    UPDATE access_codes SET uses = uses + 1 WHERE sale_id = p_sale AND phase_id = v_phase AND hash = p_hash;
    RETURN 'redeemed';
END
$$;

CREATE FUNCTION code_is_used_by(p_sale uuid, p_phase text, p_hash bytea, p_redeemer bytea) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM access_code_uses
                    WHERE sale_id = p_sale AND phase_id = p_phase AND hash = p_hash AND redeemer = p_redeemer);
END
$$;
