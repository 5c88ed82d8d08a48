-- An intent belongs to the attempt that it names.
--
-- Since V16 an intent whose payment nobody knows belonged to the latest attempt of its order that waits for one. But an attempt that
-- was ended because nobody had heard of it (V40) may turn up all the same, when the next one waits too: it would have taken that
-- one's place, and the buyer's intent would fit nothing. Its metadata has always had the number of its attempt; now that decides:
--
-- | the intent names | it belongs to |
-- |---|---|
-- | an attempt that waits for an intent | that one |
-- | an attempt that has another intent, or none of this order | none of ours: people look |
-- | no attempt: somebody changed it in the dashboard | the latest that waits, as before |
--
-- An attempt whose place was taken before its intent was heard of is given up at Stripe when it is, as those are whose intent was
-- known (`payment_begin`): its buyer pays the next one.
ALTER TYPE intent_facts ADD ATTRIBUTE attempt integer;

DROP FUNCTION
    payment_of_intent(text, uuid, uuid),
    payment_target(text, uuid, uuid),
    payment_targets(text[], uuid[], uuid[]),
    payment_apply(text, text, text, text, bigint, bigint, bigint, text, boolean, uuid, uuid, text, text[], integer[], uuid[], text);

CREATE FUNCTION payment_of_intent(p_intent text, p_sale uuid, p_order uuid, p_attempt integer) RETURNS SETOF payments
LANGUAGE plpgsql STABLE
ROWS 1
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT * FROM (
        SELECT * FROM payments WHERE intent_id = p_intent
        UNION ALL
        SELECT * FROM payments
         WHERE sale_id = p_sale AND order_id = p_order AND intent_id IS NULL AND attempt = coalesce(p_attempt, attempt)
    ) AS candidates
    ORDER BY intent_id IS NULL, superseded, state IN ('failed', 'cancelled'), attempt DESC
    LIMIT 1;
END
$$;

-- As V42.
CREATE FUNCTION payment_target(p_intent text, p_sale uuid, p_order uuid, p_attempt integer) RETURNS jsonb
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
          FROM payment_of_intent(p_intent, p_sale, p_order, p_attempt) p
          JOIN orders o ON o.sale_id = p.sale_id AND o.id = p.order_id
    );
END
$$;

-- As V44.
CREATE FUNCTION payment_targets(p_intents text[], p_sales uuid[], p_orders uuid[], p_attempts integer[])
RETURNS TABLE (sale_id uuid, order_id uuid, payment_id uuid, number bigint, tiers text[], units integer[], unknown jsonb,
               card_first boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT p.sale_id, p.order_id, p.id, o.number, u.tiers, u.units,
           CASE WHEN o.number IS NULL THEN payment_target(n.intent, n.sale_id, n.order_id, n.attempt) END,
           p.capture = 'automatic' AND p.card IS NULL AND p.state <> 'captured' AND sale_counts_cards(p.sale_id)
      FROM unnest(p_intents, p_sales, p_orders, p_attempts) WITH ORDINALITY
           AS n (intent, sale_id, order_id, attempt, place)
      LEFT JOIN LATERAL (SELECT sale_id, order_id, id, capture, card, state FROM payments WHERE intent_id = n.intent LIMIT 1) AS p ON true
      LEFT JOIN LATERAL (SELECT number FROM orders WHERE sale_id = p.sale_id AND id = p.order_id OFFSET 0) AS o ON true
      LEFT JOIN LATERAL (
            SELECT array_agg(tier_id ORDER BY tier_id, unit_no) AS tiers, array_agg(unit_no ORDER BY tier_id, unit_no) AS units
              FROM order_units WHERE sale_id = p.sale_id AND order_id = p.order_id) AS u ON true
     ORDER BY n.place;
END
$$;

-- As V36, and what is heard of only after its place was taken is given up.
CREATE OR REPLACE FUNCTION payment_news_apply(p_news payment_news) RETURNS news_applied
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
    v_is_new  boolean;
BEGIN
    SELECT * INTO v_payment FROM payment_of_intent(v_facts.id, v_facts.sale_id, v_facts.order_id, v_facts.attempt);
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
        v_is_new := v_payment.intent_id IS NULL;
        UPDATE payments p
           SET intent_id = v_facts.id,
               failure = CASE WHEN v_facts.status = 'requires_payment_method' THEN coalesce(v_facts.failure, p.failure)
                              ELSE p.failure END
         WHERE p.sale_id = v_payment.sale_id AND p.id = v_payment.id
        RETURNING * INTO v_payment;
        IF v_is_new AND v_payment.superseded AND v_facts.status NOT IN ('succeeded', 'canceled') THEN
            PERFORM intent_job_add(v_payment, 'payment_cancel');
        END IF;
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

-- As V36.
CREATE FUNCTION payment_apply(
    p_event text, p_source text,
    p_intent text, p_status text, p_amount bigint, p_capturable bigint, p_received bigint, p_currency text, p_livemode boolean,
    p_sale uuid, p_order uuid, p_attempt integer, p_failure text,
    p_ticket_tiers text[], p_ticket_units integer[], p_ticket_ids uuid[], p_kid text)
RETURNS TABLE (outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_facts   constant intent_facts := ROW(p_intent, p_status, p_amount, p_capturable, p_received, p_currency, p_livemode,
                                           p_sale, p_order, p_failure, p_attempt)::intent_facts;
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

-- As V36.
CREATE OR REPLACE FUNCTION payments_apply(p_news jsonb) RETURNS TABLE (item bigint, outcome text, reason text)
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
          LEFT JOIN LATERAL payment_of_intent((n.facts).id, (n.facts).sale_id, (n.facts).order_id, (n.facts).attempt) AS p ON true
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

-- As V42, for the attempt that was answered.
CREATE OR REPLACE FUNCTION payment_answer(
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
                                             p_livemode, p_sale, p_order,
                                             (SELECT attempt FROM payments WHERE sale_id = p_sale AND id = p_payment), NULL,
                                             '{}', '{}', '{}', '');
END
$$;

-- As V44: of what is plain the payment is known by its intent, whatever attempt it names.
CREATE OR REPLACE FUNCTION plain_news_lock(
    p_events text[], p_intents text[], p_statuses text[], p_amounts bigint[], p_capturables bigint[], p_receiveds bigint[],
    p_currencies text[], p_livemodes boolean[], p_sales uuid[], p_orders uuid[], p_failures text[])
RETURNS locked_news[]
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_open constant uuid[] := ARRAY(
        SELECT sale_id FROM (SELECT DISTINCT sale_id FROM unnest(p_sales) AS s (sale_id) WHERE sale_id IS NOT NULL OFFSET 0) AS sales
         WHERE pg_try_advisory_xact_lock_shared(gate_of(sale_id)));
BEGIN
    RETURN ARRAY(
        SELECT ROW(n.item, n.event, n.facts, p.id)::locked_news
          FROM (SELECT DISTINCT ON (sale_id, order_id) item::integer AS item, event, sale_id, order_id, id,
                       ROW(id, status, amount, capturable, received, currency, livemode, sale_id, order_id, failure, NULL)::intent_facts
                           AS facts
                  FROM unnest(p_events, p_intents, p_statuses, p_amounts, p_capturables, p_receiveds, p_currencies, p_livemodes,
                              p_sales, p_orders, p_failures) WITH ORDINALITY
                       AS told (event, id, status, amount, capturable, received, currency, livemode, sale_id, order_id, failure, item)
                 ORDER BY sale_id, order_id, item) AS n
         CROSS JOIN LATERAL (SELECT FROM orders o WHERE o.sale_id = n.sale_id AND o.id = n.order_id
                                FOR NO KEY UPDATE SKIP LOCKED) AS o
         CROSS JOIN LATERAL (SELECT p.id FROM payments p
                              WHERE p.sale_id = n.sale_id AND p.intent_id = n.id AND p.order_id = n.order_id
                                FOR NO KEY UPDATE SKIP LOCKED) AS p
         WHERE n.sale_id = ANY (v_open));
END
$$;

GRANT EXECUTE ON FUNCTION
    payment_target(text, uuid, uuid, integer),
    payment_apply(text, text, text, text, bigint, bigint, bigint, text, boolean, uuid, uuid, integer, text, text[], integer[], uuid[],
                  text)
    TO onsale_gateway, onsale_workers;
GRANT EXECUTE ON FUNCTION payment_targets(text[], uuid[], uuid[], integer[]) TO onsale_workers;
