-- One limit for one card: who orders under several addresses and pays with one card is one buyer, where the sale says so
-- (`payment.same_card`, `one_buyer`). Card numbers never come here. Stripe says which payments were made with one card by a word
-- of its own, the fingerprint; what is kept is a hash of it with the sale, so no two sales can be compared by it.
--
-- | state of the card    | `card`    | `card_counted` | may the money be taken                                    |
-- |----------------------|-----------|----------------|-----------------------------------------------------------|
-- | not known            | null      | no             | not before Stripe was asked                               |
-- | known                | a hash    | no             | when the limits have room for the order's units           |
-- | there is none        | empty     | no             | yes: it was paid otherwise                                |
-- | counted              | a hash    | yes            | yes, whoever asks again                                   |
--
-- Mostly the answer to *pay* says the card, and an authorisation is counted in the step that pins its units. An event does not
-- say it; then the capture's job asks Stripe first, and counts by `card_admit`. Where Stripe captures by itself, the capture is
-- what is counted, and nobody applies it before the card is known (`payment_target`). Beyond the limit the order is over, its
-- units are free, and what the bank promised is let go, or what was taken is given back whole: `failure` is `card_limit`.
--
-- What counts is the units in hand, ordered or sold, of orders whose payment was counted: a refund that frees units makes room.
-- Count and decision are made under a lock on (sale, card). Order of locks, kept by all: gate, claim of the hold, order, payment,
-- card, buyer, units. Repeated, after a lost answer or a death, every step finds what the first one decided.

ALTER TABLE payments
    ADD COLUMN card         bytea,
    ADD COLUMN card_counted boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT payments_card_check CHECK (octet_length(card) IN (0, 32)),
    ADD CONSTRAINT payments_card_counted_check CHECK (NOT card_counted OR octet_length(card) = 32);

CREATE INDEX payments_card_idx ON payments (sale_id, card) WHERE card_counted;

-- Whether a sale counts by cards. One that was configured before it could does not.
CREATE FUNCTION sale_counts_cards(p_sale uuid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sales WHERE id = p_sale AND config #>> '{payment,same_card}' = 'one_buyer');
END
$$;

-- Step: nobody else counts by this card until the transaction ends.
CREATE FUNCTION card_lock(p_sale uuid, p_card bytea) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(p_sale::text), hashtext('card ' || encode(p_card, 'hex')));
END
$$;

-- Step: how many units of each tier this order and the others that were paid with the card have in hand. It must be a
-- statement of its own, after the lock: what waited for the lock does not see what was committed meanwhile.
CREATE FUNCTION card_units(p_sale uuid, p_card bytea, p_order uuid) RETURNS TABLE (tier_id text, units bigint)
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT had.tier_id, count(*) FROM (
        SELECT ou.tier_id
          FROM order_units ou
          JOIN units u ON u.sale_id = ou.sale_id AND u.tier_id = ou.tier_id AND u.unit_no = ou.unit_no
                      AND u.order_id = ou.order_id
         WHERE ou.sale_id = p_sale AND ou.order_id <> p_order AND ou.order_id IN (
                   SELECT p.order_id FROM payments p WHERE p.sale_id = p_sale AND p.card = p_card AND p.card_counted)
         UNION ALL
        SELECT ou.tier_id FROM order_units ou WHERE ou.sale_id = p_sale AND ou.order_id = p_order) AS had
     GROUP BY had.tier_id;
END
$$;

-- Step: whether the order may be paid with the payment's card, which is counted from here on; what is not known counts nothing.
-- The payment is locked by the caller.
CREATE FUNCTION card_counts(p_payment payments) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_config jsonb;
BEGIN
    IF p_payment.card_counted OR coalesce(octet_length(p_payment.card), 0) = 0 THEN
        RETURN true;
    END IF;
    v_config := (SELECT config FROM sales WHERE id = p_payment.sale_id);
    PERFORM card_lock(p_payment.sale_id, p_payment.card);
    IF EXISTS (
        WITH would_have AS MATERIALIZED (SELECT * FROM card_units(p_payment.sale_id, p_payment.card, p_payment.order_id)),
        limits AS (
            SELECT NULL AS tier_id, (v_config ->> 'per_buyer_limit')::bigint AS units
             UNION ALL
            SELECT tier ->> 'id', (tier ->> 'per_buyer_limit')::bigint FROM jsonb_array_elements(v_config -> 'tiers') AS tier)
        SELECT FROM limits
         WHERE limits.units < (SELECT sum(h.units) FROM would_have h WHERE limits.tier_id IS NULL OR h.tier_id = limits.tier_id))
    THEN
        UPDATE payments SET failure = 'card_limit', changed_at = onsale_now() WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
        RETURN false;
    END IF;
    UPDATE payments SET card_counted = true WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    RETURN true;
END
$$;

-- As V16, within the limits of the card that pays. Beyond them the order is over here; what becomes of the money is for the
-- caller, as with money that comes too late.
CREATE OR REPLACE FUNCTION order_takes_money(p_order orders, p_payment payments) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_payment.superseded OR p_order.state NOT IN ('awaiting_payment', 'processing', 'expired') THEN
        RETURN false;
    ELSIF NOT card_counts(p_payment) THEN
        IF p_order.state <> 'expired' THEN
            PERFORM order_end(p_order.sale_id, p_order.id, 'cancelled');
        END IF;
        RETURN false;
    END IF;
    RETURN p_order.state <> 'expired' OR order_reclaim(p_order.sale_id, p_order.id);
END
$$;

-- Step: writes down which card a payment is made with, where that counts. The first word stays.
CREATE FUNCTION card_note(p_sale uuid, p_payment uuid, p_card bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE payments SET card = p_card WHERE sale_id = p_sale AND id = p_payment AND card IS NULL AND sale_counts_cards(p_sale);
END
$$;

-- Whether a payment may be captured: `admitted`, `ask_card` (which card is not known: ask Stripe and come again) or
-- `limit_reached`, which ends the order. Without a hash for the card, nothing is said of it.
CREATE FUNCTION card_admit(p_sale uuid, p_payment uuid, p_card bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_payment payments%ROWTYPE;
BEGIN
    SELECT * INTO v_payment FROM payments WHERE sale_id = p_sale AND id = p_payment;
    IF v_payment.card_counted OR NOT sale_counts_cards(p_sale) THEN
        RETURN 'admitted';
    ELSIF v_payment.card IS NULL AND p_card IS NULL THEN
        RETURN 'ask_card';
    END IF;
    PERFORM gate_enter(p_sale);
    PERFORM FROM orders WHERE sale_id = p_sale AND id = v_payment.order_id FOR NO KEY UPDATE;
    PERFORM FROM payments WHERE sale_id = p_sale AND id = p_payment FOR NO KEY UPDATE;
    PERFORM card_note(p_sale, p_payment, p_card);
    SELECT * INTO v_payment FROM payments WHERE sale_id = p_sale AND id = p_payment;
    -- What was captured or given up is nothing to decide any more.
    IF v_payment.failure = 'card_limit' THEN
        RETURN 'limit_reached';
    ELSIF v_payment.state <> 'authorised' OR card_counts(v_payment) THEN
        RETURN 'admitted';
    END IF;
    PERFORM order_end(p_sale, v_payment.order_id, 'cancelled');
    PERFORM mail_add(p_sale, v_payment.order_id, 'mail_payment_released');
    RETURN 'limit_reached';
END
$$;

-- As V16, and whether its card must be known before its capture is applied.
CREATE OR REPLACE FUNCTION payment_target(p_intent text, p_sale uuid, p_order uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'sale', p.sale_id, 'order', p.order_id, 'payment', p.id, 'number', o.number,
            'card_first', p.capture = 'automatic' AND p.card IS NULL AND p.state <> 'captured' AND sale_counts_cards(p.sale_id),
            'units', (SELECT jsonb_agg(jsonb_build_array(u.tier_id, u.unit_no) ORDER BY u.tier_id, u.unit_no)
                        FROM order_units u WHERE u.sale_id = p.sale_id AND u.order_id = p.order_id))
          FROM payment_of_intent(p_intent, p_sale, p_order) p
          JOIN orders o ON o.sale_id = p.sale_id AND o.id = p.order_id
    );
END
$$;

-- As V31, with the reason where it is the card.
CREATE OR REPLACE FUNCTION refund_plan(p_payment payments, p_amount bigint, p_reason text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_refund constant uuid := onsale_uuid();
BEGIN
    INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount)
    SELECT p_payment.sale_id, v_refund, p_payment.id, 'onsale', CASE failure WHEN 'card_limit' THEN failure ELSE p_reason END, p_amount
      FROM payments WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    PERFORM refund_job_add(p_payment, v_refund, p_amount);
END
$$;

-- As `payment_apply` of an answer to *pay*, which says the card.
CREATE FUNCTION payment_answer(
    p_payment uuid, p_intent text, p_status text, p_amount bigint, p_capturable bigint, p_received bigint, p_currency text,
    p_livemode boolean, p_sale uuid, p_order uuid, p_card bytea)
RETURNS TABLE (outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM gate_enter(p_sale);
    PERFORM FROM orders o WHERE o.sale_id = p_sale AND o.id = p_order FOR NO KEY UPDATE;
    PERFORM card_note(p_sale, p_payment, p_card);
    RETURN QUERY SELECT * FROM payment_apply(NULL, 'answer', p_intent, p_status, p_amount, p_capturable, p_received, p_currency,
                                             p_livemode, p_sale, p_order, NULL, '{}', '{}', '{}', '');
END
$$;

GRANT EXECUTE ON FUNCTION
    payment_answer(uuid, text, text, bigint, bigint, bigint, text, boolean, uuid, uuid, bytea)
    TO onsale_gateway, onsale_workers;
GRANT EXECUTE ON FUNCTION card_admit(uuid, uuid, bytea), card_note(uuid, uuid, bytea) TO onsale_workers;
