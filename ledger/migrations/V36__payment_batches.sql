-- News of many payments in one call: one commit, one run of the rules of the books, an outcome an item.
--
-- Until now an act posted what it booked, transfer by transfer. Now it answers what is to be posted, and whoever called it
-- posts: `payment_apply` its one, `payments_apply` those of a whole batch by `post_batch`. Act and posting are one transaction
-- either way.
--
-- Each item is applied in a subtransaction, so one that fails leaves the others as they are; it is answered as `alone`, and the
-- caller applies it by itself, by the same keys, and hears why. So it is when the call fails as a whole: what rules asked for
-- all transfers at once refuse, or a lost race, leaves nothing behind. Items are applied by sale and order, and of one order
-- as they came: two batches wait for each other and never in a circle. With others a circle is possible (a late payment takes
-- units that were free, of several orders), and a batch holds what it has locked until its end; so it waits 25 ms for a lock,
-- even 60 times less than others wait for one of its own, and leaves that item, too, to be applied alone.
--
-- Bounds: the caller's, and 60 items at most. A backend tells others of 64 of its subtransactions; were there more, everybody
-- would look up in pg_subtrans whether what they read is committed.

-- It answers one row at most. Taken for a thousand, they were looked up in orders by reading all orders there are.
ALTER FUNCTION payment_of_intent(text, uuid, uuid) ROWS 1;

-- What is told of an intent, and the tickets of its order should it be captured by that.
CREATE TYPE payment_news AS (event text, source text, facts intent_facts, tickets ticket_line[], kid text);

-- What came of news: a word, why it was set aside if it was, and what is to be posted for it in the same transaction.
CREATE TYPE news_applied AS (outcome text, reason text, postings posting[]);

DROP FUNCTION post_authorised(payments, timestamptz), post_resolved(payments, text, timestamptz, leg[]),
              apply_authorised(orders, payments, timestamptz), apply_captured(orders, payments, timestamptz, ticket_line[], text),
              apply_given_up(orders, payments, text, timestamptz),
              payment_merge_facts(orders, payments, intent_facts, text, timestamptz, ticket_line[], text);

-- As V16 `post_authorised`: the promise of the bank, in the books. Both legs are memos; what becomes of it resolves this one.
CREATE FUNCTION authorised_posting(p_payment payments, p_at timestamptz) RETURNS posting
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN ROW(p_payment.sale_id, 'authorised', format('payment:%s:authorised', p_payment.id), p_payment.order_id,
               p_payment.intent_id, p_at, NULL, NULL,
               ARRAY[ROW('authorised', p_payment.currency, p_payment.amount)::leg,
                     ROW('authorised_contra', p_payment.currency, -p_payment.amount)::leg])::posting;
END
$$;

-- As V16 `post_resolved`: resolves the promise, if there was one, by a transfer that takes it back and says what came of it;
-- none if that is nothing.
CREATE FUNCTION resolved_posting(p_payment payments, p_kind text, p_at timestamptz, p_legs leg[]) RETURNS posting[]
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
    IF cardinality(p_legs) = 0 THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY[ROW(p_payment.sale_id, p_kind, format('payment:%s:%s', p_payment.id, p_kind), p_payment.order_id,
                     p_payment.intent_id, p_at, v_promise, NULL, p_legs)::posting];
END
$$;

-- As V16: the bank promised the money. Too late, the promise is given back: nothing is charged.
CREATE FUNCTION apply_authorised(p_order orders, p_payment payments, p_at timestamptz) RETURNS news_applied
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_postings constant posting[] := ARRAY[authorised_posting(p_payment, p_at)];
BEGIN
    UPDATE payments SET state = 'authorised', authorised = amount, authorised_at = onsale_now(), changed_at = onsale_now()
     WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    IF order_takes_money(p_order, p_payment) THEN
        UPDATE orders SET state = 'processing', changed_at = onsale_now() WHERE sale_id = p_order.sale_id AND id = p_order.id;
        PERFORM intent_job_add(p_payment, 'payment_capture');
        RETURN ROW('authorised', NULL, v_postings)::news_applied;
    END IF;
    PERFORM intent_job_add(p_payment, 'payment_cancel');
    IF NOT p_payment.superseded THEN
        PERFORM mail_add(p_order.sale_id, p_order.id, 'mail_payment_released');
    END IF;
    RETURN ROW('late_cancel', NULL, v_postings)::news_applied;
END
$$;

-- As V16: the money is ours. In time: posted, units sold, tickets issued. Too late: owed back, and the refund is a job.
CREATE FUNCTION apply_captured(p_order orders, p_payment payments, p_at timestamptz, p_tickets ticket_line[], p_kid text)
RETURNS news_applied
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale     constant uuid := p_order.sale_id;
    v_postings posting[];
BEGIN
    UPDATE payments
       SET state = 'captured', authorised = amount, captured = amount, changed_at = onsale_now(), captured_at = onsale_now(),
           authorised_at = coalesce(authorised_at, onsale_now())
     WHERE sale_id = v_sale AND id = p_payment.id;
    IF order_takes_money(p_order, p_payment) THEN
        PERFORM order_units_move(v_sale, p_order.id, 'ordered', 'sold');
        v_postings := resolved_posting(p_payment, 'captured', p_at,
                                       money_legs(p_payment) || seat_legs(v_sale, p_order.id, 'seats_ordered', 'seats_sold'));
        PERFORM tickets_issue(v_sale, p_order.id, p_payment.intent_id, p_kid, p_tickets);
        UPDATE orders SET state = 'paid', changed_at = onsale_now() WHERE sale_id = v_sale AND id = p_order.id;
        PERFORM mail_add(v_sale, p_order.id, 'mail_order_paid');
        RETURN ROW('captured', NULL, v_postings)::news_applied;
    END IF;
    v_postings := resolved_posting(p_payment, 'captured_late', p_at,
                                   ARRAY[ROW('payment_clearing', p_payment.currency, p_payment.amount)::leg,
                                         ROW('refund_due', p_payment.currency, -p_payment.amount)::leg]);
    PERFORM refund_plan(p_payment, p_payment.amount, 'late_payment');
    PERFORM mail_add(v_sale, p_order.id, 'mail_payment_refunded');
    RETURN ROW('late_refund', NULL, v_postings)::news_applied;
END
$$;

-- As V16: nothing will come of the payment. A promise is taken back in the books; an order that lived on it is over.
CREATE FUNCTION apply_given_up(p_order orders, p_payment payments, p_state text, p_at timestamptz) RETURNS news_applied
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_postings constant posting[] := resolved_posting(p_payment, 'authorisation_voided', p_at, '{}');
BEGIN
    UPDATE payments SET state = p_state, changed_at = onsale_now() WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    IF p_order.state = 'processing' AND NOT p_payment.superseded THEN
        PERFORM order_end(p_order.sale_id, p_order.id, 'cancelled');
        PERFORM mail_add(p_order.sale_id, p_order.id, 'mail_payment_released');
    END IF;
    RETURN ROW(p_state, NULL, v_postings)::news_applied;
END
$$;

-- As V25: merges a locked payment with facts that fit it. `p_source` says how far they are believed: an `event` may be old, what
-- was `fetched` is the truth, an `answer` is the truth but comes without tickets.
CREATE FUNCTION payment_merge_facts(p_order orders, p_payment payments, p_facts intent_facts, p_source text,
                                    p_at timestamptz, p_tickets ticket_line[], p_kid text)
RETURNS news_applied
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_next text := payment_merge(p_payment.state, p_facts.status);
BEGIN
    -- A fresh intent has this status too: only with the reason of a failure does it mean one.
    IF p_facts.status = 'requires_payment_method' AND p_facts.failure IS NULL THEN
        RETURN ROW('nothing', NULL, NULL)::news_applied;
    ELSIF v_next = 'ask_stripe' AND p_source = 'fetched' AND p_payment.state <> 'captured' THEN
        v_next := payment_state_of(p_facts.status);
    ELSIF v_next = 'ask_stripe' AND p_source = 'fetched' THEN
        RETURN ROW('quarantined', 'cancelled_after_capture', NULL)::news_applied;
    END IF;

    IF v_next = 'captured' AND p_source = 'answer' THEN
        -- The tickets come with the event or with this job; until then the units stay the order's.
        PERFORM intent_job_add(p_payment, 'payment_check');
        UPDATE payments SET authorised_at = coalesce(authorised_at, onsale_now())
         WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
        v_next := 'processing';
        IF p_order.state = 'awaiting_payment' THEN
            UPDATE orders SET state = 'processing', changed_at = onsale_now() WHERE sale_id = p_order.sale_id AND id = p_order.id;
        END IF;
    ELSIF v_next = 'ask_stripe' AND p_source = 'answer' THEN
        PERFORM intent_job_add(p_payment, 'payment_check');
    END IF;

    RETURN CASE
        WHEN v_next = 'ask_stripe' THEN ROW('ask_stripe', NULL, NULL)::news_applied
        WHEN v_next = 'stay' THEN ROW('nothing', NULL, NULL)::news_applied
        WHEN v_next = 'authorised' THEN apply_authorised(p_order, p_payment, p_at)
        WHEN v_next = 'captured' THEN apply_captured(p_order, p_payment, p_at, p_tickets, p_kid)
        WHEN v_next IN ('failed', 'cancelled') THEN apply_given_up(p_order, p_payment, v_next, p_at)
        ELSE ROW(payment_moves(p_payment, v_next), NULL, NULL)::news_applied
    END;
END
$$;

-- As V16 `payment_apply`, but for posting: payment, order, units, tickets, jobs, and last the mark on the event.
CREATE FUNCTION payment_news_apply(p_news payment_news) RETURNS news_applied
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_facts   constant intent_facts := p_news.facts;
    v_order   orders%ROWTYPE;
    v_payment payments%ROWTYPE;
    v_event   inbox%ROWTYPE;
    v_misfit  text;
    v_applied news_applied;
BEGIN
    SELECT * INTO v_payment FROM payment_of_intent(v_facts.id, v_facts.sale_id, v_facts.order_id);
    IF NOT FOUND THEN
        RETURN ROW('unknown_payment', NULL, NULL)::news_applied;
    END IF;
    PERFORM gate_enter(v_payment.sale_id);
    SELECT * INTO v_order FROM orders o WHERE o.sale_id = v_payment.sale_id AND o.id = v_payment.order_id FOR NO KEY UPDATE;
    SELECT * INTO v_payment FROM payments p WHERE p.sale_id = v_payment.sale_id AND p.id = v_payment.id FOR NO KEY UPDATE;
    SELECT * INTO v_event FROM inbox WHERE id = p_news.event;

    v_misfit := CASE WHEN v_event.account IS NOT NULL THEN 'account' ELSE intent_misfit(v_payment, v_facts) END;
    IF v_misfit IS NOT NULL THEN
        v_applied := ROW('quarantined', v_misfit, NULL)::news_applied;
    ELSE
        UPDATE payments p
           SET intent_id = v_facts.id,
               failure = CASE WHEN v_facts.status = 'requires_payment_method' THEN coalesce(v_facts.failure, p.failure)
                              ELSE p.failure END
         WHERE p.sale_id = v_payment.sale_id AND p.id = v_payment.id
        RETURNING * INTO v_payment;
        v_applied := payment_merge_facts(v_order, v_payment, v_facts, p_news.source, coalesce(v_event.created, onsale_now()),
                                         p_news.tickets, p_news.kid);
    END IF;
    IF v_applied.outcome = 'quarantined' THEN
        PERFORM event_mark(p_news.event, 'quarantined', v_applied.reason);
    ELSIF v_applied.outcome <> 'ask_stripe' THEN
        PERFORM event_mark(p_news.event, 'done', v_applied.outcome);
    END IF;
    RETURN v_applied;
END
$$;

-- As V16: applies news of an intent, whole.
CREATE OR REPLACE FUNCTION payment_apply(
    p_event text, p_source text,
    p_intent text, p_status text, p_amount bigint, p_capturable bigint, p_received bigint, p_currency text, p_livemode boolean,
    p_sale uuid, p_order uuid, p_failure text,
    p_ticket_tiers text[], p_ticket_units integer[], p_ticket_ids uuid[], p_kid text)
RETURNS TABLE (outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_facts   constant intent_facts := ROW(p_intent, p_status, p_amount, p_capturable, p_received, p_currency, p_livemode,
                                           p_sale, p_order, p_failure)::intent_facts;
    v_tickets ticket_line[];
    v_applied news_applied;
BEGIN
    SELECT coalesce(array_agg(ROW(t.tier_id, t.unit_no, t.id)::ticket_line), '{}') INTO v_tickets
      FROM unnest(p_ticket_tiers, p_ticket_units, p_ticket_ids) AS t (tier_id, unit_no, id);
    v_applied := payment_news_apply(ROW(p_event, p_source, v_facts, v_tickets, p_kid)::payment_news);
    PERFORM post(p.sale_id, p.kind, p.idem_key, p.order_id, p.reference, p.effective_at, p.resolves, p.reverses, p.legs)
       FROM unnest(v_applied.postings) AS p;
    RETURN QUERY SELECT v_applied.outcome, v_applied.reason;
END
$$;

-- Step: posts what a part of a batch came to. One that `post` would refuse refuses all.
CREATE FUNCTION postings_book(p_postings posting[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM post_batch(p_postings) AS b WHERE b.outcome = 'key_in_use') THEN
        PERFORM refuse('transfers_same_key_same_request', 'a key was used for another transfer');
    END IF;
END
$$;

-- Applies an array of news, `payment_news` as JSON. Answers for each, by its place from 1, what `payment_apply` would; or
-- `alone`, with nothing changed for it.
CREATE FUNCTION payments_apply(p_news jsonb) RETURNS TABLE (item bigint, outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET lock_timeout = '25ms'
AS $$
DECLARE
    v_news     record;
    v_applied  news_applied;
    v_order    uuid;
    v_postings posting[] := '{}';
BEGIN
    FOR v_news IN
        SELECT n.place, ROW(n.event, n.source, n.facts, n.tickets, n.kid)::payment_news AS told, p.order_id
          FROM jsonb_populate_recordset(NULL::payment_news, p_news)
               WITH ORDINALITY AS n (event, source, facts, tickets, kid, place)
          LEFT JOIN LATERAL payment_of_intent((n.facts).id, (n.facts).sale_id, (n.facts).order_id) AS p ON true
         ORDER BY p.sale_id, p.order_id, n.place
    LOOP
        -- A transfer that resolves another finds it in the books. Which order it is may be known only by now.
        IF v_news.order_id IS NOT DISTINCT FROM v_order THEN
            PERFORM postings_book(v_postings);
            v_postings := '{}';
        END IF;
        v_order := v_news.order_id;
        BEGIN
            v_applied := payment_news_apply(v_news.told);
            v_postings := v_postings || v_applied.postings;
        EXCEPTION WHEN OTHERS THEN
            v_applied := ROW('alone', SQLERRM, NULL)::news_applied;
        END;
        item := v_news.place;
        outcome := v_applied.outcome;
        reason := v_applied.reason;
        RETURN NEXT;
    END LOOP;
    PERFORM postings_book(v_postings);
END
$$;

GRANT EXECUTE ON FUNCTION payments_apply(jsonb) TO onsale_workers;
