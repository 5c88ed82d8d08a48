-- The waitlist: entries, the line of each tier, and offers. `ledger/src/waitlist.rs` says what it promises.
--
-- | entry       | means                                          | goes on as                            |
-- |-------------|------------------------------------------------|---------------------------------------|
-- | unconfirmed | joined; nobody knows yet whose address it is   | waiting, left, expired                |
-- | waiting     | stands in the line of each of its tiers        | offered, left, over                   |
-- | offered     | has an offer that lives                        | claimed, lapsed, declined, over       |
-- | the others  | over for good; its address may join again      |                                       |
--
-- A unit that is freed while somebody waits for its tier is `offered` from then on: kept for the line (a row without an offer), or
-- in an offer. It is never free in between, so Redis hears nothing of it and sells nothing of it. When nobody waits any more, what
-- is kept is free again and a job tells Redis.
--
-- Two advisory locks of a sale, always in this order, behind the gate and the rows of orders and payments, before buyers and units:
-- the door, shared by whoever frees units and taken alone by whoever begins to wait; and the line, taken alone by whoever gives
-- units to it or takes them from it. So between the look whether somebody waits and the commit that frees a unit nobody begins to.

-- Of each tier, until when the order of the queue counts.
CREATE TABLE waitlist_lines (
    sale_id       uuid        NOT NULL,
    tier_id       text        NOT NULL,
    gathers_until timestamptz NOT NULL,
    CONSTRAINT waitlist_lines_pkey PRIMARY KEY (sale_id, tier_id),
    CONSTRAINT waitlist_lines_tier_fkey FOREIGN KEY (sale_id, tier_id) REFERENCES tiers (sale_id, id)
);

-- The rank is the place in line: the number in the queue for who comes from there in time, and one behind all numbers for
-- everybody else.
CREATE TABLE waitlist_entries (
    sale_id      uuid        NOT NULL,
    id           uuid        NOT NULL,
    rank         bigint      NOT NULL,
    tiers        text[]      NOT NULL,
    quantity     integer     NOT NULL,
    state        text        NOT NULL DEFAULT 'unconfirmed',
    joined_at    timestamptz NOT NULL,
    confirmed_at timestamptz,
    -- When it got its offer, or was over without one.
    served_at    timestamptz,
    changed_at   timestamptz NOT NULL,
    -- The transaction that changed it last: who looks now and then finds by it what changed meanwhile, in whatever order it committed.
    changed_by   xid8        NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT waitlist_entries_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT waitlist_entries_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT waitlist_entries_state_check CHECK (state IN (
        'unconfirmed', 'waiting', 'offered', 'claimed', 'lapsed', 'declined', 'left', 'expired', 'over')),
    CONSTRAINT waitlist_entries_rank_check CHECK (rank >= 1),
    CONSTRAINT waitlist_entries_tiers_check CHECK (cardinality(tiers) BETWEEN 1 AND 32),
    CONSTRAINT waitlist_entries_quantity_check CHECK (quantity BETWEEN 1 AND 20),
    CONSTRAINT waitlist_entries_confirmed_check
        CHECK (confirmed_at IS NOT NULL OR state IN ('unconfirmed', 'left', 'expired', 'over')),
    CONSTRAINT waitlist_entries_served_check CHECK ((served_at IS NULL) = (state IN ('unconfirmed', 'waiting')))
) WITH (fillfactor = 80);

-- One place in line is one entry's, until what it was offered is an order or over.
CREATE UNIQUE INDEX waitlist_entries_rank_key ON waitlist_entries (sale_id, rank) WHERE state IN ('unconfirmed', 'waiting', 'offered');
CREATE INDEX waitlist_entries_changed_idx ON waitlist_entries (sale_id, changed_by);
CREATE INDEX waitlist_entries_unconfirmed_idx ON waitlist_entries (sale_id, joined_at) WHERE state = 'unconfirmed';

CREATE SEQUENCE waitlist_ranks MINVALUE 1099511627776; -- 2^40: no queue has so many numbers

-- Personal data: erased by deleting the row. `is_live` says that the entry counts for its address: from its confirmation until it is
-- over. Before that anybody may have written the address there, so wishes stand side by side and none displaces another.
CREATE TABLE waitlist_contacts (
    sale_id   uuid    NOT NULL,
    entry_id  uuid    NOT NULL,
    email     text    NOT NULL,
    buyer     text    NOT NULL,
    is_live   boolean NOT NULL DEFAULT false,
    -- When it goes, because nobody said that the address is hers; never once somebody did.
    forget_at timestamptz,
    CONSTRAINT waitlist_contacts_pkey PRIMARY KEY (sale_id, entry_id),
    CONSTRAINT waitlist_contacts_entry_fkey FOREIGN KEY (sale_id, entry_id) REFERENCES waitlist_entries (sale_id, id),
    CONSTRAINT waitlist_contacts_email_check CHECK (char_length(email) BETWEEN 3 AND 320),
    CONSTRAINT waitlist_contacts_buyer_check CHECK (char_length(buyer) BETWEEN 3 AND 320)
);
CREATE UNIQUE INDEX waitlist_contacts_buyer_key ON waitlist_contacts (sale_id, buyer) WHERE is_live;
CREATE INDEX waitlist_contacts_buyer_idx ON waitlist_contacts (sale_id, buyer);
CREATE INDEX waitlist_contacts_forget_idx ON waitlist_contacts (sale_id, forget_at) WHERE forget_at IS NOT NULL;

-- The line of a tier: a row for each entry that waits for it, while it waits.
CREATE TABLE waitlist_wants (
    sale_id    uuid    NOT NULL,
    tier_id    text    NOT NULL,
    rank       bigint  NOT NULL,
    entry_id   uuid    NOT NULL,
    -- Which of its tiers it likes best: the lowest.
    preference integer NOT NULL,
    quantity   integer NOT NULL,
    -- How often somebody behind got an offer of this tier because it wants fewer.
    overtaken  integer NOT NULL DEFAULT 0,
    CONSTRAINT waitlist_wants_pkey PRIMARY KEY (sale_id, tier_id, rank),
    CONSTRAINT waitlist_wants_entry_key UNIQUE (sale_id, entry_id, tier_id),
    CONSTRAINT waitlist_wants_line_fkey FOREIGN KEY (sale_id, tier_id) REFERENCES waitlist_lines (sale_id, tier_id),
    CONSTRAINT waitlist_wants_entry_fkey FOREIGN KEY (sale_id, entry_id) REFERENCES waitlist_entries (sale_id, id)
) WITH (fillfactor = 80);

-- An entry has one offer, ever: whoever lets it pass joins again, behind everybody.
CREATE TABLE offers (
    sale_id    uuid        NOT NULL,
    id         uuid        NOT NULL,
    entry_id   uuid        NOT NULL,
    rank       bigint      NOT NULL,
    tier_id    text        NOT NULL,
    unit_nos   integer[]   NOT NULL,
    state      text        NOT NULL DEFAULT 'live',
    made_at    timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    -- How long the sale had been paused by then: pauses since are added to its end.
    paused_for interval    NOT NULL,
    ended_at   timestamptz,
    order_id   uuid,
    CONSTRAINT offers_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT offers_entry_key UNIQUE (sale_id, entry_id),
    CONSTRAINT offers_entry_fkey FOREIGN KEY (sale_id, entry_id) REFERENCES waitlist_entries (sale_id, id),
    CONSTRAINT offers_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT offers_state_check CHECK (state IN ('live', 'claimed', 'lapsed', 'declined', 'over')),
    CONSTRAINT offers_units_check CHECK (cardinality(unit_nos) >= 1),
    CONSTRAINT offers_until_check CHECK (until > made_at),
    CONSTRAINT offers_ended_check CHECK ((ended_at IS NULL) = (state = 'live')),
    CONSTRAINT offers_claimed_check CHECK ((order_id IS NOT NULL) = (state = 'claimed'))
) WITH (fillfactor = 80);
CREATE INDEX offers_due_idx ON offers (until) WHERE state = 'live';
CREATE INDEX offers_tier_idx ON offers (sale_id, tier_id, made_at);

-- Each unit that is `offered`: kept for its line, or in one offer.
CREATE TABLE offered_units (
    sale_id  uuid        NOT NULL,
    tier_id  text        NOT NULL,
    unit_no  integer     NOT NULL,
    offer_id uuid,
    kept_at  timestamptz NOT NULL,
    -- When a look first found nobody who may have it, and how long the sale had been paused by then: pauses since do not count.
    unwanted_at timestamptz,
    paused_for  interval,
    CONSTRAINT offered_units_pkey PRIMARY KEY (sale_id, tier_id, unit_no),
    CONSTRAINT offered_units_unit_fkey FOREIGN KEY (sale_id, tier_id, unit_no) REFERENCES units (sale_id, tier_id, unit_no),
    CONSTRAINT offered_units_offer_fkey FOREIGN KEY (sale_id, offer_id) REFERENCES offers (sale_id, id),
    CONSTRAINT offered_units_unwanted_check
        CHECK ((unwanted_at IS NULL) = (paused_for IS NULL) AND (unwanted_at IS NULL OR offer_id IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX offered_units_kept_idx ON offered_units (sale_id, tier_id) WHERE offer_id IS NULL;

-- As V43 had it, with the mails to who waits, and that a sale is called off.
ALTER TABLE outbox
    DROP CONSTRAINT outbox_kind_check,
    ADD CONSTRAINT outbox_kind_check CHECK (kind IN (
        'payment_capture', 'payment_cancel', 'payment_check', 'payment_refund', 'units_return',
        'mail_order_paid', 'mail_order_expired', 'mail_payment_released', 'mail_payment_refunded', 'mail_refund_made',
        'mail_refund_failed', 'mail_tickets_again', 'mail_waitlist_joined', 'mail_waitlist_offer', 'mail_waitlist_lapsed',
        'mail_sale_cancelled', 'mail_waitlist_cancelled'));

-- As V31 had it, with the acts on what is offered.
ALTER TABLE transfers
    DROP CONSTRAINT transfers_kind_check,
    ADD CONSTRAINT transfers_kind_check CHECK (kind IN (
        'seats_issued', 'seats_ordered', 'seats_released', 'seats_sold', 'seats_withheld', 'withheld_released', 'seats_returned',
        'seats_offered', 'offered_released', 'seats_claimed',
        'authorised', 'authorisation_voided', 'captured', 'captured_late', 'refunded', 'refund_reversed',
        'refund_owed', 'refund_owed_undone',
        'dispute_withdrawn', 'dispute_reinstated', 'dispute_borne', 'dispute_lost', 'processor_fee'));

-- Not whose: that is in `waitlist_contacts`.
GRANT SELECT ON waitlist_lines, waitlist_entries, waitlist_wants, offers, offered_units
    TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT SELECT ON waitlist_contacts TO onsale_gateway, onsale_workers;
