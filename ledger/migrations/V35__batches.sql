-- Posting many transfers in one call: one commit, one run of each statement trigger, an outcome an item.
--
-- Every rule of the books holds as in V5, and `post` and `post_batch` find each other's transfers by key. An item whose key
-- was used before is answered and hinders no other; an item that breaks a rule refuses the whole call, because a rule that is
-- asked once for all cannot say which to leave out: the caller posts them one by one then, and one of them is named.
--
-- Keys are taken in their order, so that two batches with the same keys wait for each other and never in a circle. Two that
-- resolve or reverse the same transfers under different keys can; Postgres ends one of them, and it is called again.

CREATE TYPE posting AS (
    sale_id uuid, kind text, idem_key text, order_id uuid, reference text, effective_at timestamptz,
    resolves uuid, reverses uuid, legs leg[]);

-- As `onsale_uuid` (V1), so many at once: the call of a function costs more than the id.
CREATE FUNCTION onsale_uuids(p_count integer) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_time constant bytea := substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3);
BEGIN
    RETURN ARRAY(
        SELECT encode(
                   set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING v_time FROM 1 FOR 6), 52, 1), 53, 1),
                   'hex')::uuid
          FROM generate_series(1, p_count));
END
$$;

-- Answers for each item, by its place in the array from 1, the transfer that has its key, and whether it was `posted` now,
-- was there (`existing`), or is another act under the same key (`key_in_use`).
--
-- Transfers and entries are one statement, and what was posted is known from it: nothing is joined with the books, so a plan
-- that was made when they were small does not scan them when they have grown. What was there before is looked up key by key.
CREATE FUNCTION post_batch(p_postings posting[]) RETURNS TABLE (item integer, transfer_id uuid, outcome text)
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now    constant timestamptz := onsale_now();
    v_ids    constant uuid[] := onsale_uuids(cardinality(p_postings));
    -- The hash is the one of `post`, to the letter.
    v_hashes constant bytea[] := ARRAY(
        SELECT sha256(convert_to(ROW(kind, order_id, reference, resolves, reverses, legs)::text, 'UTF8'))
          FROM unnest(p_postings) WITH ORDINALITY
               AS p (sale_id, kind, idem_key, order_id, reference, effective_at, resolves, reverses, legs, item)
         ORDER BY item);
    v_posted bigint;
BEGIN
    WITH items AS MATERIALIZED (
        SELECT *
          FROM unnest(p_postings, v_ids, v_hashes) WITH ORDINALITY
               AS p (sale_id, kind, idem_key, order_id, reference, effective_at, resolves, reverses, legs, id, request_hash, item)
    ), posted AS (
        INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, order_id, reference, resolves, reverses, effective_at,
                               recorded_at)
        SELECT sale_id, id, kind, idem_key, request_hash, order_id, reference, resolves, reverses, effective_at, v_now
          FROM items
         ORDER BY sale_id, idem_key, item
            ON CONFLICT ON CONSTRAINT transfers_idem_key_key DO NOTHING
        RETURNING id
    ), written AS (
        INSERT INTO entries (sale_id, transfer_id, leg, account, unit_of_account, amount)
        SELECT items.sale_id, items.id, l.leg, l.account, l.unit_of_account, l.amount
          FROM items JOIN posted ON posted.id = items.id
         CROSS JOIN LATERAL unnest(items.legs) WITH ORDINALITY AS l (account, unit_of_account, amount, leg)
         WHERE l.amount <> 0
    )
    SELECT count(*) INTO v_posted FROM posted;
    IF v_posted = cardinality(p_postings) THEN
        RETURN QUERY SELECT p.item::integer, p.id, 'posted' FROM unnest(v_ids) WITH ORDINALITY AS p (id, item);
        RETURN;
    END IF;

    -- A statement of its own: only a later one sees what another call committed while this one waited for its key.
    RETURN QUERY
    SELECT p.item::integer, t.id,
           CASE WHEN t.id = p.id THEN 'posted' WHEN t.request_hash = p.request_hash THEN 'existing' ELSE 'key_in_use' END
      FROM unnest(p_postings, v_ids, v_hashes) WITH ORDINALITY
           AS p (sale_id, kind, idem_key, order_id, reference, effective_at, resolves, reverses, legs, id, request_hash, item)
     CROSS JOIN LATERAL (SELECT id, request_hash FROM transfers WHERE sale_id = p.sale_id AND idem_key = p.idem_key OFFSET 0) AS t
     ORDER BY p.item;
END
$$;

-- A leg is written by the transaction that wrote its transfer: that was asked of those legs that have one (V5), and a foreign
-- key asked, leg by leg, whether they have. Asked of all legs of a statement at once it is one rule and a quarter cheaper:
-- whose transfer is of this transaction has a transfer, and nobody can take it away.
--
-- Each transfer is looked up, once for all its legs, by a subquery: it cannot become a join that reads all transfers, which is
-- how a session would go on that planned it when there were few.
CREATE OR REPLACE FUNCTION entries_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_xid constant xid8 := pg_current_xact_id();
    v_bad record;
BEGIN
    SELECT transfer_id, unit_of_account, sum(amount) AS off_by, count(*) AS legs INTO v_bad
      FROM new_entries GROUP BY sale_id, transfer_id, unit_of_account
    HAVING sum(amount) <> 0 OR count(*) < 2 LIMIT 1;
    IF FOUND AND v_bad.legs < 2 THEN
        PERFORM refuse('entries_two_legs', format('transfer %s has one leg of %s', v_bad.transfer_id, v_bad.unit_of_account));
    ELSIF FOUND THEN
        PERFORM refuse('entries_sum_zero',
                       format('transfer %s is off by %s %s', v_bad.transfer_id, v_bad.off_by, v_bad.unit_of_account));
    END IF;
    SELECT w.transfer_id, w.xid INTO v_bad
      FROM (SELECT e.transfer_id,
                   (SELECT t.xid FROM transfers t WHERE t.sale_id = e.sale_id AND t.id = e.transfer_id) AS xid
              FROM (SELECT DISTINCT sale_id, transfer_id FROM new_entries) AS e) AS w
     WHERE w.xid IS DISTINCT FROM v_xid LIMIT 1;
    IF FOUND AND v_bad.xid IS NULL THEN
        PERFORM refuse('entries_have_transfer', format('there is no transfer %s', v_bad.transfer_id));
    ELSIF FOUND THEN
        PERFORM refuse('entries_same_transaction',
                       format('transfer %s was written by another transaction', v_bad.transfer_id));
    END IF;
    RETURN NULL;
END
$$;

ALTER TABLE entries DROP CONSTRAINT entries_transfer_fkey;

-- A transfer ends another one. The foreign key alone is satisfied by the row itself.
ALTER TABLE transfers ADD CONSTRAINT transfers_ends_another_check CHECK (id <> resolves AND id <> reverses);

-- Most transfers end no other. Kept only for those that do, these two cost the others nothing.
ALTER TABLE transfers DROP CONSTRAINT transfers_resolves_key, DROP CONSTRAINT transfers_reverses_key;
CREATE UNIQUE INDEX transfers_resolves_key ON transfers (sale_id, resolves) WHERE resolves IS NOT NULL;
CREATE UNIQUE INDEX transfers_reverses_key ON transfers (sale_id, reverses) WHERE reverses IS NOT NULL;

-- A transfer has entries, their accounts are those of the transfer's sale (`entries_account_fkey`), and accounts are of a sale
-- that is there: asked of each transfer once more, it only made all that post at once lock the one row of their sale.
ALTER TABLE transfers DROP CONSTRAINT transfers_sale_fkey;
