-- Refunds by organizers: of tickets (which become void, and their units free), of an amount (which voids nothing), or of
-- everything that is left. Asking is one call: what is owed is in the books, seats are back and jobs are written when it
-- answers. The money itself moves later, when Stripe says so (V17).
--
-- | act                       | debit                                      | credit           |
-- |---------------------------|--------------------------------------------|------------------|
-- | refund_owed               | organizer_payable, platform_fee, tax_payable | refund_due     |
-- | refunded                  | refund_due                                 | payment_clearing |
-- | refund_reversed           | exact undo of `refunded`                   |                  |
-- | refund_owed_undone        | exact undo of `refund_owed`                |                  |
-- | seats_returned            | seats_available                            | seats_sold       |
--
-- Order of locks, kept by all: gate, order, payment, tickets, units by (tier, number).

ALTER TABLE transfers
    DROP CONSTRAINT transfers_kind_check,
    ADD CONSTRAINT transfers_kind_check CHECK (kind IN (
        'seats_issued', 'seats_ordered', 'seats_released', 'seats_sold', 'seats_withheld', 'withheld_released', 'seats_returned',
        'authorised', 'authorisation_voided', 'captured', 'captured_late', 'refunded', 'refund_reversed',
        'refund_owed', 'refund_owed_undone',
        'dispute_withdrawn', 'dispute_reinstated', 'dispute_borne', 'dispute_lost', 'processor_fee'));

-- Two accounts more: money that Stripe took for a dispute until it is decided, and what is given up.
ALTER TABLE accounts
    DROP CONSTRAINT accounts_account_check,
    ADD CONSTRAINT accounts_account_check CHECK (account IN (
        'payment_clearing', 'organizer_payable', 'platform_fee', 'tax_payable', 'processor_fee', 'refund_due', 'suspense',
        'disputed', 'write_off',
        'authorised', 'authorised_contra',
        'seats_issued', 'seats_available', 'seats_ordered', 'seats_sold', 'seats_withheld', 'seats_offered'));

-- As V12 had it, with these two.
CREATE OR REPLACE FUNCTION accounts_open(p_sale uuid, p_currency text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO accounts (sale_id, account, unit_of_account)
    SELECT p_sale, account, p_currency
      FROM unnest(ARRAY['payment_clearing', 'organizer_payable', 'platform_fee', 'tax_payable', 'processor_fee', 'refund_due',
                        'suspense', 'disputed', 'write_off', 'authorised', 'authorised_contra']) AS account;
    INSERT INTO accounts (sale_id, account, unit_of_account)
    SELECT p_sale, account, 'seats:' || id
      FROM tiers, unnest(ARRAY['seats_issued', 'seats_available', 'seats_ordered', 'seats_sold', 'seats_withheld',
                               'seats_offered']) AS account
     WHERE sale_id = p_sale;
END
$$;

INSERT INTO accounts (sale_id, account, unit_of_account)
SELECT sale_id, opened, unit_of_account
  FROM accounts, unnest(ARRAY['disputed', 'write_off']) AS opened WHERE account = 'suspense';

-- As V5 had it, with a hash that tells a value that is missing from one that stands elsewhere: the text of a row has a place for
-- each. Books that were written before keep theirs; what repeats one of their acts asks for its state first.
CREATE OR REPLACE FUNCTION post(p_sale uuid, p_kind text, p_key text, p_order uuid, p_reference text, p_effective timestamptz,
                                p_resolves uuid, p_reverses uuid, p_legs leg[])
RETURNS uuid
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_id   uuid  := onsale_uuid();
    v_hash bytea := sha256(convert_to(ROW(p_kind, p_order, p_reference, p_resolves, p_reverses, p_legs)::text, 'UTF8'));
BEGIN
    INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, order_id, reference, resolves, reverses, effective_at)
    VALUES (p_sale, v_id, p_kind, p_key, v_hash, p_order, p_reference, p_resolves, p_reverses, p_effective)
        ON CONFLICT ON CONSTRAINT transfers_idem_key_key DO NOTHING;
    IF NOT FOUND THEN
        SELECT id INTO v_id FROM transfers WHERE sale_id = p_sale AND idem_key = p_key AND request_hash = v_hash;
        IF NOT FOUND THEN
            PERFORM refuse('transfers_same_key_same_request', format('key %s was used for another transfer', p_key));
        END IF;
        RETURN v_id;
    END IF;
    INSERT INTO entries (sale_id, transfer_id, leg, account, unit_of_account, amount)
    SELECT p_sale, v_id, leg, account, unit_of_account, amount
      FROM unnest(p_legs) WITH ORDINALITY AS l (account, unit_of_account, amount, leg)
     WHERE amount <> 0;
    RETURN v_id;
END
$$;

-- What a card's holder disputes and Stripe took, and how much of that is lost for good; and what it took in another currency
-- than the sale's, counted in the sale's. None of it can be given back a second time.
ALTER TABLE payments
    ADD COLUMN disputed bigint NOT NULL DEFAULT 0,
    ADD COLUMN lost bigint NOT NULL DEFAULT 0,
    ADD COLUMN exchanged bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT payments_disputed_check CHECK (disputed >= 0 AND lost BETWEEN 0 AND disputed AND exchanged >= 0);

-- Of what a refund is made, for those that organizers ask for; and the request, so that it is found again when it is repeated.
-- A refund of nothing is one that only voids tickets: of units that cost nothing, or that were paid back before. An order that
-- cost nothing has no payment: what is given back of it is of the order.
ALTER TABLE refunds
    ALTER COLUMN payment_id DROP NOT NULL,
    ADD COLUMN order_id uuid,
    ADD COLUMN base bigint,
    ADD COLUMN fee bigint,
    ADD COLUMN tax bigint,
    -- Whether the sale kept its fees, by its configuration then.
    ADD COLUMN keeps_fees boolean NOT NULL DEFAULT false,
    ADD COLUMN request_key bytea,
    ADD COLUMN request_hash bytea,
    ADD CONSTRAINT refunds_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id),
    ADD CONSTRAINT refunds_of_check CHECK (num_nulls(payment_id, order_id) = 1 AND (payment_id IS NOT NULL OR amount = 0)),
    ADD CONSTRAINT refunds_kept_fees_check CHECK (NOT keeps_fees OR (base IS NOT NULL AND fee = 0)),
    ADD CONSTRAINT refunds_parts_check CHECK (num_nulls(base, fee, tax) = 3
        OR (num_nulls(base, fee, tax) = 0 AND base >= 0 AND fee >= 0 AND tax >= 0 AND base + fee + tax = amount)),
    ADD CONSTRAINT refunds_request_check CHECK (num_nulls(request_key, request_hash) IN (0, 2)
        AND octet_length(request_key) = 32 AND octet_length(request_hash) = 32),
    ADD CONSTRAINT refunds_request_key UNIQUE (sale_id, request_key),
    DROP CONSTRAINT refunds_amount_check,
    ADD CONSTRAINT refunds_amount_check CHECK (amount > 0 OR (amount = 0 AND request_key IS NOT NULL));

CREATE INDEX refunds_order_idx ON refunds (sale_id, order_id) WHERE order_id IS NOT NULL;

-- The tickets that a refund gives back, and for how much. A ticket becomes void with its first refund; where that failed, it may
-- be given back again, by one other refund: its refunds are a chain, and only the last can be one that did not fail.
CREATE TABLE refund_tickets (
    sale_id   uuid   NOT NULL,
    refund_id uuid   NOT NULL,
    ticket_id uuid   NOT NULL,
    -- Its refund before, which failed.
    again_of  uuid,
    -- What whoever gives it up is to have back, however it went: its price, less fees that the sale keeps.
    price     bigint NOT NULL,
    CONSTRAINT refund_tickets_pkey PRIMARY KEY (sale_id, refund_id, ticket_id),
    CONSTRAINT refund_tickets_once_key UNIQUE NULLS NOT DISTINCT (sale_id, ticket_id, again_of),
    CONSTRAINT refund_tickets_ticket_fkey FOREIGN KEY (sale_id, ticket_id) REFERENCES tickets (sale_id, id),
    CONSTRAINT refund_tickets_refund_fkey FOREIGN KEY (sale_id, refund_id) REFERENCES refunds (sale_id, id),
    CONSTRAINT refund_tickets_again_fkey FOREIGN KEY (sale_id, again_of, ticket_id)
        REFERENCES refund_tickets (sale_id, refund_id, ticket_id),
    CONSTRAINT refund_tickets_again_check CHECK (again_of <> refund_id),
    CONSTRAINT refund_tickets_price_check CHECK (price >= 0)
);

-- Of each ticket that was ever given back, its last refund: it says what became of the ticket's price.
CREATE VIEW refund_tickets_last AS
    SELECT * FROM refund_tickets r
     WHERE NOT EXISTS (SELECT FROM refund_tickets later
                        WHERE later.sale_id = r.sale_id AND later.ticket_id = r.ticket_id AND later.again_of = r.refund_id);

CREATE TRIGGER refund_tickets_stay_as_written BEFORE UPDATE OR DELETE OR TRUNCATE ON refund_tickets
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();

-- As V10 had it, with the mail that says what went back.
ALTER TABLE outbox
    DROP CONSTRAINT outbox_kind_check,
    ADD CONSTRAINT outbox_kind_check CHECK (kind IN (
        'payment_capture', 'payment_cancel', 'payment_check', 'payment_refund', 'units_return',
        'mail_order_paid', 'mail_order_expired', 'mail_payment_released', 'mail_payment_refunded', 'mail_refund_made'));

-- Money by whose it is: the organizer's, the platform's, the state's.
CREATE TYPE money_parts AS (base bigint, fee bigint, tax bigint);

CREATE FUNCTION parts_sum(p_parts money_parts) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN p_parts.base + p_parts.fee + p_parts.tax;
END
$$;

-- An amount of at most the pool, split in proportion to it: each part rounded down, the minor units that are left over to the
-- largest remainders, the first of equal ones. So no part is above its pool, and the whole pool is split into itself: however
-- an amount is given back bit by bit, the last bit is exactly the rest of each part.
CREATE FUNCTION parts_split(p_amount bigint, p_pool money_parts) RETURNS money_parts
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    c_total constant numeric := parts_sum(p_pool);
    v_parts bigint[];
BEGIN
    IF p_amount = 0 THEN
        RETURN ROW(0, 0, 0)::money_parts;
    END IF;
    WITH shares AS (
        SELECT rank, div(p_amount * pool, c_total) AS share, mod(p_amount * pool, c_total) AS remainder
          FROM unnest(ARRAY[p_pool.base, p_pool.fee, p_pool.tax]) WITH ORDINALITY AS pools (pool, rank)),
    rounded AS (
        SELECT rank, share + (row_number() OVER (ORDER BY remainder DESC, rank) <= p_amount - sum(share) OVER ())::integer AS share
          FROM shares)
    SELECT array_agg(share ORDER BY rank) INTO v_parts FROM rounded;
    RETURN ROW(v_parts[1], v_parts[2], v_parts[3])::money_parts;
END
$$;

-- A part of a tax that belongs to a fee: the tax in proportion to fee and base, half a minor unit rounded up.
CREATE FUNCTION tax_of_fee(p_parts money_parts, p_fee bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN p_fee = 0 THEN 0 ELSE round(p_parts.tax::numeric * p_fee / (p_parts.base + p_parts.fee)) END;
END
$$;

-- What a payment was captured for.
CREATE FUNCTION payment_parts(p_payment payments) RETURNS money_parts
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT ROW(coalesce(sum(amount) FILTER (WHERE kind = 'base'), 0), coalesce(sum(amount) FILTER (WHERE kind = 'fee'), 0),
                   coalesce(sum(amount) FILTER (WHERE kind = 'tax'), 0))::money_parts
          FROM order_lines WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id);
END
$$;

-- What of it did not go back yet, nor is going.
CREATE FUNCTION payment_parts_left(p_payment payments) RETURNS money_parts
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_parts money_parts := payment_parts(p_payment);
BEGIN
    RETURN (
        SELECT ROW(v_parts.base - coalesce(sum(base), 0), v_parts.fee - coalesce(sum(fee), 0),
                   v_parts.tax - coalesce(sum(tax), 0))::money_parts
          FROM refunds WHERE sale_id = p_payment.sale_id AND payment_id = p_payment.id AND state <> 'failed');
END
$$;

-- What may still go back of a payment: captured, less what went, is going, or is disputed.
CREATE FUNCTION payment_left(p_payment payments) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT greatest(p_payment.captured - p_payment.disputed - p_payment.exchanged - coalesce(sum(amount), 0), 0)
          FROM refunds WHERE sale_id = p_payment.sale_id AND payment_id = p_payment.id AND state <> 'failed');
END
$$;

-- Whether a payment came too late and bought nothing: all of it is its buyer's, from the moment it came.
CREATE FUNCTION payment_came_late(p_payment payments) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM transfers WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id
                                           AND reference = p_payment.intent_id AND kind = 'captured_late');
END
$$;

-- Whether the sale keeps its fees when it gives money back in this way.
CREATE FUNCTION refund_keeps_fees(p_sale uuid, p_wish text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sales WHERE id = p_sale AND config -> 'refunds' ->> p_wish = 'keep_fees');
END
$$;

-- What one unit of a tier of the order cost, less kept fees and their share of the tax. Every unit of a tier cost the same, so
-- the lines of a tier divide by its units without a rest.
CREATE FUNCTION unit_parts(p_payment payments, p_tier text, p_keep_fees boolean) RETURNS money_parts
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_unit money_parts;
BEGIN
    SELECT coalesce(sum(amount) FILTER (WHERE kind = 'base'), 0) / units, coalesce(sum(amount) FILTER (WHERE kind = 'fee'), 0) / units,
           coalesce(sum(amount) FILTER (WHERE kind = 'tax'), 0) / units
      INTO v_unit.base, v_unit.fee, v_unit.tax
      FROM order_lines,
           (SELECT count(*) AS units FROM order_units
             WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id AND tier_id = p_tier) AS counted
     WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id AND tier_id = p_tier
     GROUP BY units;
    IF p_keep_fees THEN
        v_unit := ROW(v_unit.base, 0, v_unit.tax - tax_of_fee(v_unit, v_unit.fee))::money_parts;
    END IF;
    RETURN v_unit;
END
$$;

-- What a refund may be taken from. Kept fees keep their share of the tax, rounded unit by unit as where tickets are given back;
-- of fees that are partly gone, in proportion. Tickets say themselves how much tax goes with them.
CREATE FUNCTION refund_pool(p_payment payments, p_wish text) RETURNS money_parts
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_left money_parts := payment_parts_left(p_payment);
    v_paid money_parts := payment_parts(p_payment);
    v_kept bigint := 0;
BEGIN
    IF NOT refund_keeps_fees(p_payment.sale_id, p_wish) THEN
        RETURN v_left;
    ELSIF p_wish <> 'tickets' AND v_left.fee > 0 THEN
        SELECT v_paid.tax - sum((unit_parts(p_payment, tier_id, true)).tax) INTO v_kept
          FROM order_units WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id;
        v_kept := round(v_kept::numeric * v_left.fee / v_paid.fee);
    END IF;
    RETURN ROW(v_left.base, 0, greatest(v_left.tax - v_kept, 0))::money_parts;
END
$$;

-- What these tickets cost.
CREATE FUNCTION tickets_parts(p_payment payments, p_tickets uuid[], p_keep_fees boolean) RETURNS money_parts
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT ROW(coalesce(sum(u.base * tickets), 0), coalesce(sum(u.fee * tickets), 0), coalesce(sum(u.tax * tickets), 0))::money_parts
          FROM (SELECT tier_id, count(*) AS tickets FROM tickets
                 WHERE sale_id = p_payment.sale_id AND id = ANY (p_tickets) GROUP BY tier_id) AS wanted,
               unit_parts(p_payment, tier_id, p_keep_fees) AS u);
END
$$;

-- The price of tickets taken from a pool that holds at least as much: each part as it was paid, as far as amounts that went
-- back before left it, the rest from what is left.
CREATE FUNCTION parts_take(p_price money_parts, p_pool money_parts) RETURNS money_parts
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_taken money_parts := ROW(least(p_price.base, p_pool.base), least(p_price.fee, p_pool.fee), least(p_price.tax, p_pool.tax))::money_parts;
    v_rest  money_parts;
BEGIN
    v_rest := parts_split(parts_sum(p_price) - parts_sum(v_taken),
                          ROW(p_pool.base - v_taken.base, p_pool.fee - v_taken.fee, p_pool.tax - v_taken.tax)::money_parts);
    RETURN ROW(v_taken.base + v_rest.base, v_taken.fee + v_rest.fee, v_taken.tax + v_rest.tax)::money_parts;
END
$$;

-- What is left of a pool when all of a payment is to go back: less what its buyer has already, by a bank or by hand.
CREATE FUNCTION refund_rest(p_payment payments, p_pool money_parts) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT greatest(least(parts_sum(p_pool) - p_payment.disputed - p_payment.exchanged - coalesce(sum(amount), 0),
                              payment_left(p_payment)), 0)
          FROM refunds WHERE sale_id = p_payment.sale_id AND payment_id = p_payment.id AND state <> 'failed' AND origin = 'stripe');
END
$$;

-- A refund as its asker sees it.
CREATE FUNCTION refund_document(p_refund refunds) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', p_refund.id, 'state', p_refund.state, 'origin', p_refund.origin, 'reason', p_refund.reason,
        'amount', p_refund.amount, 'created_at', p_refund.created_at,
        'currency', coalesce((SELECT currency FROM payments WHERE sale_id = p_refund.sale_id AND id = p_refund.payment_id),
                             (SELECT currency FROM orders WHERE sale_id = p_refund.sale_id AND id = p_refund.order_id)),
        'parts', CASE WHEN p_refund.base IS NOT NULL
                      THEN jsonb_build_object('base', p_refund.base, 'fee', p_refund.fee, 'tax', p_refund.tax) END,
        'tickets', (SELECT coalesce(jsonb_agg(r.ticket_id ORDER BY t.tier_id, t.unit_no), '[]')
                      FROM refund_tickets r JOIN tickets t ON t.sale_id = r.sale_id AND t.id = r.ticket_id
                     WHERE r.sale_id = p_refund.sale_id AND r.refund_id = p_refund.id));
END
$$;

-- What went back, is going or failed to go of an order, oldest first: so many behind that one; null when the organizer has no
-- such order. Ids are in the order of time.
CREATE FUNCTION refunds_document(p_organizer uuid, p_sale uuid, p_order uuid, p_after uuid, p_limit bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_payments constant uuid[] := ARRAY(SELECT id FROM payments WHERE sale_id = p_sale AND order_id = p_order);
BEGIN
    PERFORM FROM orders o JOIN sales s ON s.id = o.sale_id
      WHERE o.sale_id = p_sale AND o.id = p_order AND s.organizer_id = p_organizer;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT coalesce(jsonb_agg(refund_document(page.refund) ORDER BY (page.refund).id), '[]')
          FROM (SELECT r AS refund FROM refunds r
                 WHERE r.sale_id = p_sale AND (r.payment_id = ANY (v_payments) OR r.order_id = p_order)
                   AND (p_after IS NULL OR r.id > p_after)
                 ORDER BY r.id LIMIT p_limit) AS page);
END
$$;

-- Step: tells the buyer of a refund that an organizer asked for, once it has succeeded. Of money that came too late the buyer
-- was told when it came, and what people give back at Stripe, Stripe tells of.
CREATE FUNCTION refund_tell(p_order uuid, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_refund.request_key IS NOT NULL THEN
        PERFORM job_add(p_refund.sale_id, 'mail', 'mail_refund_made', format('mail_refund_made:%s', p_refund.id),
                        jsonb_build_object('order', p_order, 'refund', p_refund.id));
    END IF;
END
$$;

-- Step: a refund's call to Stripe, to be made by a worker. Its key names the refund, so that it is made once.
CREATE FUNCTION refund_job_add(p_payment payments, p_refund uuid, p_amount bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM job_add(p_payment.sale_id, 'stripe', 'payment_refund', format('payment_refund:%s', p_refund), jsonb_build_object(
        'order', p_payment.order_id, 'payment', p_payment.id, 'intent', p_payment.intent_id,
        'key', format('refund:%s', p_refund), 'refund', p_refund, 'amount', p_amount, 'currency', p_payment.currency));
END
$$;

-- As V16 had it: a refund of money that bought nothing. It was due from the moment it came, so nothing else is posted.
CREATE OR REPLACE FUNCTION refund_plan(p_payment payments, p_amount bigint, p_reason text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_refund constant uuid := onsale_uuid();
BEGIN
    INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount)
    VALUES (p_payment.sale_id, v_refund, p_payment.id, 'onsale', p_reason, p_amount);
    PERFORM refund_job_add(p_payment, v_refund, p_amount);
END
$$;

-- The tickets of an order that may be given back: valid ones, and void ones whose refund failed, so that nobody has their price.
CREATE FUNCTION tickets_to_give(p_sale uuid, p_order uuid) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT t.id FROM tickets t
      LEFT JOIN refund_tickets_last l ON l.sale_id = t.sale_id AND l.ticket_id = t.id
      LEFT JOIN refunds r ON r.sale_id = l.sale_id AND r.id = l.refund_id
     WHERE t.sale_id = p_sale AND t.order_id = p_order AND (t.state = 'valid' OR (t.state = 'void' AND r.state = 'failed'))
     ORDER BY t.id;
END
$$;

-- Step: what keeps these tickets from being given back, by name; null when nothing does. They are locked from here on, in the
-- order of their units.
CREATE FUNCTION tickets_refusal(p_sale uuid, p_order uuid, p_tickets uuid[], p_wish text) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_unknown uuid[];
    v_used    uuid[];
    v_void    uuid[];
BEGIN
    PERFORM FROM tickets WHERE sale_id = p_sale AND order_id = p_order ORDER BY tier_id, unit_no, id FOR NO KEY UPDATE;
    SELECT array_agg(wanted) FILTER (WHERE t.id IS NULL),
           array_agg(wanted) FILTER (WHERE t.state = 'void' AND wanted NOT IN (SELECT tickets_to_give(p_sale, p_order)))
      INTO v_unknown, v_void
      FROM unnest(p_tickets) AS wanted LEFT JOIN tickets t ON t.sale_id = p_sale AND t.order_id = p_order AND t.id = wanted;
    SELECT array_agg(id) INTO v_used FROM tickets
     WHERE sale_id = p_sale AND order_id = p_order AND state = 'used' AND (p_wish = 'whole' OR id = ANY (p_tickets));
    RETURN CASE
        WHEN v_unknown IS NOT NULL THEN jsonb_build_object('outcome', 'ticket_unknown', 'tickets', v_unknown)
        WHEN v_used IS NOT NULL THEN jsonb_build_object('outcome', 'ticket_used', 'tickets', v_used)
        WHEN v_void IS NOT NULL THEN jsonb_build_object('outcome', 'ticket_void', 'tickets', v_void)
    END;
END
$$;

-- Step: tickets are the refund's. Those that are valid become void and their units free; those that are void since a refund
-- that failed have no units any more, and somebody else may have them.
CREATE FUNCTION tickets_give_back(p_order orders, p_payment payments, p_refund refunds, p_tickets uuid[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO refund_tickets (sale_id, refund_id, ticket_id, again_of, price)
    SELECT t.sale_id, p_refund.id, t.id, l.refund_id, parts_sum(unit_parts(p_payment, t.tier_id, p_refund.keeps_fees))
      FROM tickets t LEFT JOIN refund_tickets_last l ON l.sale_id = t.sale_id AND l.ticket_id = t.id
     WHERE t.sale_id = p_order.sale_id AND t.id = ANY (p_tickets);
    PERFORM tickets_void(p_order, p_refund.id, ARRAY(
        SELECT id FROM tickets WHERE sale_id = p_order.sale_id AND id = ANY (p_tickets) AND state = 'valid'));
END
$$;

-- Step: tickets become void and their units free, in rows, books and, by a job, in Redis.
CREATE FUNCTION tickets_void(p_order orders, p_refund uuid, p_tickets uuid[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale  constant uuid := p_order.sale_id;
    v_moved bigint;
BEGIN
    IF cardinality(p_tickets) = 0 THEN
        RETURN;
    END IF;
    PERFORM FROM units u JOIN tickets t USING (sale_id, tier_id, unit_no)
      WHERE t.sale_id = v_sale AND t.id = ANY (p_tickets) ORDER BY u.tier_id, u.unit_no FOR NO KEY UPDATE OF u;
    UPDATE tickets SET state = 'void' WHERE sale_id = v_sale AND id = ANY (p_tickets) AND state = 'valid';
    UPDATE units u SET state = 'free', gen = gen + 1, order_id = NULL
      FROM tickets t
     WHERE t.sale_id = v_sale AND t.id = ANY (p_tickets) AND t.state = 'void'
       AND u.sale_id = t.sale_id AND u.tier_id = t.tier_id AND u.unit_no = t.unit_no AND u.state = 'sold' AND u.order_id = p_order.id;
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    IF v_moved <> cardinality(p_tickets) THEN
        PERFORM refuse('units_change_hands_once', format('order %s has %s of %s units sold', p_order.id, v_moved, cardinality(p_tickets)));
    END IF;
    PERFORM post(v_sale, 'seats_returned', format('refund:%s:seats', p_refund), p_order.id, NULL, onsale_now(), NULL, NULL, (
        SELECT array_agg(l) FROM (
            SELECT unnest(ARRAY[ROW('seats_available', 'seats:' || tier_id, count(*))::leg,
                                ROW('seats_sold', 'seats:' || tier_id, -count(*))::leg]) AS l
              FROM tickets WHERE sale_id = v_sale AND id = ANY (p_tickets) GROUP BY tier_id ORDER BY tier_id) AS legs));
    PERFORM job_add(v_sale, 'stock', 'units_return', format('units_return:refund:%s', p_refund), jsonb_build_object(
        'order', p_order.id,
        'epoch', (SELECT epoch FROM sales WHERE id = v_sale),
        'units', (SELECT jsonb_agg(jsonb_build_array(tier_id, unit_no) ORDER BY tier_id, unit_no)
                    FROM tickets WHERE sale_id = v_sale AND id = ANY (p_tickets))));
END
$$;

-- Step: the refund is owed, and to be made by a worker.
CREATE FUNCTION refund_owe(p_payment payments, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_refund.amount = 0 THEN
        RETURN;
    END IF;
    PERFORM post(p_payment.sale_id, 'refund_owed', format('refund:%s:owed', p_refund.id), p_payment.order_id, p_payment.intent_id,
                 onsale_now(), NULL, NULL,
                 ARRAY[ROW('organizer_payable', p_payment.currency, p_refund.base)::leg,
                       ROW('platform_fee', p_payment.currency, p_refund.fee)::leg,
                       ROW('tax_payable', p_payment.currency, p_refund.tax)::leg,
                       ROW('refund_due', p_payment.currency, -p_refund.amount)::leg]);
    PERFORM refund_job_add(p_payment, p_refund.id, p_refund.amount);
END
$$;

-- Step: what an order was paid with, locked. One that cost nothing was paid with nothing, which is in no table; null where the
-- money has not come, or was given back because it came too late.
CREATE FUNCTION payment_to_refund(p_order orders) RETURNS payments
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_payment payments%ROWTYPE;
BEGIN
    IF p_order.total > 0 THEN
        SELECT * INTO v_payment FROM payments
         WHERE sale_id = p_order.sale_id AND order_id = p_order.id AND state = 'captured' AND NOT superseded FOR NO KEY UPDATE;
        RETURN v_payment;
    END IF;
    v_payment.sale_id := p_order.sale_id;
    v_payment.order_id := p_order.id;
    v_payment.currency := p_order.currency;
    v_payment.captured := 0;
    v_payment.disputed := 0;
    v_payment.lost := 0;
    v_payment.exchanged := 0;
    RETURN v_payment;
END
$$;

-- Step: writes down who asked for a refund, and answers it. People write names into reasons, and this log is never erased.
CREATE FUNCTION refund_asked(p_order orders, p_refund refunds, p_wish text, p_by text) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_order.sale_id, p_by, 'refund_asked',
            jsonb_build_object('order', p_order.id, 'wish', p_wish) || (refund_document(p_refund) - 'reason'));
    RETURN jsonb_build_object('outcome', 'asked', 'refund', refund_document(p_refund));
END
$$;

-- Step: makes a refund anew that failed, of money that came too late. Nothing is posted: it is owed as it was from the moment it
-- came. What a bank has meanwhile is not given back.
CREATE FUNCTION refund_again(p_order orders, p_refund uuid, p_key bytea, p_hash bytea, p_reason text, p_by text) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_payment payments%ROWTYPE;
    v_refund  refunds%ROWTYPE;
BEGIN
    SELECT p.* INTO v_payment FROM refunds r JOIN payments p ON p.sale_id = r.sale_id AND p.id = r.payment_id
     WHERE r.sale_id = p_order.sale_id AND r.id = p_refund AND p.order_id = p_order.id
       AND r.state = 'failed' AND r.origin = 'onsale' AND r.base IS NULL
       FOR NO KEY UPDATE OF p;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'refund_unknown');
    ELSIF payment_left(v_payment) = 0 THEN
        RETURN jsonb_build_object('outcome', 'above_captured', 'left', 0, 'currency', v_payment.currency);
    END IF;
    INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount, request_key, request_hash)
    VALUES (p_order.sale_id, onsale_uuid(), v_payment.id, 'onsale', p_reason, payment_left(v_payment), p_key, p_hash)
    RETURNING * INTO v_refund;
    PERFORM refund_job_add(v_payment, v_refund.id, v_refund.amount);
    RETURN refund_asked(p_order, v_refund, 'again', p_by);
END
$$;

-- Asks for a refund: of tickets, of an amount, of the whole rest, or again for one that failed of money that came too late.
-- Answers asked with the refund, also when the same request asked before; or not_found, key_reused (another request had that
-- key), not_refundable with the order's state, ticket_unknown, ticket_used or ticket_void with which, refund_unknown, or
-- above_captured with what may still go back in this way.
CREATE FUNCTION refund_ask(p_organizer uuid, p_sale uuid, p_order uuid, p_key bytea, p_hash bytea, p_wish text,
                           p_tickets uuid[], p_amount bigint, p_again uuid, p_reason text, p_by text)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_order   orders%ROWTYPE;
    v_payment payments%ROWTYPE;
    v_refund  refunds%ROWTYPE;
    v_tickets uuid[] := CASE p_wish WHEN 'tickets' THEN p_tickets ELSE '{}' END;
    v_refusal jsonb;
    v_pool    money_parts;
    v_price   money_parts;
    v_room    bigint;
    v_amount  bigint;
    v_keeps   constant boolean := refund_keeps_fees(p_sale, p_wish);
BEGIN
    PERFORM gate_enter(p_sale);
    SELECT o.* INTO v_order FROM orders o JOIN sales s ON s.id = o.sale_id
     WHERE o.sale_id = p_sale AND o.id = p_order AND s.organizer_id = p_organizer FOR NO KEY UPDATE OF o;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    END IF;
    SELECT * INTO v_refund FROM refunds WHERE sale_id = p_sale AND request_key = p_key;
    IF FOUND AND v_refund.request_hash <> p_hash THEN
        RETURN jsonb_build_object('outcome', 'key_reused');
    ELSIF FOUND THEN
        RETURN jsonb_build_object('outcome', 'asked', 'refund', refund_document(v_refund));
    ELSIF p_wish = 'again' THEN
        RETURN refund_again(v_order, p_again, p_key, p_hash, p_reason, p_by);
    END IF;
    v_payment := payment_to_refund(v_order);
    IF v_payment.order_id IS NULL OR v_order.state NOT IN ('paid', 'partially_refunded', 'refunded', 'disputed') THEN
        RETURN jsonb_build_object('outcome', 'not_refundable', 'state', v_order.state);
    END IF;
    v_refusal := tickets_refusal(p_sale, p_order, v_tickets, p_wish);
    IF v_refusal IS NOT NULL THEN
        RETURN v_refusal;
    ELSIF p_wish = 'whole' THEN
        v_tickets := ARRAY(SELECT tickets_to_give(p_sale, p_order));
    END IF;

    v_pool := refund_pool(v_payment, p_wish);
    v_room := least(payment_left(v_payment), parts_sum(v_pool));
    v_price := tickets_parts(v_payment, v_tickets, v_keeps);
    v_amount := CASE p_wish WHEN 'tickets' THEN parts_sum(v_price) WHEN 'amount' THEN p_amount
                            ELSE refund_rest(v_payment, v_pool) END;
    -- What is lost the buyer has already. While a bank may give it back, the whole would not be the whole.
    IF p_wish = 'tickets' AND v_payment.lost + v_payment.exchanged > 0 AND NOT payment_is_undecided(v_payment) THEN
        v_amount := least(v_amount, v_room);
    END IF;
    IF v_amount > v_room OR (v_amount = 0 AND cardinality(v_tickets) = 0)
       OR (p_wish = 'whole' AND payment_is_undecided(v_payment)) THEN
        RETURN jsonb_build_object('outcome', 'above_captured', 'left', v_room, 'currency', v_payment.currency);
    END IF;
    v_price := CASE WHEN p_wish = 'tickets' AND v_amount = parts_sum(v_price) THEN parts_take(v_price, v_pool)
                    ELSE parts_split(v_amount, v_pool) END;

    INSERT INTO refunds (sale_id, id, payment_id, order_id, origin, reason, amount, base, fee, tax, keeps_fees,
                         request_key, request_hash, state)
    VALUES (p_sale, onsale_uuid(), v_payment.id, CASE WHEN v_payment.id IS NULL THEN p_order END, 'onsale', p_reason,
            v_amount, v_price.base, v_price.fee, v_price.tax, v_keeps, p_key, p_hash,
            CASE v_amount WHEN 0 THEN 'succeeded' ELSE 'planned' END)
    RETURNING * INTO v_refund;
    PERFORM tickets_give_back(v_order, v_payment, v_refund, v_tickets);
    PERFORM refund_owe(v_payment, v_refund);
    PERFORM order_flag(p_sale, p_order);
    IF v_refund.state = 'succeeded' THEN
        PERFORM refund_tell(p_order, v_refund);
    END IF;
    RETURN refund_asked(v_order, v_refund, p_wish, p_by);
END
$$;

-- Step: takes back that a refund is owed, because it was not to be had. Only the money: its tickets stay void and its units
-- free, which somebody else may have by now. It may be asked for again.
CREATE FUNCTION refund_disown(p_payment payments, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_owed uuid;
    v_legs leg[];
BEGIN
    SELECT id INTO v_owed FROM transfers WHERE sale_id = p_refund.sale_id AND idem_key = format('refund:%s:owed', p_refund.id);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT array_agg(ROW(account, unit_of_account, -amount)::leg ORDER BY leg) INTO v_legs
      FROM entries WHERE sale_id = p_refund.sale_id AND transfer_id = v_owed;
    PERFORM post(p_payment.sale_id, 'refund_owed_undone', format('refund:%s:owed_undone', p_refund.id), p_payment.order_id,
                 p_payment.intent_id, onsale_now(), NULL, v_owed, v_legs);
END
$$;

-- What an order that is paid and not disputed is called. Refunded is who has nothing more to get: all the money went back, or
-- all tickets did, each for its price. Partially refunded is of whom some money or some ticket went back. What is only planned
-- did not. A payment that came too late bought nothing: giving it back says nothing about the order.
CREATE FUNCTION order_says(p_sale uuid, p_order uuid) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_money record;
    v_given record;
BEGIN
    SELECT coalesce(sum(captured), 0) AS captured, coalesce(sum(refunded), 0) AS refunded INTO v_money
      FROM payments WHERE sale_id = p_sale AND order_id = p_order AND state = 'captured' AND NOT superseded;
    SELECT count(*) AS tickets, coalesce(sum(l.price), 0) AS price,
           count(*) FILTER (WHERE t.state = 'void' AND r.state IN ('pending', 'succeeded')) AS back INTO v_given
      FROM tickets t
      LEFT JOIN refund_tickets_last l ON l.sale_id = t.sale_id AND l.ticket_id = t.id
      LEFT JOIN refunds r ON r.sale_id = l.sale_id AND r.id = l.refund_id
     WHERE t.sale_id = p_sale AND t.order_id = p_order;
    RETURN CASE
        WHEN v_money.captured > 0 AND v_money.refunded = v_money.captured THEN 'refunded'
        WHEN v_given.back = v_given.tickets AND v_given.back > 0 AND v_money.refunded >= v_given.price THEN 'refunded'
        WHEN v_money.refunded > 0 OR v_given.back > 0 THEN 'partially_refunded'
        ELSE 'paid'
    END;
END
$$;

-- Step: an order that is not disputed is called what became of it.
CREATE FUNCTION order_flag(p_sale uuid, p_order uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_says constant text := order_says(p_sale, p_order);
BEGIN
    UPDATE orders SET state = v_says, changed_at = onsale_now()
     WHERE sale_id = p_sale AND id = p_order AND state IN ('paid', 'partially_refunded', 'refunded') AND state <> v_says;
END
$$;

-- As V17 had it, with the order's state from its money.
CREATE OR REPLACE FUNCTION refund_book(p_order orders, p_payment payments, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_from constant text := CASE p_refund.origin WHEN 'onsale' THEN 'refund_due' ELSE 'suspense' END;
BEGIN
    PERFORM post(p_payment.sale_id, 'refunded', format('refund:%s', p_refund.id), p_payment.order_id, p_payment.intent_id,
                 onsale_now(), NULL, NULL,
                 ARRAY[ROW(v_from, p_payment.currency, p_refund.amount)::leg,
                       ROW('payment_clearing', p_payment.currency, -p_refund.amount)::leg]);
    UPDATE payments SET refunded = refunded + p_refund.amount, changed_at = onsale_now()
     WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    PERFORM order_flag(p_payment.sale_id, p_payment.order_id);
END
$$;

-- As V17 had it, and the order is called what is left of it.
CREATE OR REPLACE FUNCTION refund_unbook(p_payment payments, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_booked uuid;
    v_legs   leg[];
BEGIN
    SELECT id INTO v_booked FROM transfers WHERE sale_id = p_refund.sale_id AND idem_key = format('refund:%s', p_refund.id);
    SELECT array_agg(ROW(account, unit_of_account, -amount)::leg ORDER BY leg) INTO v_legs
      FROM entries WHERE sale_id = p_refund.sale_id AND transfer_id = v_booked;
    PERFORM post(p_payment.sale_id, 'refund_reversed', format('refund:%s:reversed', p_refund.id), p_payment.order_id,
                 p_payment.intent_id, onsale_now(), NULL, v_booked, v_legs);
    UPDATE payments SET refunded = refunded - p_refund.amount, changed_at = onsale_now()
     WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    PERFORM order_flag(p_payment.sale_id, p_payment.order_id);
END
$$;

-- As V17 had it, without refunds that Stripe refused to make: what it reports under their name is another one. One that is
-- planned has the place of one that was made by hand, but not of one that failed to be.
DROP FUNCTION refund_of(payments, text, uuid, bigint);
CREATE FUNCTION refund_of(p_payment payments, p_stripe_id text, p_refund uuid, p_amount bigint, p_status text) RETURNS SETOF refunds
LANGUAGE sql VOLATILE
SET search_path = public, pg_temp
AS $$
    SELECT * FROM refunds r
     WHERE r.sale_id = p_payment.sale_id AND r.payment_id = p_payment.id
       AND (r.stripe_id = p_stripe_id
            OR (r.stripe_id IS NULL AND r.state = 'planned' AND r.amount = p_amount
                AND (r.id = p_refund OR (p_refund IS NULL AND p_status <> 'failed'))))
     ORDER BY r.stripe_id IS NULL, r.id
     LIMIT 1
       FOR NO KEY UPDATE
$$;

-- As V17 had it, with what is owed taken back too when a refund fails, and the buyer told when it succeeds. A payment bears more
-- of its disputes when a refund fails, and less when one went that was not counted before.
CREATE OR REPLACE FUNCTION refund_merge(p_order orders, p_payment payments, p_refund refunds, p_status text) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_refund.state = p_status OR p_refund.state = 'failed' OR (p_refund.state = 'succeeded' AND p_status = 'pending') THEN
        RETURN 'nothing';
    END IF;
    UPDATE refunds SET state = p_status, changed_at = onsale_now() WHERE sale_id = p_refund.sale_id AND id = p_refund.id;
    IF p_status = 'failed' THEN
        IF p_refund.state IN ('pending', 'succeeded') THEN
            PERFORM refund_unbook(p_payment, p_refund);
        END IF;
        PERFORM refund_disown(p_payment, p_refund);
        PERFORM disputes_settle(p_payment.sale_id, p_payment.id);
        RETURN 'failed';
    ELSIF p_status = 'succeeded' THEN
        PERFORM refund_tell(p_payment.order_id, p_refund);
    END IF;
    IF p_refund.state = 'pending' THEN
        RETURN 'nothing';
    END IF;
    PERFORM refund_book(p_order, p_payment, p_refund);
    PERFORM disputes_settle(p_payment.sale_id, p_payment.id);
    RETURN 'booked';
END
$$;

-- Stripe refused the call for a refund of ours for good: nothing went, and it is not owed any more. Answers whether this told
-- something new.
CREATE FUNCTION refund_refused(p_sale uuid, p_refund uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_order   orders%ROWTYPE;
    v_payment payments%ROWTYPE;
    v_refund  refunds%ROWTYPE;
BEGIN
    SELECT p.* INTO v_payment FROM refunds r JOIN payments p ON p.sale_id = r.sale_id AND p.id = r.payment_id
     WHERE r.sale_id = p_sale AND r.id = p_refund;
    SELECT * INTO v_order FROM orders WHERE sale_id = p_sale AND id = v_payment.order_id FOR NO KEY UPDATE;
    SELECT * INTO v_payment FROM payments WHERE sale_id = p_sale AND id = v_payment.id FOR NO KEY UPDATE;
    SELECT * INTO v_refund FROM refunds WHERE sale_id = p_sale AND id = p_refund FOR NO KEY UPDATE;
    -- Only one that never got a name at Stripe can have been refused.
    IF v_refund.state IS DISTINCT FROM 'planned' OR v_refund.stripe_id IS NOT NULL THEN
        RETURN false;
    END IF;
    RETURN refund_merge(v_order, v_payment, v_refund, 'failed') = 'failed';
END
$$;

-- As V17 had it, and: news of a refund that comes before the capture it is of, or before the failure of another that makes room
-- for it, is early, is not marked, and has to be brought again. Set aside, so that people look, is an event that tells of a
-- failure, of one of our refunds a second time, or of more than a bank left.
CREATE OR REPLACE FUNCTION refund_apply(p_event text, p_stripe_id text, p_refund uuid, p_intent text, p_amount bigint, p_currency text, p_status text)
RETURNS TABLE (outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_order   orders%ROWTYPE;
    v_payment payments%ROWTYPE;
    v_refund  refunds%ROWTYPE;
BEGIN
    SELECT * INTO v_payment FROM payments p WHERE p.intent_id = p_intent;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_payment', NULL::text;
        RETURN;
    END IF;
    SELECT * INTO v_order FROM orders o WHERE o.sale_id = v_payment.sale_id AND o.id = v_payment.order_id FOR NO KEY UPDATE;
    SELECT * INTO v_payment FROM payments p WHERE p.sale_id = v_payment.sale_id AND p.id = v_payment.id FOR NO KEY UPDATE;
    SELECT * INTO v_refund FROM refund_of(v_payment, p_stripe_id, p_refund, p_amount, p_status);

    reason := CASE
        WHEN p_currency <> v_payment.currency THEN 'currency'
        WHEN v_refund.id IS NOT NULL AND v_refund.amount <> p_amount THEN 'amount'
    END;
    IF reason IS NOT NULL THEN
        PERFORM event_mark(p_event, 'quarantined', reason);
        RETURN QUERY SELECT 'quarantined', reason;
        RETURN;
    ELSIF coalesce(v_refund.state, 'planned') = 'planned' AND v_payment.state <> 'cancelled'
          AND (v_payment.captured = 0 OR (p_status <> 'failed' AND v_payment.refunded + p_amount > v_payment.captured)) THEN
        RETURN QUERY SELECT 'early', NULL::text;
        RETURN;
    END IF;
    -- Booked all the same: it is a fact.
    reason := CASE
        WHEN v_refund.id IS NULL AND EXISTS (SELECT FROM refunds r WHERE r.sale_id = v_payment.sale_id AND r.id = p_refund) THEN 'refund_made_twice'
        WHEN p_status <> 'failed' AND (v_refund.id IS NULL OR v_refund.state = 'planned')
             AND v_payment.refunded + v_payment.disputed + v_payment.exchanged + p_amount > v_payment.captured
            THEN 'more_than_captured'
    END;

    -- Giving up an authorisation looks like a refund of money that was never taken.
    IF v_refund.id IS NULL AND v_payment.captured = 0 THEN
        outcome := 'nothing';
    ELSE
        IF v_refund.id IS NULL THEN
            INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount, stripe_id)
            VALUES (v_payment.sale_id, onsale_uuid(), v_payment.id, 'stripe', 'made_at_stripe', p_amount, p_stripe_id)
            RETURNING * INTO v_refund;
        ELSE
            UPDATE refunds r SET stripe_id = p_stripe_id WHERE r.sale_id = v_refund.sale_id AND r.id = v_refund.id;
        END IF;
        outcome := refund_merge(v_order, v_payment, v_refund, p_status);
    END IF;
    IF outcome = 'booked' AND reason IS NOT NULL THEN
        outcome := 'quarantined';
        PERFORM event_mark(p_event, 'quarantined', reason);
    ELSIF outcome = 'failed' THEN
        PERFORM event_mark(p_event, 'quarantined', 'refund_failed');
    ELSE
        PERFORM event_mark(p_event, 'done', outcome);
    END IF;
    RETURN NEXT;
END
$$;

GRANT SELECT ON refund_tickets, refund_tickets_last TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT SELECT (disputed, lost, exchanged) ON payments TO onsale_readonly;
-- Not the reason: people write names into it.
REVOKE SELECT ON refunds FROM onsale_readonly;
GRANT SELECT (sale_id, id, payment_id, order_id, origin, amount, state, stripe_id, created_at, changed_at, base, fee, tax, keeps_fees)
    ON refunds TO onsale_readonly;
GRANT EXECUTE ON FUNCTION
    refund_ask(uuid, uuid, uuid, bytea, bytea, text, uuid[], bigint, uuid, text, text),
    refunds_document(uuid, uuid, uuid, uuid, bigint)
    TO onsale_gateway;
GRANT EXECUTE ON FUNCTION refund_refused(uuid, uuid), refund_document(refunds) TO onsale_workers;
