-- The reclaim window: what follows the beginning of an epoch in which Redis honours only receipts of holds that it lost.

ALTER TABLE epochs
    -- Before this nothing new was held in the epoch: the window begins when Redis is loaded, which is later than the row.
    ADD COLUMN reclaim_until timestamptz,
    -- Receipts of this epoch and of later ones are honoured in it.
    ADD COLUMN receipts_from integer,
    ADD CONSTRAINT epochs_reclaim_check CHECK ((reclaim_until IS NULL) = (receipts_from IS NULL)),
    ADD CONSTRAINT epochs_receipts_from_check CHECK (receipts_from BETWEEN 1 AND epoch);

-- Step: the epoch itself, and what is there at its beginning.
ALTER FUNCTION epoch_begin(uuid, integer) RENAME TO epoch_snapshot;
REVOKE EXECUTE ON FUNCTION epoch_snapshot(uuid, integer) FROM onsale_workers;

-- Begins an epoch and says how it may give holds back. It has no window when nobody is inside, because then nobody has a
-- hold. Receipts of the epoch before are honoured; those of earlier ones only if that epoch was over before it held anything
-- new. Where this is not certain they are not: their units may have been held again since.
CREATE FUNCTION epoch_begin(p_sale uuid, p_expected integer) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    c_window_s constant integer := 30; -- of sales that were written without one
    v_snapshot jsonb := epoch_snapshot(p_sale, p_expected);
    v_now      timestamptz := onsale_now();
    v_epoch    integer;
    v_window_s integer := 0;
    v_from     integer;
BEGIN
    IF v_snapshot ->> 'outcome' <> 'begun' THEN
        RETURN v_snapshot;
    END IF;
    v_epoch := (v_snapshot ->> 'epoch')::integer;
    IF v_snapshot -> 'grants' <> '[]' THEN
        SELECT coalesce((config #>> '{hold,reclaim_window_s}')::integer, c_window_s) INTO v_window_s FROM sales WHERE id = p_sale;
    END IF;
    SELECT CASE WHEN reclaim_until > v_now THEN receipts_from ELSE epoch END INTO v_from
      FROM epochs WHERE sale_id = p_sale AND epoch = v_epoch - 1;
    v_from := coalesce(v_from, v_epoch);
    UPDATE epochs SET reclaim_until = v_now + make_interval(secs => v_window_s), receipts_from = v_from
     WHERE sale_id = p_sale AND epoch = v_epoch;
    RETURN v_snapshot || jsonb_build_object('reclaim_window_s', v_window_s, 'receipts_from', v_from);
END
$$;

GRANT EXECUTE ON FUNCTION epoch_begin(uuid, integer) TO onsale_workers;
