-- Who runs sales here, the keys they use, and what people did.
CREATE TABLE organizers (
    id         uuid        NOT NULL,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT organizers_pkey PRIMARY KEY (id),
    CONSTRAINT organizers_name_key UNIQUE (name),
    CONSTRAINT organizers_name_check CHECK (char_length(name) BETWEEN 1 AND 200)
);

-- Only the digest of a key is kept: the secret has 244 random bits, so a fast digest is enough.
CREATE TABLE api_keys (
    id           uuid        NOT NULL,
    organizer_id uuid        NOT NULL,
    role         text        NOT NULL,
    name         text        NOT NULL,
    secret_hash  bytea       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT onsale_now(),
    revoked_at   timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_organizer_fkey FOREIGN KEY (organizer_id) REFERENCES organizers (id),
    CONSTRAINT api_keys_secret_hash_key UNIQUE (secret_hash),
    CONSTRAINT api_keys_secret_hash_check CHECK (octet_length(secret_hash) = 32),
    CONSTRAINT api_keys_role_check CHECK (role IN ('admin', 'organizer', 'door', 'support'))
);

-- Decisions of people, for people: never updated, no personal data of buyers.
CREATE TABLE audit_log (
    sale_id uuid        NOT NULL,
    id      uuid        NOT NULL DEFAULT onsale_uuid(),
    at      timestamptz NOT NULL DEFAULT onsale_now(),
    actor   text        NOT NULL,
    act     text        NOT NULL,
    detail  jsonb       NOT NULL DEFAULT '{}',
    CONSTRAINT audit_log_pkey PRIMARY KEY (sale_id, id)
);
