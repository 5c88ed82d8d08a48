-- What payment news cost beside its work: rules that were planned anew for each row, or planned once for books that were small.
--
-- `payments_apply_plain` (V44) plans its joins anew in each call, and that held for the foreign keys of what it writes, too: each
-- check of each row was planned by itself, 36 us instead of 6. So rows are joined and computed first, as arrays, and written by
-- functions that keep their plans. Foreign keys are asked when the statement that writes ends, so inside of these.
--
-- A plan that is kept must not read a whole table: made while a table is small and looked at by nobody else, it would go on so when
-- it has grown, in a session for its whole life. What keeps its plans here has no other way than an index.

ALTER FUNCTION post_batch(posting[]) SET plan_cache_mode = auto SET enable_seqscan = off;
ALTER FUNCTION post(uuid, text, text, uuid, text, timestamptz, uuid, uuid, leg[]) SET enable_seqscan = off;
ALTER FUNCTION entries_check() SET enable_seqscan = off;
-- It looked for the entries of each transfer, one after the other, through all there were.
ALTER FUNCTION transfers_check() SET enable_seqscan = off;

-- Step: writes tickets that were computed; answers how many.
CREATE FUNCTION tickets_write(p_sales uuid[], p_ids uuid[], p_orders uuid[], p_references text[], p_tiers text[], p_units integer[],
                              p_kid text, p_now timestamptz)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET plan_cache_mode = auto
SET enable_seqscan = off
AS $$
DECLARE
    v_written bigint;
BEGIN
    INSERT INTO tickets (sale_id, id, order_id, payment_reference, tier_id, unit_no, qr_kid, issued_at)
    SELECT t.sale_id, t.id, t.order_id, t.reference, t.tier_id, t.unit_no, p_kid, p_now
      FROM unnest(p_sales, p_ids, p_orders, p_references, p_tiers, p_units) AS t (sale_id, id, order_id, reference, tier_id, unit_no);
    GET DIAGNOSTICS v_written = ROW_COUNT;
    RETURN v_written;
END
$$;

-- Step: writes jobs that were computed; those that were ordered before stay as they are.
CREATE FUNCTION jobs_write(p_sales uuid[], p_queues text[], p_kinds text[], p_dedups text[], p_payloads jsonb[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET plan_cache_mode = auto
SET enable_seqscan = off
AS $$
BEGIN
    INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload)
    SELECT j.sale_id, j.id, j.queue, j.kind, j.dedup, j.payload
      FROM unnest(p_sales, onsale_uuids(cardinality(p_sales)), p_queues, p_kinds, p_dedups, p_payloads)
           AS j (sale_id, id, queue, kind, dedup, payload)
        ON CONFLICT ON CONSTRAINT outbox_dedup_key_key DO NOTHING;
END
$$;

-- As V44: what was paid is sold, and has its tickets.
CREATE OR REPLACE FUNCTION plain_news_sell(p_plain plain_news[], p_tickets ticket_line[], p_items integer[], p_kid text,
                                           p_now timestamptz)
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

    SELECT tickets_write(array_agg(n.sale_id), array_agg(t.id), array_agg(n.order_id), array_agg(p.intent_id), array_agg(t.tier_id),
                         array_agg(t.unit_no), p_kid, p_now) INTO v_issued
      FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
      JOIN unnest(p_tickets, p_items) AS t (tier_id, unit_no, id, item) ON t.item = n.item
      JOIN order_units ou
        ON ou.sale_id = n.sale_id AND ou.order_id = n.order_id AND ou.tier_id = t.tier_id AND ou.unit_no = t.unit_no
      JOIN payments p ON p.sale_id = n.sale_id AND p.id = n.payment_id
     WHERE n.next = 'captured';

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

-- As V44: the jobs of `intent_job_add` and `mail_add`.
CREATE OR REPLACE FUNCTION plain_news_jobs(p_plain plain_news[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM jobs_write(array_agg(j.sale_id), array_agg(j.queue), array_agg(j.kind), array_agg(format('%s:%s', j.kind, j.whose)),
                       array_agg(j.payload))
       FROM (SELECT n.sale_id, 'stripe' AS queue, 'payment_capture' AS kind, p.id AS whose,
                    jsonb_build_object('order', p.order_id, 'payment', p.id, 'intent', p.intent_id,
                                       'key', format('capture:%s:%s', p.order_id, p.attempt)) AS payload
               FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
               JOIN payments p ON p.sale_id = n.sale_id AND p.id = n.payment_id
              WHERE n.next = 'authorised'
              UNION ALL
             SELECT n.sale_id, 'mail', 'mail_order_paid', n.order_id, jsonb_build_object('order', n.order_id)
               FROM unnest(p_plain) AS n (item, event, sale_id, order_id, payment_id, next, at)
              WHERE n.next = 'captured') AS j
      HAVING count(*) > 0;
END
$$;
