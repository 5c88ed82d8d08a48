-- Orders: units being paid for. What a buyer is called and where mail goes is kept apart, so that it can be erased
-- without touching what must stay.

-- The verdict on a hold: the first row wins. With an order, the hold became that order; without, it never will (a
-- tombstone, written before its units go back on sale).
CREATE TABLE hold_claims (
    sale_id    uuid        NOT NULL,
    hold_id    uuid        NOT NULL,
    order_id   uuid,
    claimed_at timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT hold_claims_pkey PRIMARY KEY (sale_id, hold_id)
);

CREATE TABLE orders (
    sale_id    uuid        NOT NULL,
    id         uuid        NOT NULL,
    hold_id    uuid        NOT NULL,
    number     bigint      NOT NULL,
    epoch      integer     NOT NULL,
    state      text        NOT NULL DEFAULT 'awaiting_payment',
    currency   text        NOT NULL,
    total      bigint      NOT NULL,
    -- How often it took its units: a late payment may take them again. Part of the keys of its seat transfers.
    claims     integer     NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT orders_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT orders_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT orders_hold_key UNIQUE (sale_id, hold_id),
    CONSTRAINT orders_total_check CHECK (total >= 0),
    CONSTRAINT orders_number_check CHECK (number >= 1),
    CONSTRAINT orders_state_check CHECK (state IN ('awaiting_payment', 'processing', 'paid', 'expired', 'cancelled',
                                                   'partially_refunded', 'refunded', 'disputed'))
);

-- The sweep's list: only orders whose clock runs.
CREATE INDEX orders_due_idx ON orders (expires_at) WHERE state = 'awaiting_payment';

ALTER TABLE hold_claims ADD CONSTRAINT hold_claims_order_fkey
    FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id) DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE order_lines (
    sale_id  uuid    NOT NULL,
    order_id uuid    NOT NULL,
    line_no  integer NOT NULL,
    kind     text    NOT NULL,
    name     text    NOT NULL,
    tier_id  text    NOT NULL,
    quantity integer NOT NULL,
    amount   bigint  NOT NULL,
    CONSTRAINT order_lines_pkey PRIMARY KEY (sale_id, order_id, line_no),
    CONSTRAINT order_lines_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id),
    CONSTRAINT order_lines_kind_check CHECK (kind IN ('base', 'fee', 'tax')),
    CONSTRAINT order_lines_quantity_check CHECK (quantity > 0)
);

-- What the order claimed. It stays when the order loses its units, so that a late payment can ask for the same ones.
CREATE TABLE order_units (
    sale_id  uuid    NOT NULL,
    order_id uuid    NOT NULL,
    tier_id  text    NOT NULL,
    unit_no  integer NOT NULL,
    CONSTRAINT order_units_pkey PRIMARY KEY (sale_id, order_id, tier_id, unit_no),
    CONSTRAINT order_units_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id),
    CONSTRAINT order_units_unit_fkey FOREIGN KEY (sale_id, tier_id, unit_no) REFERENCES units (sale_id, tier_id, unit_no)
);

-- Personal data: erased by deleting the row.
CREATE TABLE contacts (
    sale_id  uuid NOT NULL,
    order_id uuid NOT NULL,
    email    text NOT NULL,
    name     text NOT NULL,
    CONSTRAINT contacts_pkey PRIMARY KEY (sale_id, order_id),
    CONSTRAINT contacts_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id),
    CONSTRAINT contacts_email_check CHECK (char_length(email) BETWEEN 3 AND 320),
    CONSTRAINT contacts_name_check CHECK (char_length(name) BETWEEN 1 AND 300)
);
