-- Requests that must not be done twice. A row without a status is being done until its lease ends; with one, it is the
-- answer to give again, for a day.
CREATE TABLE idempotency (
    scope       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    begun_at    timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    status      smallint,
    body        bytea,
    CONSTRAINT idempotency_pkey PRIMARY KEY (scope, key),
    CONSTRAINT idempotency_fingerprint_check CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT idempotency_answer_check CHECK ((status IS NULL) = (body IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX idempotency_begun_at_idx ON idempotency (begun_at);
