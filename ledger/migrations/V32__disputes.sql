-- Disputes: money that a bank takes back through Stripe. A dispute is a fact; what Stripe's balance transactions say of it is
-- booked, each once by its id, whatever we think of it.
--
-- | act                | debit                                        | credit           |
-- |--------------------|----------------------------------------------|------------------|
-- | dispute_withdrawn  | suspense                                     | payment_clearing |
-- | dispute_reinstated | payment_clearing                             | suspense         |
-- | dispute_borne      | disputed                                     | suspense         |
-- | dispute_lost       | organizer_payable; refund_due of a payment that came too late | disputed |
-- | processor_fee      | processor_fee                                | payment_clearing |
--
-- Two steps, so that the books do not depend on what was heard first. A balance transaction moves money between Stripe and
-- suspense, as it says. Then disputes_settle, which looks at nothing but what is known by now, says how much of it the payment
-- bears and how much of that is lost, and books the difference to what it said before; so it does whenever a refund comes, goes
-- or fails. The payment bears what was captured, less what we gave or are to give back; its disputes have that in the order of
-- their names. What is left in suspense, and all of another currency than the sale's, is for people. What somebody gave back at
-- Stripe by hand is in suspense too and takes nothing from a bank's part. An inquiry moves no money and flags nothing. No dispute
-- frees a unit. Order of locks: order, payment, dispute.

CREATE TABLE disputes (
    sale_id         uuid        NOT NULL,
    stripe_id       text        NOT NULL,
    payment_id      uuid        NOT NULL,
    status          text        NOT NULL,
    amount          bigint      NOT NULL,
    currency        text        NOT NULL,
    -- What Stripe took for it, less what came back, in the sale's currency and in another. Less than nothing while only what
    -- came back was heard of.
    taken           bigint      NOT NULL DEFAULT 0,
    taken_elsewhere bigint      NOT NULL DEFAULT 0,
    -- Whether anything came back.
    reinstated      boolean     NOT NULL DEFAULT false,
    -- Of the payment's money, how much that is, and how much of it is given up.
    withdrawn       bigint      NOT NULL DEFAULT 0,
    lost            bigint      NOT NULL DEFAULT 0,
    -- What was taken in another currency, counted in the sale's: it is not booked as disputed, but it is not there either.
    exchanged       bigint      NOT NULL DEFAULT 0,
    opened_at       timestamptz NOT NULL DEFAULT onsale_now(),
    changed_at      timestamptz NOT NULL DEFAULT onsale_now(),
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

-- Step: books a balance transaction that was not booked before.
CREATE FUNCTION dispute_move(p_payment payments, p_dispute text, p_movement dispute_movement) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_key constant text := format('dispute:%s', p_movement.id);
BEGIN
    IF EXISTS (SELECT FROM transfers WHERE sale_id = p_payment.sale_id AND idem_key IN (v_key, v_key || ':fee')) THEN
        RETURN;
    END IF;
    INSERT INTO accounts (sale_id, account, unit_of_account)
    SELECT p_payment.sale_id, account, p_movement.currency FROM unnest(ARRAY['payment_clearing', 'processor_fee', 'suspense']) AS account
        ON CONFLICT DO NOTHING;
    UPDATE disputes SET changed_at = onsale_now(), reinstated = reinstated OR p_movement.amount > 0,
           taken = taken - CASE WHEN p_movement.currency = p_payment.currency THEN p_movement.amount ELSE 0 END,
           taken_elsewhere = taken_elsewhere - CASE WHEN p_movement.currency = p_payment.currency THEN 0 ELSE p_movement.amount END
     WHERE sale_id = p_payment.sale_id AND stripe_id = p_dispute;
    IF p_movement.amount <> 0 THEN
        PERFORM post(p_payment.sale_id, CASE WHEN p_movement.amount < 0 THEN 'dispute_withdrawn' ELSE 'dispute_reinstated' END, v_key,
                     p_payment.order_id, p_payment.intent_id, onsale_now(), NULL, NULL,
                     ARRAY[ROW('suspense', p_movement.currency, -p_movement.amount)::leg,
                           ROW('payment_clearing', p_movement.currency, p_movement.amount)::leg]);
    END IF;
    PERFORM dispute_fee_book(p_payment, p_movement);
END
$$;

-- Step: books how much more, or less, of a payment is disputed than was said before, or lost. A loss is the organizer's; of a
-- payment that came too late the organizer never had anything, and its buyer is owed that much less.
CREATE FUNCTION dispute_book(p_payment payments, p_dispute text, p_kind text, p_amount bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_prefix constant text := format('dispute:%s:%s:', p_dispute, p_kind);
    v_legs   leg[];
    v_before bigint;
BEGIN
    IF p_amount = 0 THEN
        RETURN;
    END IF;
    v_legs := CASE p_kind
        WHEN 'dispute_borne' THEN ARRAY[ROW('disputed', p_payment.currency, p_amount)::leg,
                                        ROW('suspense', p_payment.currency, -p_amount)::leg]
        ELSE ARRAY[ROW(CASE WHEN payment_came_late(p_payment) THEN 'refund_due' ELSE 'organizer_payable' END,
                       p_payment.currency, p_amount)::leg,
                   ROW('disputed', p_payment.currency, -p_amount)::leg] END;
    SELECT count(*) INTO v_before FROM transfers
     WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id AND starts_with(idem_key, v_prefix);
    PERFORM post(p_payment.sale_id, p_kind, v_prefix || v_before, p_payment.order_id, p_payment.intent_id, onsale_now(), NULL, NULL, v_legs);
END
$$;

-- Whether no more of it is to come: it is lost, or won and what the bank gives back came. It may give back less than it took.
CREATE FUNCTION dispute_is_decided(p_dispute disputes) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN p_dispute.status = 'lost' OR (p_dispute.status = 'won' AND p_dispute.reinstated);
END
$$;

-- Whether a bank has some of a payment and may give it back.
CREATE FUNCTION payment_is_undecided(p_payment payments) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM disputes d WHERE sale_id = p_payment.sale_id AND payment_id = p_payment.id
                                            AND (taken > 0 OR taken_elsewhere > 0) AND NOT dispute_is_decided(d));
END
$$;

-- Step: says what a payment bears of its disputes, and what of that is lost. The refund of a payment that came too late takes no
-- room before it went: a dispute takes its place.
CREATE FUNCTION disputes_settle(p_sale uuid, p_payment uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_payment   payments%ROWTYPE;
    v_dispute   disputes%ROWTYPE;
    v_room      bigint;
    v_withdrawn bigint;
    v_lost      bigint;
    v_exchanged bigint;
BEGIN
    SELECT * INTO v_payment FROM payments WHERE sale_id = p_sale AND id = p_payment;
    SELECT v_payment.captured - coalesce(sum(amount), 0) INTO v_room FROM refunds
     WHERE sale_id = p_sale AND payment_id = p_payment AND origin = 'onsale'
       AND (state IN ('pending', 'succeeded') OR (state = 'planned' AND base IS NOT NULL));
    FOR v_dispute IN
        SELECT * FROM disputes WHERE sale_id = p_sale AND payment_id = p_payment ORDER BY stripe_id
    LOOP
        v_withdrawn := greatest(least(v_dispute.taken, v_room), 0);
        v_room := v_room - v_withdrawn;
        -- What it came to in the sale's currency is known only where the dispute itself is in that.
        v_exchanged := CASE
            WHEN v_dispute.taken_elsewhere <= 0 OR (v_dispute.status = 'won' AND v_dispute.reinstated) THEN 0
            WHEN v_dispute.currency = v_payment.currency THEN greatest(least(v_dispute.amount, v_room), 0)
            ELSE greatest(v_room, 0) END;
        v_room := v_room - v_exchanged;
        v_lost := CASE WHEN dispute_is_decided(v_dispute) THEN v_withdrawn ELSE 0 END;
        PERFORM dispute_book(v_payment, v_dispute.stripe_id, 'dispute_borne', v_withdrawn - v_dispute.withdrawn);
        PERFORM dispute_book(v_payment, v_dispute.stripe_id, 'dispute_lost', v_lost - v_dispute.lost);
        UPDATE disputes SET withdrawn = v_withdrawn, lost = v_lost, exchanged = v_exchanged
         WHERE sale_id = p_sale AND stripe_id = v_dispute.stripe_id;
    END LOOP;
    UPDATE payments p SET disputed = d.withdrawn, lost = d.lost, exchanged = d.exchanged, changed_at = onsale_now()
      FROM (SELECT coalesce(sum(withdrawn), 0) AS withdrawn, coalesce(sum(lost), 0) AS lost, coalesce(sum(exchanged), 0) AS exchanged
              FROM disputes WHERE sale_id = p_sale AND payment_id = p_payment) AS d
     WHERE p.sale_id = p_sale AND p.id = p_payment
       AND (p.disputed, p.lost, p.exchanged) <> (d.withdrawn, d.lost, d.exchanged);
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
-- an inquiry that became a dispute is one. Money that came too late and that a bank gives back is given back again. Answers
-- booked, nothing, excess (booked, and for people: more is gone than came, or some of it is in suspense), early (nothing was
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
    v_after    payments%ROWTYPE;
    v_excess   boolean;
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
        ON CONFLICT (sale_id, stripe_id) DO UPDATE
       SET status = excluded.status, amount = excluded.amount, currency = excluded.currency, changed_at = onsale_now()
     WHERE array_position(c_ranks, known.status) < array_position(c_ranks, excluded.status) AND known.status <> 'lost';
    v_changed := FOUND;
    SELECT count(*) INTO v_before FROM transfers WHERE sale_id = v_payment.sale_id AND order_id = v_payment.order_id;
    FOR v_movement IN
        SELECT id, amount, fee, currency
          FROM unnest(p_movement_ids, p_movement_amounts, p_movement_fees, p_movement_currencies) AS m (id, amount, fee, currency)
    LOOP
        PERFORM dispute_move(v_payment, p_dispute, v_movement);
    END LOOP;
    PERFORM disputes_settle(v_payment.sale_id, v_payment.id);
    PERFORM dispute_flag(v_order, v_payment);
    v_changed := v_changed
        OR v_before < (SELECT count(*) FROM transfers WHERE sale_id = v_payment.sale_id AND order_id = v_payment.order_id);
    SELECT * INTO v_after FROM payments WHERE sale_id = v_payment.sale_id AND id = v_payment.id;
    v_excess := v_changed AND (v_after.refunded + v_after.disputed + v_after.exchanged > v_after.captured
        OR EXISTS (SELECT FROM disputes WHERE sale_id = v_payment.sale_id AND payment_id = v_payment.id
                                          AND (taken <> withdrawn OR taken_elsewhere <> 0)));
    IF v_after.disputed + v_after.exchanged < v_payment.disputed + v_payment.exchanged AND payment_came_late(v_payment)
       AND payment_left(v_after) > 0 THEN
        PERFORM refund_plan(v_after, payment_left(v_after), 'late_payment');
    END IF;

    PERFORM event_mark(p_event, CASE WHEN v_excess THEN 'quarantined' ELSE 'done' END,
                       CASE WHEN v_excess THEN 'dispute_excess' ELSE 'dispute' END);
    RETURN CASE WHEN v_excess THEN 'excess' WHEN v_changed THEN 'booked' ELSE 'nothing' END;
END
$$;

GRANT SELECT ON disputes TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION dispute_apply(text, text, text, bigint, text, text, text[], bigint[], bigint[], text[]) TO onsale_workers;
