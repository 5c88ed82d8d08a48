-- Work to do later, written by the transaction that makes it necessary. Claimed as the inbox is; `dedup_key` makes a job
-- unique in its sale for ever, so a repeated act cannot order the same work twice. Done jobs stay until they are pruned:
-- the claim's index does not see them.
CREATE TABLE outbox (
    sale_id    uuid        NOT NULL,
    id         uuid        NOT NULL,
    queue      text        NOT NULL,
    kind       text        NOT NULL,
    dedup_key  text        NOT NULL,
    payload    jsonb       NOT NULL,
    state      text        NOT NULL DEFAULT 'pending',
    attempts   integer     NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT onsale_now(),
    next_at    timestamptz NOT NULL DEFAULT onsale_now(),
    lease      uuid,
    last_error text,
    CONSTRAINT outbox_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT outbox_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT outbox_dedup_key_key UNIQUE (sale_id, dedup_key),
    CONSTRAINT outbox_queue_check CHECK (queue IN ('stripe', 'stock', 'mail')),
    CONSTRAINT outbox_kind_check CHECK (kind IN (
        'payment_capture', 'payment_cancel', 'payment_check', 'payment_refund', 'units_return',
        'mail_order_paid', 'mail_order_expired', 'mail_payment_released', 'mail_payment_refunded')),
    CONSTRAINT outbox_state_check CHECK (state IN ('pending', 'done', 'parked', 'dropped'))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

CREATE INDEX outbox_pending_idx ON outbox (queue, next_at) WHERE state = 'pending';
CREATE INDEX outbox_parked_idx ON outbox (queue, created_at) WHERE state = 'parked';

CREATE FUNCTION outbox_wake() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('onsale_outbox_' || queue, '') FROM (SELECT DISTINCT queue FROM new_jobs) AS woken;
    RETURN NULL;
END
$$;

CREATE TRIGGER outbox_wake AFTER INSERT ON outbox
    REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake();

CREATE FUNCTION job_add(p_sale uuid, p_queue text, p_kind text, p_dedup text, p_payload jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload)
    VALUES (p_sale, onsale_uuid(), p_queue, p_kind, p_dedup, p_payload)
        ON CONFLICT ON CONSTRAINT outbox_dedup_key_key DO NOTHING;
END
$$;

CREATE FUNCTION mail_add(p_sale uuid, p_order uuid, p_kind text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM job_add(p_sale, 'mail', p_kind, format('%s:%s', p_kind, p_order), jsonb_build_object('order', p_order));
END
$$;
