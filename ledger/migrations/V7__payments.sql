-- Payments: attempts to pay an order, one payment intent each. A row is written before Stripe is called, with everything
-- the call is made of, so that a call whose outcome is unknown can be made again as the same call.
CREATE TABLE payments (
    sale_id            uuid        NOT NULL,
    id                 uuid        NOT NULL,
    order_id           uuid        NOT NULL,
    attempt            integer     NOT NULL,
    state              text        NOT NULL DEFAULT 'planned',
    -- A later attempt took its place: whatever still comes of this one is given back.
    superseded         boolean     NOT NULL DEFAULT false,
    livemode           boolean     NOT NULL,
    capture            text        NOT NULL,
    currency           text        NOT NULL,
    amount             bigint      NOT NULL,
    idem_key           text        NOT NULL,
    confirmation_token text        NOT NULL,
    return_url         text        NOT NULL,
    description        text        NOT NULL,
    -- Stripe's id. The client secret is not kept: who needs it fetches the intent.
    intent_id          text,
    failure            text,
    authorised         bigint      NOT NULL DEFAULT 0,
    captured           bigint      NOT NULL DEFAULT 0,
    refunded           bigint      NOT NULL DEFAULT 0,
    begun_at           timestamptz NOT NULL,
    changed_at         timestamptz NOT NULL,
    authorised_at      timestamptz,
    captured_at        timestamptz,
    CONSTRAINT payments_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT payments_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id),
    CONSTRAINT payments_attempt_key UNIQUE (sale_id, order_id, attempt),
    CONSTRAINT payments_intent_key UNIQUE (sale_id, intent_id),
    CONSTRAINT payments_idem_key_key UNIQUE (sale_id, idem_key),
    CONSTRAINT payments_state_check CHECK (state IN ('planned', 'requires_action', 'processing', 'authorised', 'captured',
                                                     'failed', 'cancelled')),
    CONSTRAINT payments_capture_check CHECK (capture IN ('manual', 'automatic')),
    CONSTRAINT payments_amount_check CHECK (amount > 0),
    CONSTRAINT payments_authorised_check CHECK (authorised BETWEEN 0 AND amount),
    CONSTRAINT payments_captured_check CHECK (captured BETWEEN 0 AND authorised),
    CONSTRAINT payments_refunded_check CHECK (refunded BETWEEN 0 AND captured)
) WITH (fillfactor = 80);

-- One live payment an order: two tabs, a double click and a back button meet here.
CREATE UNIQUE INDEX payments_one_live_key ON payments (sale_id, order_id)
    WHERE state IN ('planned', 'requires_action', 'processing', 'authorised', 'captured') AND NOT superseded;

-- Events name the intent; whether they name the sale is up to them.
CREATE INDEX payments_intent_idx ON payments (intent_id);

-- Money going back. Ours are planned before Stripe is called; others are facts that Stripe reports.
CREATE TABLE refunds (
    sale_id    uuid        NOT NULL,
    id         uuid        NOT NULL,
    payment_id uuid        NOT NULL,
    origin     text        NOT NULL,
    reason     text        NOT NULL,
    amount     bigint      NOT NULL,
    state      text        NOT NULL DEFAULT 'planned',
    stripe_id  text,
    created_at timestamptz NOT NULL DEFAULT onsale_now(),
    changed_at timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT refunds_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT refunds_payment_fkey FOREIGN KEY (sale_id, payment_id) REFERENCES payments (sale_id, id),
    CONSTRAINT refunds_stripe_id_key UNIQUE (sale_id, stripe_id),
    CONSTRAINT refunds_origin_check CHECK (origin IN ('onsale', 'stripe')),
    CONSTRAINT refunds_amount_check CHECK (amount > 0),
    CONSTRAINT refunds_state_check CHECK (state IN ('planned', 'pending', 'succeeded', 'failed'))
);

CREATE INDEX refunds_payment_idx ON refunds (sale_id, payment_id);
