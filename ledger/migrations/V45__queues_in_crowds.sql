-- What made commits of a crowd wait for each other in the queues: bells, and marks one by one.

-- A bell is rung by one of those who write into a queue at the same time. PostgreSQL lets transactions that notify commit one
-- after the other, each waiting for the disk by itself: 16 connections stored 366 events a second, and 3,010 without a bell. So
-- who finds the bell in another's hand leaves it alone. That one may commit first; then a worker that it woke looks once more
-- soon after, and polls as ever. A lock of two numbers meets no gate, whose lock is of one.
CREATE FUNCTION queue_ring(p_channel text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF pg_try_advisory_xact_lock(hashtext('onsale_bells'), hashtext(p_channel)) THEN
        PERFORM pg_notify(p_channel, '');
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION inbox_wake() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM queue_ring('onsale_inbox');
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION outbox_wake() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM queue_ring('onsale_outbox_' || queue) FROM (SELECT DISTINCT queue FROM new_jobs) AS woken;
    RETURN NULL;
END
$$;

-- Called by triggers of tables that these roles write directly.
GRANT EXECUTE ON FUNCTION queue_ring(text) TO onsale_gateway, onsale_workers;

-- Marks events done that came to nothing else, many at once: a commit for each was what a backlog waited for.
--
-- Each only under its lease, as one by one. In the order of ids, so that two calls with the same events do not wait in a circle.
-- Planned anew in each call, as `payments_apply_plain` is.
CREATE FUNCTION events_done(p_events text[], p_leases uuid[], p_notes text[]) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    WITH told AS MATERIALIZED (
        SELECT i.id, n.note
          FROM unnest(p_events, p_leases, p_notes) AS n (id, lease, note) JOIN inbox i ON i.id = n.id AND i.lease = n.lease
         WHERE i.state = 'pending'
         ORDER BY i.id
           FOR NO KEY UPDATE OF i)
    UPDATE inbox i SET state = 'done', lease = NULL, note = told.note, done_at = onsale_now()
      FROM told WHERE i.id = told.id
    RETURNING i.id;
END
$$;

GRANT EXECUTE ON FUNCTION events_done(text[], uuid[], text[]) TO onsale_workers;
