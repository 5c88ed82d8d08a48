-- Who may do what. Units, orders, payments, tickets and books are written by functions only, which run as the owner; the
-- roles below cannot insert an entry even by mistake. Rows of queues and configuration, which hold no money and no seat,
-- are written directly.
GRANT USAGE ON SCHEMA public TO onsale_gateway, onsale_workers, onsale_readonly;

-- Reading: everything but secrets and persons for all; persons only for those who write mail or answer their owner.
GRANT SELECT ON organizers, audit_log, sales, performances, phases, tiers, units, number_blocks, grants, epochs,
                accounts, transfers, entries, hold_claims, orders, order_lines, order_units, refunds, tickets, outbox
    TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT SELECT ON payments, contacts TO onsale_gateway, onsale_workers;
GRANT SELECT (sale_id, id, order_id, attempt, state, superseded, livemode, capture, currency, amount, idem_key, intent_id,
              failure, authorised, captured, refunded, begun_at, changed_at, authorised_at, captured_at)
    ON payments TO onsale_readonly;
GRANT SELECT (id, kind, livemode, account, api_version, created, received_at, deliveries, state, attempts, next_at, note, done_at)
    ON inbox TO onsale_readonly;
GRANT SELECT ON refinery_schema_history TO onsale_gateway, onsale_workers, onsale_readonly;

-- The gateway: configuration, keys looked up, requests remembered, events stored.
GRANT INSERT, UPDATE (slug, config, currency, opens_at, state, version, changed_at) ON sales TO onsale_gateway;
GRANT INSERT ON audit_log TO onsale_gateway, onsale_workers;
GRANT SELECT ON api_keys TO onsale_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO onsale_gateway;
GRANT SELECT, DELETE ON idempotency TO onsale_workers;
GRANT SELECT, INSERT, UPDATE (deliveries) ON inbox TO onsale_gateway;

-- The workers: events and jobs claimed and finished.
GRANT SELECT, UPDATE (state, attempts, next_at, lease, note, done_at) ON inbox TO onsale_workers;
GRANT UPDATE (state, attempts, next_at, lease, last_error) ON outbox TO onsale_workers;

GRANT EXECUTE ON FUNCTION onsale_now() TO PUBLIC;
GRANT EXECUTE ON FUNCTION onsale_uuid() TO onsale_gateway, onsale_workers;
-- Called by the triggers of tables that the roles write directly.
GRANT EXECUTE ON FUNCTION refuse(text, text) TO onsale_gateway, onsale_workers;
GRANT EXECUTE ON FUNCTION payment_merge(text, text), payment_state_of(text) TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION order_document(uuid, uuid), payment_document(payments) TO onsale_gateway, onsale_workers;

GRANT EXECUTE ON FUNCTION
    sale_publish(uuid, uuid),
    numbers_reserve(uuid, bigint, bigint),
    grants_insert(uuid, integer, bigint[], timestamptz[], integer),
    payment_begin(uuid, uuid, uuid, text, text, text, text, boolean, integer, integer),
    payment_refused(uuid, uuid, uuid, text, text),
    order_and_payment(uuid, uuid),
    order_create(uuid, uuid, uuid, integer, bigint, text, text, text[], integer[], text[], text[], text[], integer[],
                 bigint[], text, bigint, integer, text, text, uuid[])
    TO onsale_gateway;

GRANT EXECUTE ON FUNCTION
    order_cancel(uuid, uuid),
    hold_settle(uuid, uuid),
    payment_target(text, uuid, uuid),
    payment_apply(text, text, text, text, bigint, bigint, bigint, text, boolean, uuid, uuid, text, text[], integer[], uuid[], text)
    TO onsale_gateway, onsale_workers;

GRANT EXECUTE ON FUNCTION
    epoch_begin(uuid, integer),
    order_expire_next(integer),
    refund_apply(text, text, uuid, text, bigint, text, text)
    TO onsale_workers;
