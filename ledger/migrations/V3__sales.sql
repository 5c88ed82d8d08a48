-- What is sold: sales, their performances, phases and tiers, and one row for every sellable place.
--
-- The whole configuration is kept as the organizer sent it (`config`); what the database must know to refuse wrong
-- writes is in columns and rows of its own, made when the sale is published.
CREATE TABLE sales (
    id           uuid        NOT NULL,
    organizer_id uuid        NOT NULL,
    slug         text        NOT NULL,
    config       jsonb       NOT NULL,
    currency     text        NOT NULL,
    state        text        NOT NULL DEFAULT 'draft',
    opens_at     timestamptz NOT NULL,
    -- Grows whenever Redis is rebuilt; 0 until it is loaded for the first time.
    epoch        integer     NOT NULL DEFAULT 0,
    -- Grows with configuration and decisions, not with the epoch: it is the ETag.
    version      bigint      NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT onsale_now(),
    changed_at   timestamptz NOT NULL DEFAULT onsale_now(),
    published_at timestamptz,
    CONSTRAINT sales_pkey PRIMARY KEY (id),
    CONSTRAINT sales_organizer_fkey FOREIGN KEY (organizer_id) REFERENCES organizers (id),
    CONSTRAINT sales_slug_key UNIQUE (slug),
    CONSTRAINT sales_slug_check CHECK (slug ~ '^[a-z0-9-]{1,64}$'),
    CONSTRAINT sales_currency_check CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT sales_state_check CHECK (state IN ('draft', 'published', 'paused', 'closed', 'cancelled')),
    CONSTRAINT sales_epoch_check CHECK (epoch >= 0),
    CONSTRAINT sales_published_at_check
        CHECK (CASE state WHEN 'draft' THEN published_at IS NULL WHEN 'cancelled' THEN true ELSE published_at IS NOT NULL END)
);

CREATE INDEX sales_listed_idx ON sales (opens_at, id) WHERE state IN ('published', 'paused', 'closed');
CREATE INDEX sales_organizer_idx ON sales (organizer_id);

-- The dates a sale sells for. One, called `main`, until a configuration can name several.
CREATE TABLE performances (
    sale_id   uuid NOT NULL,
    id        text NOT NULL,
    name      text NOT NULL,
    starts_at timestamptz,
    ends_at   timestamptz,
    venue     text NOT NULL DEFAULT '',
    CONSTRAINT performances_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT performances_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT performances_dates_check CHECK (ends_at > starts_at)
);

-- The windows with their access rule. One, called `general`, until a configuration can name several.
CREATE TABLE phases (
    sale_id           uuid NOT NULL,
    id                text NOT NULL,
    access            text NOT NULL DEFAULT 'public',
    prequeue_opens_at timestamptz,
    opens_at          timestamptz NOT NULL,
    closes_at         timestamptz,
    CONSTRAINT phases_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT phases_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT phases_access_check CHECK (access IN ('public', 'code')),
    CONSTRAINT phases_dates_check CHECK (closes_at > opens_at AND prequeue_opens_at <= opens_at)
);

CREATE TABLE tiers (
    sale_id        uuid    NOT NULL,
    id             text    NOT NULL,
    performance_id text    NOT NULL,
    rank           integer NOT NULL,
    name           text    NOT NULL,
    price          bigint  NOT NULL,
    capacity       integer NOT NULL,
    CONSTRAINT tiers_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT tiers_performance_fkey FOREIGN KEY (sale_id, performance_id) REFERENCES performances (sale_id, id),
    CONSTRAINT tiers_rank_key UNIQUE (sale_id, rank),
    CONSTRAINT tiers_id_check CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,31}$'),
    CONSTRAINT tiers_price_check CHECK (price >= 0),
    CONSTRAINT tiers_capacity_check CHECK (capacity >= 0)
);

-- One row a sellable place, general admission too: a counter of free places would be one hot row for a whole sale, and
-- could be wrong without anybody seeing whose place is missing. Units are numbered from 0 within their tier.
--
-- `gen` grows with every change of state. No index has `state` in it, so that such a change stays on its page (HOT), and
-- the fill factor leaves the room for it.
CREATE TABLE units (
    sale_id    uuid    NOT NULL,
    tier_id    text    NOT NULL,
    unit_no    integer NOT NULL,
    seat_label text,
    state      text    NOT NULL DEFAULT 'free',
    order_id   uuid,
    gen        integer NOT NULL DEFAULT 0,
    CONSTRAINT units_pkey PRIMARY KEY (sale_id, tier_id, unit_no),
    CONSTRAINT units_tier_fkey FOREIGN KEY (sale_id, tier_id) REFERENCES tiers (sale_id, id),
    CONSTRAINT units_unit_no_check CHECK (unit_no >= 0),
    CONSTRAINT units_state_check CHECK (state IN ('free', 'ordered', 'sold', 'withheld', 'offered')),
    CONSTRAINT units_order_check CHECK ((state IN ('ordered', 'sold')) = (order_id IS NOT NULL))
) WITH (fillfactor = 80);
