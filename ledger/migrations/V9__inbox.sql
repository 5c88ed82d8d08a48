-- Events received from Stripe, byte for byte: stored before they are answered, applied later. Not sale-scoped, because
-- which sale an event is about is only known when it is applied.
--
-- A pending row is claimed by moving `next_at` to the end of a lease and writing a fresh token; whoever finishes must
-- show the token, so a worker that overslept changes nothing. Every claim and every mark rewrites the row, hence the
-- fill factor; vacuum comes early, because a claim walks over dead rows.
CREATE TABLE inbox (
    id          text        NOT NULL,
    kind        text        NOT NULL,
    livemode    boolean     NOT NULL,
    account     text,
    api_version text,
    created     timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT onsale_now(),
    raw         bytea       NOT NULL,
    deliveries  integer     NOT NULL DEFAULT 1,
    state       text        NOT NULL DEFAULT 'pending',
    attempts    integer     NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL DEFAULT onsale_now(),
    lease       uuid,
    note        text,
    done_at     timestamptz,
    CONSTRAINT inbox_pkey PRIMARY KEY (id),
    CONSTRAINT inbox_state_check CHECK (state IN ('pending', 'done', 'quarantined', 'parked')),
    CONSTRAINT inbox_done_at_check CHECK ((state = 'done') = (done_at IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

CREATE INDEX inbox_pending_idx ON inbox (next_at) WHERE state = 'pending';
CREATE INDEX inbox_trouble_idx ON inbox (received_at) WHERE state IN ('quarantined', 'parked');

-- A wake-up, no more: who misses it polls.
CREATE FUNCTION inbox_wake() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('onsale_inbox', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER inbox_wake AFTER INSERT ON inbox FOR EACH STATEMENT EXECUTE FUNCTION inbox_wake();

-- The last step of applying an event, in the transaction that applied it. An event that is not pending any more stays
-- as it is: its effect is what counts, and that is guarded by its own keys.
CREATE FUNCTION event_mark(p_event text, p_state text, p_note text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE inbox
       SET state = p_state, note = p_note, lease = NULL,
           done_at = CASE WHEN p_state = 'done' THEN onsale_now() END
     WHERE id = p_event AND state = 'pending';
END
$$;
