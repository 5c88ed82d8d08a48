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

-- Answers for each item, by its place in the array from 1, the transfer that has its key, and whether it was `posted` now,
-- was there (`existing`), or is another act under the same key (`key_in_use`).
CREATE FUNCTION post_batch(p_postings posting[]) RETURNS TABLE (item integer, transfer_id uuid, outcome text)
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_ids    uuid[];
    v_hashes bytea[];
BEGIN
    -- The hash is the one of `post`, to the letter.
    SELECT array_agg(onsale_uuid() ORDER BY item),
           array_agg(sha256(convert_to(ROW(kind, order_id, reference, resolves, reverses, legs)::text, 'UTF8'))
                     ORDER BY item)
      INTO v_ids, v_hashes
      FROM unnest(p_postings) WITH ORDINALITY
           AS p (sale_id, kind, idem_key, order_id, reference, effective_at, resolves, reverses, legs, item);

    INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, order_id, reference, resolves, reverses, effective_at)
    SELECT sale_id, v_ids[item], kind, idem_key, v_hashes[item], order_id, reference, resolves, reverses, effective_at
      FROM unnest(p_postings) WITH ORDINALITY
           AS p (sale_id, kind, idem_key, order_id, reference, effective_at, resolves, reverses, legs, item)
     ORDER BY sale_id, idem_key, item
        ON CONFLICT ON CONSTRAINT transfers_idem_key_key DO NOTHING;

    INSERT INTO entries (sale_id, transfer_id, leg, account, unit_of_account, amount)
    SELECT t.sale_id, t.id, l.leg, l.account, l.unit_of_account, l.amount
      FROM unnest(p_postings) WITH ORDINALITY
           AS p (sale_id, kind, idem_key, order_id, reference, effective_at, resolves, reverses, legs, item)
      JOIN transfers t ON t.sale_id = p.sale_id AND t.id = v_ids[p.item]
     CROSS JOIN LATERAL unnest(p.legs) WITH ORDINALITY AS l (account, unit_of_account, amount, leg)
     WHERE l.amount <> 0;

    -- A statement of its own: only a later one sees what another call committed while this one waited for its key.
    RETURN QUERY
    SELECT p.item::integer, t.id,
           CASE WHEN t.id = v_ids[p.item] THEN 'posted' WHEN t.request_hash = v_hashes[p.item] THEN 'existing'
                ELSE 'key_in_use' END
      FROM unnest(p_postings) WITH ORDINALITY
           AS p (sale_id, kind, idem_key, order_id, reference, effective_at, resolves, reverses, legs, item)
      JOIN transfers t ON t.sale_id = p.sale_id AND t.idem_key = p.idem_key
     ORDER BY p.item;
END
$$;

-- A leg is written by the transaction that wrote its transfer: that was asked of those legs that have one (V5), and a foreign
-- key asked, leg by leg, whether they have. Asked of all legs of a statement at once it is one rule and a quarter cheaper:
-- whose transfer is of this transaction has a transfer, and nobody can take it away.
CREATE OR REPLACE FUNCTION entries_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
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
    SELECT e.transfer_id, t.id INTO v_bad
      FROM new_entries e LEFT JOIN transfers t ON t.sale_id = e.sale_id AND t.id = e.transfer_id
     WHERE t.xid IS DISTINCT FROM pg_current_xact_id() LIMIT 1;
    IF FOUND AND v_bad.id IS NULL THEN
        PERFORM refuse('entries_have_transfer', format('there is no transfer %s', v_bad.transfer_id));
    ELSIF FOUND THEN
        PERFORM refuse('entries_same_transaction', format('transfer %s was written by another transaction', v_bad.id));
    END IF;
    RETURN NULL;
END
$$;

ALTER TABLE entries DROP CONSTRAINT entries_transfer_fkey;

-- A transfer ends another one. The foreign key alone is satisfied by the row itself.
ALTER TABLE transfers ADD CONSTRAINT transfers_ends_another_check CHECK (id <> resolves AND id <> reverses);
