-- Disputes: money that a bank takes back through Stripe. A dispute is a fact; what Stripe's balance transactions say of it is
-- booked, each once by its id, whatever we think of it.
--
-- | act                | debit                                        | credit                      |
-- |--------------------|----------------------------------------------|-----------------------------|
-- | dispute_withdrawn  | disputed; suspense, what exceeds the payment | payment_clearing            |
-- | dispute_reinstated | payment_clearing                             | disputed; suspense, the rest |
-- | dispute_lost       | organizer_payable; refund_due of a payment that came too late | disputed   |
-- | processor_fee      | processor_fee                                | payment_clearing            |
--
-- The payment bears what was captured, less what went back or was asked back, and what is disputed already; more than that, and
-- all of another currency than the sale's, is suspense and set aside for people. An inquiry moves no money and flags nothing. No dispute frees
-- a unit. Order of locks: order, payment, dispute.

CREATE TABLE disputes (
    sale_id    uuid        NOT NULL,
    stripe_id  text        NOT NULL,
    payment_id uuid        NOT NULL,
    status     text        NOT NULL,
    amount     bigint      NOT NULL,
    currency   text        NOT NULL,
    -- Of the payment's money, what is withdrawn, and how much of that is given up.
    withdrawn  bigint      NOT NULL DEFAULT 0,
    lost       bigint      NOT NULL DEFAULT 0,
    -- What was withdrawn in another currency, counted in the sale's: it is not booked as disputed, but it is not there either.
    exchanged  bigint      NOT NULL DEFAULT 0,
    opened_at  timestamptz NOT NULL DEFAULT onsale_now(),
    changed_at timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT disputes_pkey PRIMARY KEY (sale_id, stripe_id),
    CONSTRAINT disputes_payment_fkey FOREIGN KEY (sale_id, payment_id) REFERENCES payments (sale_id, id),
    CONSTRAINT disputes_status_check CHECK (status IN ('inquiry', 'inquiry_closed', 'open', 'won', 'lost')),
    CONSTRAINT disputes_amount_check CHECK (amount > 0),
    CONSTRAINT disputes_lost_check CHECK (lost BETWEEN 0 AND withdrawn)
);

CREATE INDEX disputes_payment_idx ON disputes (sale_id, payment_id);

-- A balance transaction of a dispute: less than nothing was withdrawn, more was reinstated. A fee costs, a negative one is back.
CREATE TYPE dispute_movement AS (id text, amount bigint, fee bigint, currency text);

-- Step: books the fee of a balance transaction, in the currency that Stripe took it in.
CREATE FUNCTION dispute_fee_book(p_payment payments, p_movement dispute_movement) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_movement.fee <> 0 THEN
        PERFORM post(p_payment.sale_id, 'processor_fee', format('dispute:%s:fee', p_movement.id), p_payment.order_id, p_payment.intent_id,
                     onsale_now(), NULL, NULL,
                     ARRAY[ROW('processor_fee', p_movement.currency, p_movement.fee)::leg,
                           ROW('payment_clearing', p_movement.currency, -p_movement.fee)::leg]);
    END IF;
END
$$;

-- Step: so much of a dispute is lost, or, below nothing, is not lost after all. It is the organizer's loss; of a payment that came
-- too late the organizer never had anything, and its buyer is owed that much less.
CREATE FUNCTION dispute_lose(p_payment payments, p_dispute text, p_amount bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_prefix constant text := format('dispute:%s:lost:', p_dispute);
    v_whose  text := 'organizer_payable';
    v_before bigint;
BEGIN
    IF p_amount = 0 THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM transfers WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id
                                       AND reference = p_payment.intent_id AND kind = 'captured_late') THEN
        v_whose := 'refund_due';
    END IF;
    SELECT count(*) INTO v_before FROM transfers
     WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id AND starts_with(idem_key, v_prefix);
    PERFORM post(p_payment.sale_id, 'dispute_lost', v_prefix || v_before, p_payment.order_id, p_payment.intent_id, onsale_now(), NULL, NULL,
                 ARRAY[ROW(v_whose, p_payment.currency, p_amount)::leg, ROW('disputed', p_payment.currency, -p_amount)::leg]);
    UPDATE disputes SET lost = lost + p_amount WHERE sale_id = p_payment.sale_id AND stripe_id = p_dispute;
    UPDATE payments SET lost = lost + p_amount WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
END
$$;

-- What a payment can bear of a dispute. Refunds that were asked for count though they did not go yet; that of a payment that
-- came too late does not, for a dispute takes its place.
CREATE FUNCTION dispute_room(p_payment payments) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT greatest(p_payment.captured - p_payment.refunded - p_payment.disputed - p_payment.exchanged - coalesce(sum(amount), 0), 0)
          FROM refunds WHERE sale_id = p_payment.sale_id AND payment_id = p_payment.id AND state = 'planned' AND base IS NOT NULL);
END
$$;

-- Step: books a balance transaction that was not booked before, and answers whether the payment could not bear all of it.
CREATE FUNCTION dispute_move(p_sale uuid, p_dispute text, p_movement dispute_movement) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_dispute   disputes%ROWTYPE;
    v_payment   payments%ROWTYPE;
    v_key       constant text := format('dispute:%s', p_movement.id);
    v_moved     bigint := 0;
    v_exchanged bigint := 0;
BEGIN
    SELECT * INTO v_dispute FROM disputes WHERE sale_id = p_sale AND stripe_id = p_dispute;
    SELECT * INTO v_payment FROM payments WHERE sale_id = p_sale AND id = v_dispute.payment_id;
    IF EXISTS (SELECT FROM transfers WHERE sale_id = p_sale AND idem_key IN (v_key, v_key || ':fee')) THEN
        RETURN false;
    END IF;
    INSERT INTO accounts (sale_id, account, unit_of_account)
    SELECT p_sale, account, p_movement.currency FROM unnest(ARRAY['payment_clearing', 'processor_fee', 'disputed', 'suspense']) AS account
        ON CONFLICT DO NOTHING;
    -- What is withdrawn counts up, what is reinstated counts down; neither beyond what the payment, or the dispute, has.
    IF p_movement.currency = v_payment.currency AND p_movement.amount < 0 THEN
        v_moved := least(-p_movement.amount, dispute_room(v_payment));
    ELSIF p_movement.currency = v_payment.currency THEN
        v_moved := -least(p_movement.amount, v_dispute.withdrawn);
        -- What was given up comes back last.
        PERFORM dispute_lose(v_payment, p_dispute, least(v_dispute.withdrawn + v_moved - v_dispute.lost, 0));
    ELSIF p_movement.amount < 0 THEN
        v_exchanged := least(v_dispute.amount, dispute_room(v_payment));
    ELSE
        v_exchanged := -v_dispute.exchanged;
    END IF;
    UPDATE disputes SET withdrawn = withdrawn + v_moved, exchanged = exchanged + v_exchanged, changed_at = onsale_now()
     WHERE sale_id = p_sale AND stripe_id = p_dispute;
    UPDATE payments SET disputed = disputed + v_moved, exchanged = exchanged + v_exchanged, changed_at = onsale_now()
     WHERE sale_id = p_sale AND id = v_payment.id;
    IF p_movement.amount <> 0 THEN
        PERFORM post(p_sale, CASE WHEN p_movement.amount < 0 THEN 'dispute_withdrawn' ELSE 'dispute_reinstated' END, v_key,
                     v_payment.order_id, v_payment.intent_id, onsale_now(), NULL, NULL,
                     ARRAY[ROW('disputed', p_movement.currency, v_moved)::leg,
                           ROW('suspense', p_movement.currency, -p_movement.amount - v_moved)::leg,
                           ROW('payment_clearing', p_movement.currency, p_movement.amount)::leg]);
    END IF;
    PERFORM dispute_fee_book(v_payment, p_movement);
    RETURN v_moved <> -p_movement.amount;
END
$$;

-- Step: an order is disputed while one of its disputes is open or lost, and otherwise what became of it.
CREATE FUNCTION dispute_flag(p_order orders, p_payment payments) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE orders o SET changed_at = onsale_now(), state = flagged.state
      FROM (SELECT CASE
                WHEN EXISTS (SELECT FROM disputes WHERE sale_id = p_payment.sale_id AND payment_id = p_payment.id
                                                    AND status IN ('open', 'lost')) THEN 'disputed'
                WHEN p_order.state <> 'disputed' THEN p_order.state
                ELSE order_says(p_order.sale_id, p_order.id) END AS state) AS flagged
     WHERE o.sale_id = p_order.sale_id AND o.id = p_order.id AND NOT p_payment.superseded
       AND o.state IN ('paid', 'partially_refunded', 'refunded', 'disputed') AND o.state <> flagged.state;
END
$$;

-- Applies what Stripe says of a dispute, and the mark on its event. News comes in any order: what is won or lost stays so, and
-- an inquiry that became a dispute is one. Answers booked, nothing, excess (booked, and for people), early (nothing was
-- captured yet: bring it again), or unknown_payment.
CREATE FUNCTION dispute_apply(p_event text, p_dispute text, p_intent text, p_amount bigint, p_currency text, p_status text,
                              p_movement_ids text[], p_movement_amounts bigint[], p_movement_fees bigint[], p_movement_currencies text[])
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    c_ranks    constant text[] := ARRAY['inquiry', 'inquiry_closed', 'open', 'lost', 'won'];
    v_order    orders%ROWTYPE;
    v_payment  payments%ROWTYPE;
    v_before   bigint;
    v_changed  boolean;
    v_excess   boolean := false;
    v_movement dispute_movement;
BEGIN
    SELECT * INTO v_payment FROM payments WHERE intent_id = p_intent;
    IF NOT FOUND THEN
        RETURN 'unknown_payment';
    END IF;
    SELECT * INTO v_order FROM orders WHERE sale_id = v_payment.sale_id AND id = v_payment.order_id FOR NO KEY UPDATE;
    SELECT * INTO v_payment FROM payments WHERE sale_id = v_payment.sale_id AND id = v_payment.id FOR NO KEY UPDATE;
    IF v_payment.captured = 0 THEN
        RETURN 'early';
    END IF;

    INSERT INTO disputes AS known (sale_id, stripe_id, payment_id, status, amount, currency)
    VALUES (v_payment.sale_id, p_dispute, v_payment.id, p_status, p_amount, p_currency)
        ON CONFLICT (sale_id, stripe_id) DO UPDATE SET status = excluded.status, changed_at = onsale_now()
     WHERE array_position(c_ranks, known.status) < array_position(c_ranks, excluded.status) AND known.status <> 'lost';
    v_changed := FOUND;
    SELECT count(*) INTO v_before FROM transfers WHERE sale_id = v_payment.sale_id AND order_id = v_payment.order_id;
    FOR v_movement IN
        SELECT id, amount, fee, currency
          FROM unnest(p_movement_ids, p_movement_amounts, p_movement_fees, p_movement_currencies) AS m (id, amount, fee, currency)
         ORDER BY amount, id
    LOOP
        -- Withdrawn before reinstated, in whatever order they were told.
        v_excess := dispute_move(v_payment.sale_id, p_dispute, v_movement) OR v_excess;
    END LOOP;
    SELECT * INTO v_payment FROM payments WHERE sale_id = v_payment.sale_id AND id = v_payment.id;
    -- What is withdrawn for a lost dispute is lost, also what is withdrawn after it was lost.
    PERFORM dispute_lose(v_payment, p_dispute, (
        SELECT CASE status WHEN 'lost' THEN withdrawn - lost ELSE 0 END
          FROM disputes WHERE sale_id = v_payment.sale_id AND stripe_id = p_dispute));
    PERFORM dispute_flag(v_order, v_payment);
    v_changed := v_changed
        OR v_before < (SELECT count(*) FROM transfers WHERE sale_id = v_payment.sale_id AND order_id = v_payment.order_id);

    PERFORM event_mark(p_event, CASE WHEN v_excess THEN 'quarantined' ELSE 'done' END,
                       CASE WHEN v_excess THEN 'dispute_excess' ELSE 'dispute' END);
    RETURN CASE WHEN v_excess THEN 'excess' WHEN v_changed THEN 'booked' ELSE 'nothing' END;
END
$$;

GRANT SELECT ON disputes TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION dispute_apply(text, text, text, bigint, text, text, text[], bigint[], bigint[], text[]) TO onsale_workers;
