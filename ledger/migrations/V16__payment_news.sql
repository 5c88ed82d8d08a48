-- News of payments. Events are hints that come late, twice and out of order; a payment is therefore merged with what they
-- say, and every effect has a key of its own, so the second event of one change finds nothing left to do.
--
-- Order of locks, kept by all: gate, order, payment, units.

-- What a payment becomes when Stripe says a status: a state, `stay`, or `ask_stripe`. The same table as the domain's.
CREATE FUNCTION payment_merge(p_state text, p_status text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_ranks constant text[] := ARRAY['planned', 'requires_action', 'processing', 'authorised'];
    v_news  constant text   := payment_state_of(p_status);
BEGIN
    RETURN CASE
        WHEN p_state = v_news THEN 'stay'
        WHEN p_state = 'captured' THEN CASE v_news WHEN 'cancelled' THEN 'ask_stripe' ELSE 'stay' END
        WHEN p_state IN ('failed', 'cancelled') AND v_news IN ('authorised', 'captured') THEN 'ask_stripe'
        WHEN p_state = 'failed' AND v_news = 'cancelled' THEN 'cancelled'
        WHEN p_state IN ('failed', 'cancelled') THEN 'stay'
        WHEN p_state = 'authorised' AND v_news = 'failed' THEN 'ask_stripe'
        WHEN v_news IN ('failed', 'cancelled', 'captured') THEN v_news
        WHEN array_position(v_ranks, p_state) < array_position(v_ranks, v_news) THEN v_news
        ELSE 'stay'
    END;
END
$$;

CREATE FUNCTION payment_state_of(p_status text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN CASE p_status
        WHEN 'requires_payment_method' THEN 'failed'
        WHEN 'requires_confirmation'   THEN 'planned'
        WHEN 'requires_action'         THEN 'requires_action'
        WHEN 'processing'              THEN 'processing'
        WHEN 'requires_capture'        THEN 'authorised'
        WHEN 'succeeded'               THEN 'captured'
        WHEN 'canceled'                THEN 'cancelled'
    END;
END
$$;

-- What Stripe says of an intent.
CREATE TYPE intent_facts AS (
    id text, status text, amount bigint, capturable bigint, received bigint, currency text, livemode boolean,
    sale_id uuid, order_id uuid, failure text);

-- The payment an intent belongs to: the one that has its id, else the latest attempt of the order it names whose intent
-- is not known yet, because the answer to its call was lost or is still under way.
CREATE FUNCTION payment_of_intent(p_intent text, p_sale uuid, p_order uuid) RETURNS SETOF payments
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT * FROM (
        SELECT * FROM payments WHERE intent_id = p_intent
        UNION ALL
        SELECT * FROM payments WHERE sale_id = p_sale AND order_id = p_order AND intent_id IS NULL
    ) AS candidates
    ORDER BY intent_id IS NULL, superseded, state IN ('failed', 'cancelled'), attempt DESC
    LIMIT 1;
END
$$;

CREATE FUNCTION payment_target(p_intent text, p_sale uuid, p_order uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'sale', p.sale_id, 'order', p.order_id, 'payment', p.id, 'number', o.number,
            'units', (SELECT jsonb_agg(jsonb_build_array(u.tier_id, u.unit_no) ORDER BY u.tier_id, u.unit_no)
                        FROM order_units u WHERE u.sale_id = p.sale_id AND u.order_id = p.order_id))
          FROM payment_of_intent(p_intent, p_sale, p_order) p
          JOIN orders o ON o.sale_id = p.sale_id AND o.id = p.order_id
    );
END
$$;

-- What about an intent does not fit the payment it claims to be, or nothing.
CREATE FUNCTION intent_misfit(p_payment payments, p_facts intent_facts) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN CASE
        WHEN p_facts.livemode <> p_payment.livemode THEN 'livemode'
        WHEN p_facts.sale_id IS DISTINCT FROM p_payment.sale_id THEN 'metadata_sale'
        WHEN p_facts.order_id IS DISTINCT FROM p_payment.order_id THEN 'metadata_order'
        WHEN p_payment.intent_id <> p_facts.id THEN 'intent'
        WHEN p_facts.currency <> p_payment.currency THEN 'currency'
        WHEN p_facts.amount <> p_payment.amount THEN 'amount'
        WHEN p_facts.status = 'requires_capture' AND p_facts.capturable <> p_payment.amount THEN 'amount_capturable'
        WHEN p_facts.status = 'succeeded' AND p_facts.received <> p_payment.amount THEN 'amount_received'
    END;
END
$$;

-- Step: the promise of the bank, in the books. Both legs are memos; what becomes of it resolves this transfer.
CREATE FUNCTION post_authorised(p_payment payments, p_at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM post(p_payment.sale_id, 'authorised', format('payment:%s:authorised', p_payment.id), p_payment.order_id,
                 p_payment.intent_id, p_at, NULL, NULL,
                 ARRAY[ROW('authorised', p_payment.currency, p_payment.amount)::leg,
                       ROW('authorised_contra', p_payment.currency, -p_payment.amount)::leg]);
END
$$;

-- Step: resolves the promise, if there was one, by a transfer that takes it back and says what came of it.
CREATE FUNCTION post_resolved(p_payment payments, p_kind text, p_at timestamptz, p_legs leg[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_promise uuid;
BEGIN
    SELECT id INTO v_promise FROM transfers
     WHERE sale_id = p_payment.sale_id AND idem_key = format('payment:%s:authorised', p_payment.id);
    IF FOUND THEN
        p_legs := p_legs || ARRAY[ROW('authorised', p_payment.currency, -p_payment.amount)::leg,
                                  ROW('authorised_contra', p_payment.currency, p_payment.amount)::leg];
    END IF;
    IF cardinality(p_legs) > 0 THEN
        PERFORM post(p_payment.sale_id, p_kind, format('payment:%s:%s', p_payment.id, p_kind), p_payment.order_id,
                     p_payment.intent_id, p_at, v_promise, NULL, p_legs);
    END IF;
END
$$;

-- Step: whom captured money belongs to, by the lines of its order.
CREATE FUNCTION money_legs(p_payment payments) RETURNS leg[]
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT ROW('payment_clearing', p_payment.currency, p_payment.amount)::leg || array_agg(l) FROM (
            SELECT ROW(CASE kind WHEN 'base' THEN 'organizer_payable' WHEN 'fee' THEN 'platform_fee' WHEN 'tax' THEN 'tax_payable' END,
                       p_payment.currency, -sum(amount))::leg AS l
              FROM order_lines WHERE sale_id = p_payment.sale_id AND order_id = p_payment.order_id
             GROUP BY kind ORDER BY kind) AS parts
    );
END
$$;

-- Step: whether money may still buy the order's units, which are then the order's.
CREATE FUNCTION order_takes_money(p_order orders, p_payment payments) RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_payment.superseded THEN
        RETURN false;
    END IF;
    RETURN CASE p_order.state
        WHEN 'awaiting_payment' THEN true
        WHEN 'processing' THEN true
        WHEN 'expired' THEN order_reclaim(p_order.sale_id, p_order.id)
        ELSE false
    END;
END
$$;

-- Step: the bank promised the money. Too late, the promise is given back: nothing is charged.
CREATE FUNCTION apply_authorised(p_order orders, p_payment payments, p_at timestamptz) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE payments SET state = 'authorised', authorised = amount, authorised_at = onsale_now(), changed_at = onsale_now()
     WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    PERFORM post_authorised(p_payment, p_at);
    IF order_takes_money(p_order, p_payment) THEN
        UPDATE orders SET state = 'processing', changed_at = onsale_now() WHERE sale_id = p_order.sale_id AND id = p_order.id;
        PERFORM intent_job_add(p_payment, 'payment_capture');
        RETURN 'authorised';
    END IF;
    PERFORM intent_job_add(p_payment, 'payment_cancel');
    IF NOT p_payment.superseded THEN
        PERFORM mail_add(p_order.sale_id, p_order.id, 'mail_payment_released');
    END IF;
    RETURN 'late_cancel';
END
$$;

-- Step: the money is ours. In time: posted, units sold, tickets issued. Too late: owed back, and the refund is a job.
CREATE FUNCTION apply_captured(p_order orders, p_payment payments, p_at timestamptz, p_tickets ticket_line[], p_kid text)
RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale constant uuid := p_order.sale_id;
BEGIN
    UPDATE payments
       SET state = 'captured', authorised = amount, captured = amount, changed_at = onsale_now(), captured_at = onsale_now(),
           authorised_at = coalesce(authorised_at, onsale_now())
     WHERE sale_id = v_sale AND id = p_payment.id;
    IF order_takes_money(p_order, p_payment) THEN
        PERFORM order_units_move(v_sale, p_order.id, 'ordered', 'sold');
        PERFORM post_resolved(p_payment, 'captured', p_at,
                              money_legs(p_payment) || seat_legs(v_sale, p_order.id, 'seats_ordered', 'seats_sold'));
        PERFORM tickets_issue(v_sale, p_order.id, p_payment.intent_id, p_kid, p_tickets);
        UPDATE orders SET state = 'paid', changed_at = onsale_now() WHERE sale_id = v_sale AND id = p_order.id;
        PERFORM mail_add(v_sale, p_order.id, 'mail_order_paid');
        RETURN 'captured';
    END IF;
    PERFORM post_resolved(p_payment, 'captured_late', p_at,
                          ARRAY[ROW('payment_clearing', p_payment.currency, p_payment.amount)::leg,
                                ROW('refund_due', p_payment.currency, -p_payment.amount)::leg]);
    PERFORM refund_plan(p_payment, p_payment.amount, 'late_payment');
    PERFORM mail_add(v_sale, p_order.id, 'mail_payment_refunded');
    RETURN 'late_refund';
END
$$;

-- Step: a refund of ours, to be made by a worker. Its key names the refund, so that it is made once.
CREATE FUNCTION refund_plan(p_payment payments, p_amount bigint, p_reason text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_refund constant uuid := onsale_uuid();
BEGIN
    INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount)
    VALUES (p_payment.sale_id, v_refund, p_payment.id, 'onsale', p_reason, p_amount);
    PERFORM job_add(p_payment.sale_id, 'stripe', 'payment_refund', format('payment_refund:%s', v_refund), jsonb_build_object(
        'order', p_payment.order_id, 'payment', p_payment.id, 'intent', p_payment.intent_id,
        'key', format('refund:%s', v_refund), 'refund', v_refund, 'amount', p_amount, 'currency', p_payment.currency));
END
$$;

-- Step: nothing will come of the payment. A promise is taken back in the books; an order that lived on it is over.
CREATE FUNCTION apply_given_up(p_order orders, p_payment payments, p_state text, p_at timestamptz) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE payments SET state = p_state, changed_at = onsale_now() WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    PERFORM post_resolved(p_payment, 'authorisation_voided', p_at, ARRAY[]::leg[]);
    IF p_order.state = 'processing' AND NOT p_payment.superseded THEN
        PERFORM order_end(p_order.sale_id, p_order.id, 'cancelled');
        PERFORM mail_add(p_order.sale_id, p_order.id, 'mail_payment_released');
    END IF;
    RETURN p_state;
END
$$;

-- Step: merges a locked payment with facts that fit it. `p_source` says how far they are believed: an `event` may be
-- old, what was `fetched` is the truth, an `answer` is the truth but comes without tickets.
CREATE FUNCTION payment_merge_facts(p_order orders, p_payment payments, p_facts intent_facts, p_source text,
                                    p_at timestamptz, p_tickets ticket_line[], p_kid text)
RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_next text := payment_merge(p_payment.state, p_facts.status);
BEGIN
    -- A fresh intent has this status too: only with the reason of a failure does it mean one.
    IF p_facts.status = 'requires_payment_method' AND p_facts.failure IS NULL THEN
        RETURN 'nothing';
    ELSIF v_next = 'ask_stripe' AND p_source = 'fetched' AND p_payment.state <> 'captured' THEN
        v_next := payment_state_of(p_facts.status);
    ELSIF v_next = 'ask_stripe' AND p_source = 'fetched' THEN
        RETURN 'cancelled_after_capture';
    END IF;

    IF v_next = 'captured' AND p_source = 'answer' THEN
        -- The tickets come with the event or with this job; until then the units stay the order's.
        PERFORM intent_job_add(p_payment, 'payment_check');
        v_next := 'processing';
        IF p_order.state = 'awaiting_payment' THEN
            UPDATE orders SET state = 'processing', changed_at = onsale_now() WHERE sale_id = p_order.sale_id AND id = p_order.id;
        END IF;
    ELSIF v_next = 'ask_stripe' AND p_source = 'answer' THEN
        PERFORM intent_job_add(p_payment, 'payment_check');
    END IF;

    RETURN CASE
        WHEN v_next = 'ask_stripe' THEN 'ask_stripe'
        WHEN v_next = 'stay' THEN 'nothing'
        WHEN v_next = 'authorised' THEN apply_authorised(p_order, p_payment, p_at)
        WHEN v_next = 'captured' THEN apply_captured(p_order, p_payment, p_at, p_tickets, p_kid)
        WHEN v_next IN ('failed', 'cancelled') THEN apply_given_up(p_order, p_payment, v_next, p_at)
        ELSE payment_moves(p_payment, v_next)
    END;
END
$$;

-- Step: a payment moves on and nothing else does.
CREATE FUNCTION payment_moves(p_payment payments, p_state text) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE payments SET state = p_state, changed_at = onsale_now() WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    RETURN 'nothing';
END
$$;

-- Applies news of an intent, whole: payment, order, units, books, tickets, jobs, and last the mark on the event.
CREATE FUNCTION payment_apply(
    p_event text, p_source text,
    p_intent text, p_status text, p_amount bigint, p_capturable bigint, p_received bigint, p_currency text, p_livemode boolean,
    p_sale uuid, p_order uuid, p_failure text,
    p_ticket_tiers text[], p_ticket_units integer[], p_ticket_ids uuid[], p_kid text)
RETURNS TABLE (outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_facts   intent_facts := ROW(p_intent, p_status, p_amount, p_capturable, p_received, p_currency, p_livemode,
                                  p_sale, p_order, p_failure)::intent_facts;
    v_tickets ticket_line[];
    v_order   orders%ROWTYPE;
    v_payment payments%ROWTYPE;
    v_event   inbox%ROWTYPE;
BEGIN
    SELECT * INTO v_payment FROM payment_of_intent(p_intent, p_sale, p_order);
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_payment', NULL::text;
        RETURN;
    END IF;
    PERFORM gate_enter(v_payment.sale_id);
    SELECT * INTO v_order FROM orders o WHERE o.sale_id = v_payment.sale_id AND o.id = v_payment.order_id FOR NO KEY UPDATE;
    SELECT * INTO v_payment FROM payments p WHERE p.sale_id = v_payment.sale_id AND p.id = v_payment.id FOR NO KEY UPDATE;
    SELECT * INTO v_event FROM inbox WHERE id = p_event;

    reason := CASE WHEN v_event.account IS NOT NULL THEN 'account' ELSE intent_misfit(v_payment, v_facts) END;
    IF reason IS NOT NULL THEN
        PERFORM event_mark(p_event, 'quarantined', reason);
        RETURN QUERY SELECT 'quarantined', reason;
        RETURN;
    END IF;

    UPDATE payments p
       SET intent_id = p_intent,
           failure = CASE WHEN p_status = 'requires_payment_method' THEN coalesce(p_failure, p.failure) ELSE p.failure END
     WHERE p.sale_id = v_payment.sale_id AND p.id = v_payment.id
    RETURNING * INTO v_payment;
    SELECT coalesce(array_agg(ROW(t.tier_id, t.unit_no, t.id)::ticket_line), '{}') INTO v_tickets
      FROM unnest(p_ticket_tiers, p_ticket_units, p_ticket_ids) AS t (tier_id, unit_no, id);

    outcome := payment_merge_facts(v_order, v_payment, v_facts, p_source, coalesce(v_event.created, onsale_now()), v_tickets, p_kid);
    IF outcome = 'cancelled_after_capture' THEN
        PERFORM event_mark(p_event, 'quarantined', outcome);
        RETURN QUERY SELECT 'quarantined', outcome;
        RETURN;
    ELSIF outcome <> 'ask_stripe' THEN
        PERFORM event_mark(p_event, 'done', outcome);
    END IF;
    RETURN NEXT;
END
$$;
