-- Tickets: one a payment reference and unit (I6), and of a unit at most one that opens the door (I1). The id is computed
-- from reference and unit by whoever issues, so issuing twice meets the primary key.
CREATE TABLE tickets (
    sale_id           uuid        NOT NULL,
    id                uuid        NOT NULL,
    order_id          uuid        NOT NULL,
    payment_reference text        NOT NULL,
    tier_id           text        NOT NULL,
    unit_no           integer     NOT NULL,
    rotation          integer     NOT NULL DEFAULT 0,
    qr_kid            text        NOT NULL,
    state             text        NOT NULL DEFAULT 'valid',
    issued_at         timestamptz NOT NULL,
    CONSTRAINT tickets_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT tickets_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id),
    CONSTRAINT tickets_unit_fkey FOREIGN KEY (sale_id, tier_id, unit_no) REFERENCES units (sale_id, tier_id, unit_no),
    CONSTRAINT tickets_reference_key UNIQUE (sale_id, payment_reference, tier_id, unit_no),
    CONSTRAINT tickets_rotation_check CHECK (rotation >= 0),
    CONSTRAINT tickets_state_check CHECK (state IN ('valid', 'used', 'void'))
);

CREATE UNIQUE INDEX tickets_one_valid_key ON tickets (sale_id, tier_id, unit_no) WHERE state = 'valid';
CREATE INDEX tickets_order_idx ON tickets (sale_id, order_id);
