-- Which trace a piece of work belongs to, as text of W3C Trace Context (domain/src/trace.rs). Whoever acts for a request says it
-- for the transaction alone (`onsale.trace`), in the same statement; a row that is written by nobody's request has none.
--
-- A job that a set of news writes cannot have it from its transaction, which does the work of many: it is in the trace of whoever
-- pressed Pay, which the payment keeps. So every trace outlives a crash at any point, with what it is about.
ALTER TABLE payments ADD COLUMN trace text DEFAULT nullif(current_setting('onsale.trace', true), '');
ALTER TABLE outbox ADD COLUMN trace text DEFAULT nullif(current_setting('onsale.trace', true), '');
ALTER TABLE inbox ADD COLUMN trace text DEFAULT nullif(current_setting('onsale.trace', true), '');

GRANT SELECT (trace) ON payments, inbox TO onsale_readonly;

-- The trace of a job: of the request that wrote it, else of the latest attempt to pay the order that it is about.
CREATE FUNCTION job_trace(p_job outbox) RETURNS text
LANGUAGE sql STABLE
SET search_path = public, pg_temp
AS $$
    SELECT coalesce(p_job.trace, (
        SELECT p.trace FROM payments p
         WHERE p.sale_id = p_job.sale_id
           AND p.order_id = CASE WHEN p_job.payload ->> 'order' ~ '^[0-9a-f-]{36}$' THEN (p_job.payload ->> 'order')::uuid END
         ORDER BY p.attempt DESC LIMIT 1))
$$;

GRANT EXECUTE ON FUNCTION job_trace(outbox) TO onsale_workers;
