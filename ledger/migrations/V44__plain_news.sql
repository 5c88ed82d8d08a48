-- Plain news by sets: what most news comes to, done for all of a batch at once.
--
-- News is plain when its payment is known by its intent, it fits, and it moves payment and order one step on their way, or
-- changes nothing: under way, authorised, captured, and what is old. Whether it is, say the functions that say it for one
-- (V16, V36, V40, V42); what it then comes to is written here once more, for many rows in one statement, and a test compares each step
-- with theirs. Everything else is left to `payments_apply`, with nothing changed for it: what is late, fails, ends, contradicts
-- or does not fit.
--
-- Nothing is waited for: a sale whose gate is closed and an order or a payment that somebody has are left too, and of several
-- news of one order all but the first. So two batches never wait for each other, in a circle or otherwise. Units of an order
-- may be locked by who wants them in vain; that is waited for 25 ms. Whatever fails fails the whole call, which then changed
-- nothing, and its items are applied in the other ways. A reply that was lost is found done: what was applied is old news.
--
-- Planned anew in each call: a plan that was made when the tables were small would read all of them when they have grown.
CREATE TYPE plain_news AS (
    item integer, event text, sale_id uuid, order_id uuid, payment_id uuid, next text, at timestamptz);

-- What news is judged by, its order and payment being locked.
CREATE TYPE locked_news AS (item integer, event text, facts intent_facts, payment_id uuid);

-- Step: locks what it can get at once, the first of each order.
CREATE FUNCTION plain_news_lock(
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
                       ROW(id, status, amount, capturable, received, currency, livemode, sale_id, order_id, failure)::intent_facts
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

-- Whether a payment waits for its card to be counted, or to be known before it is counted (V42).
CREATE FUNCTION card_is_open(p_payment payments) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN p_payment.card_counted THEN false
                WHEN p_payment.card IS NOT NULL THEN octet_length(p_payment.card) > 0
                ELSE p_payment.capture = 'automatic' AND sale_counts_cards(p_payment.sale_id) END;
END
$$;

-- Step: which of it is plain, and what its payment becomes. A statement of its own, after the locks: it sees what was committed
-- before they were had.
CREATE FUNCTION plain_news_judge(p_locked locked_news[]) RETURNS plain_news[]
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(n.item, n.event, (n.facts).sale_id, (n.facts).order_id, n.payment_id, judged.next,
                   coalesce(e.created, onsale_now()))::plain_news
          FROM unnest(p_locked) AS n (item, event, facts, payment_id)
         CROSS JOIN LATERAL (SELECT p AS payment, p.state, p.superseded FROM payments p
                              WHERE p.sale_id = (n.facts).sale_id AND p.id = n.payment_id OFFSET 0) AS p
         CROSS JOIN LATERAL (SELECT o.state FROM orders o
                              WHERE o.sale_id = (n.facts).sale_id AND o.id = (n.facts).order_id OFFSET 0) AS o
          LEFT JOIN LATERAL (SELECT i.created, i.account FROM inbox i WHERE i.id = n.event OFFSET 0) AS e ON true
         -- A fresh intent has that status too: only with the reason of a failure does it mean one.
         CROSS JOIN LATERAL (SELECT CASE WHEN (n.facts).status <> 'requires_payment_method'
                                              THEN payment_merge(p.state, (n.facts).status)
                                         WHEN (n.facts).failure IS NULL THEN 'stay' END AS next OFFSET 0) AS judged
         WHERE CASE WHEN judged.next = 'stay' THEN true
                    -- Of an order that is over it is to be given up.
                    WHEN judged.next IN ('requires_action', 'processing') THEN o.state NOT IN ('expired', 'cancelled')
                    WHEN judged.next IN ('authorised', 'captured')
                         THEN NOT p.superseded AND o.state IN ('awaiting_payment', 'processing') AND NOT card_is_open(p.payment)
                    ELSE false END
           AND e.account IS NULL AND intent_misfit(p.payment, n.facts) IS NULL
         ORDER BY n.item);
END
$$;

-- Step: as `apply_authorised`, `apply_captured` and `payment_moves` do, payments and orders go on.
CREATE FUNCTION plain_news_move(p_plain plain_news[], p_now timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE payments p
       SET state = n.next, changed_at = p_now,
           authorised = CASE WHEN n.next IN ('authorised', 'captured') THEN p.amount ELSE p.authorised END,
           captured = CASE n.next WHEN 'captured' THEN p.amount ELSE p.captured END,
           authorised_at = CASE n.next WHEN 'authorised' THEN p_now WHEN 'captured' THEN coalesce(p.authorised_at, p_now)
                                       ELSE p.authorised_at END,
           captured_at = CASE n.next WHEN 'captured' THEN p_now ELSE p.captured_at END
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
     WHERE p.sale_id = n.sale_id AND p.id = n.payment_id AND n.next <> 'stay';

    UPDATE orders o SET state = CASE n.next WHEN 'captured' THEN 'paid' ELSE 'processing' END, changed_at = p_now
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
     WHERE o.sale_id = n.sale_id AND o.id = n.order_id AND n.next IN ('authorised', 'captured');
END
$$;

-- Step: what was paid is sold, and has its tickets: as `order_units_move` and `tickets_issue` do, refused unless it is each unit.
CREATE FUNCTION plain_news_sell(p_plain plain_news[], p_tickets ticket_line[], p_items integer[], p_kid text, p_now timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sold   bigint;
    v_issued bigint;
    v_given  bigint;
    v_wanted bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM unnest(p_plain) WHERE next = 'captured') THEN
        RETURN;
    END IF;
    UPDATE units u SET state = 'sold', gen = gen + 1
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
      JOIN order_units ou ON ou.sale_id = n.sale_id AND ou.order_id = n.order_id
     WHERE n.next = 'captured' AND u.sale_id = ou.sale_id AND u.tier_id = ou.tier_id AND u.unit_no = ou.unit_no
       AND u.state = 'ordered' AND u.order_id = ou.order_id;
    GET DIAGNOSTICS v_sold = ROW_COUNT;

    INSERT INTO tickets (sale_id, id, order_id, payment_reference, tier_id, unit_no, qr_kid, issued_at)
    SELECT n.sale_id, t.id, n.order_id, p.intent_id, t.tier_id, t.unit_no, p_kid, p_now
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
      JOIN unnest(p_tickets, p_items) AS t (tier_id, unit_no, id, item) ON t.item = n.item
      JOIN order_units ou
        ON ou.sale_id = n.sale_id AND ou.order_id = n.order_id AND ou.tier_id = t.tier_id AND ou.unit_no = t.unit_no
      JOIN payments p ON p.sale_id = n.sale_id AND p.id = n.payment_id
     WHERE n.next = 'captured';
    GET DIAGNOSTICS v_issued = ROW_COUNT;

    SELECT count(*) INTO v_wanted
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
      JOIN order_units ou ON ou.sale_id = n.sale_id AND ou.order_id = n.order_id
     WHERE n.next = 'captured';
    SELECT count(*) INTO v_given
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at) JOIN unnest(p_items) AS t (item) USING (item)
     WHERE n.next = 'captured';
    IF v_sold <> v_wanted THEN
        PERFORM refuse('units_change_hands_once', format('%s of %s units are ordered', v_sold, v_wanted));
    ELSIF v_issued <> v_wanted OR v_given <> v_wanted THEN
        PERFORM refuse('tickets_for_every_unit', format('%s units were given %s tickets, of which %s fit', v_wanted, v_given, v_issued));
    END IF;
END
$$;

-- Step: what is to be posted: as `authorised_posting` and `resolved_posting` say it, of `money_legs` and `seat_legs`, to the letter,
-- because a transfer is known by it. They ask payment by payment, which costs twice what posting does.
CREATE FUNCTION plain_news_postings(p_plain plain_news[]) RETURNS posting[]
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(n.sale_id, n.next, format('payment:%s:%s', p.id, n.next), n.order_id, p.intent_id, n.at, promise.id, NULL,
                   CASE n.next
                       WHEN 'authorised' THEN promise.legs
                       ELSE ARRAY[ROW('payment_clearing', p.currency, p.amount)::leg] || money.legs || seats.legs
                            || CASE WHEN promise.id IS NOT NULL THEN promise.legs END END)::posting
          FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
         CROSS JOIN LATERAL (SELECT f.id, f.intent_id, f.currency, f.amount FROM payments f
                              WHERE f.sale_id = n.sale_id AND f.id = n.payment_id OFFSET 0) AS p
         CROSS JOIN LATERAL (
                SELECT (SELECT t.id FROM transfers t
                         WHERE n.next = 'captured' AND t.sale_id = n.sale_id
                           AND t.idem_key = format('payment:%s:authorised', p.id)) AS id,
                       ARRAY[ROW('authorised', p.currency, signs.sign * p.amount)::leg,
                             ROW('authorised_contra', p.currency, -signs.sign * p.amount)::leg] AS legs
                  FROM (SELECT CASE n.next WHEN 'authorised' THEN 1 ELSE -1 END AS sign) AS signs) AS promise
         CROSS JOIN LATERAL (
                SELECT array_agg(l) AS legs FROM (
                    SELECT ROW(CASE kind WHEN 'base' THEN 'organizer_payable' WHEN 'fee' THEN 'platform_fee'
                                         WHEN 'tax' THEN 'tax_payable' END, p.currency, -sum(amount))::leg AS l
                      FROM order_lines
                     WHERE n.next = 'captured' AND sale_id = n.sale_id AND order_id = n.order_id
                     GROUP BY kind ORDER BY kind) AS parts) AS money
         CROSS JOIN LATERAL (
                SELECT array_agg(l) AS legs FROM (
                    SELECT unnest(ARRAY[ROW('seats_sold', 'seats:' || tier_id, count(*))::leg,
                                        ROW('seats_ordered', 'seats:' || tier_id, -count(*))::leg]) AS l
                      FROM order_units
                     WHERE n.next = 'captured' AND sale_id = n.sale_id AND order_id = n.order_id
                     GROUP BY tier_id ORDER BY tier_id) AS tiers) AS seats
         WHERE n.next IN ('authorised', 'captured')
         ORDER BY n.item);
END
$$;

-- Step: what is authorised is to be captured, and who paid is told: the jobs of `intent_job_add` and `mail_add`.
CREATE FUNCTION plain_news_jobs(p_plain plain_news[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload)
    SELECT n.sale_id, onsale_uuid(), 'stripe', 'payment_capture', format('payment_capture:%s', p.id),
           jsonb_build_object('order', p.order_id, 'payment', p.id, 'intent', p.intent_id,
                              'key', format('capture:%s:%s', p.order_id, p.attempt))
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
      JOIN payments p ON p.sale_id = n.sale_id AND p.id = n.payment_id
     WHERE n.next = 'authorised'
     UNION ALL
    SELECT n.sale_id, onsale_uuid(), 'mail', 'mail_order_paid', format('mail_order_paid:%s', n.order_id),
           jsonb_build_object('order', n.order_id)
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
     WHERE n.next = 'captured'
        ON CONFLICT ON CONSTRAINT outbox_dedup_key_key DO NOTHING;
END
$$;

-- The payments that intents belong to, in their order, as `payment_target` says it of one; that function says it of those whose
-- intent is not known yet.
CREATE FUNCTION payment_targets(p_intents text[], p_sales uuid[], p_orders uuid[])
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
           CASE WHEN o.number IS NULL THEN payment_target(n.intent, n.sale_id, n.order_id) END,
           p.capture = 'automatic' AND p.card IS NULL AND p.state <> 'captured' AND sale_counts_cards(p.sale_id)
      FROM unnest(p_intents, p_sales, p_orders) WITH ORDINALITY AS n (intent, sale_id, order_id, place)
      LEFT JOIN LATERAL (SELECT sale_id, order_id, id, capture, card, state FROM payments WHERE intent_id = n.intent LIMIT 1) AS p ON true
      LEFT JOIN LATERAL (SELECT number FROM orders WHERE sale_id = p.sale_id AND id = p.order_id OFFSET 0) AS o ON true
      LEFT JOIN LATERAL (
            SELECT array_agg(tier_id ORDER BY tier_id, unit_no) AS tiers, array_agg(unit_no ORDER BY tier_id, unit_no) AS units
              FROM order_units WHERE sale_id = p.sale_id AND order_id = p.order_id) AS u ON true
     ORDER BY n.place;
END
$$;

GRANT EXECUTE ON FUNCTION payment_targets(text[], uuid[], uuid[]) TO onsale_workers;

-- Applies what is plain of an array of news, and answers that alone, by its place from 1: what came of it, and how its payment is
-- captured and how long after Pay it was authorised, if it is.
CREATE FUNCTION payments_apply_plain(
    p_events text[], p_intents text[], p_statuses text[], p_amounts bigint[], p_capturables bigint[], p_receiveds bigint[],
    p_currencies text[], p_livemodes boolean[], p_sales uuid[], p_orders uuid[], p_failures text[],
    p_ticket_items integer[], p_ticket_tiers text[], p_ticket_units integer[], p_ticket_ids uuid[], p_kid text)
RETURNS TABLE (item integer, outcome text, capture text, authorised_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET lock_timeout = '25ms'
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_now      constant timestamptz := onsale_now();
    v_plain    constant plain_news[] := plain_news_judge(plain_news_lock(
        p_events, p_intents, p_statuses, p_amounts, p_capturables, p_receiveds, p_currencies, p_livemodes, p_sales, p_orders,
        p_failures));
    v_postings posting[];
BEGIN
    IF cardinality(v_plain) = 0 THEN
        RETURN;
    END IF;
    PERFORM plain_news_move(v_plain, v_now);
    PERFORM plain_news_sell(
        v_plain,
        ARRAY(SELECT ROW(t.tier_id, t.unit_no, t.id)::ticket_line
                FROM unnest(p_ticket_tiers, p_ticket_units, p_ticket_ids) AS t (tier_id, unit_no, id)),
        p_ticket_items, p_kid, v_now);
    v_postings := plain_news_postings(v_plain);
    IF cardinality(v_postings) > 0 THEN
        PERFORM postings_book(v_postings);
    END IF;
    PERFORM plain_news_jobs(v_plain);
    UPDATE inbox i
       SET state = 'done', lease = NULL, done_at = v_now,
           note = CASE WHEN n.next IN ('authorised', 'captured') THEN n.next ELSE 'nothing' END
      FROM unnest(v_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
     WHERE i.id = n.event AND i.state = 'pending';
    RETURN QUERY
    SELECT n.item, CASE WHEN n.next IN ('authorised', 'captured') THEN n.next ELSE 'nothing' END, p.capture,
           (extract(epoch FROM p.authorised_at - p.begun_at) * 1000)::bigint
      FROM unnest(v_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
     CROSS JOIN LATERAL (SELECT f.capture, f.authorised_at, f.begun_at FROM payments f
                          WHERE f.sale_id = n.sale_id AND f.id = n.payment_id OFFSET 0) AS p;
END
$$;

GRANT EXECUTE ON FUNCTION payments_apply_plain(text[], text[], text[], bigint[], bigint[], bigint[], text[], boolean[], uuid[],
    uuid[], text[], integer[], text[], integer[], uuid[], text) TO onsale_workers;
