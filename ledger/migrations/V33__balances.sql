-- Balances: the books added up as far as a checkpoint, so that reading a balance does not grow with the sale.
--
-- The entries stay the truth; nothing that posts comes near these tables. One job adds up the transfers since its last round
-- and moves the checkpoint in the same transaction. A balance is what is kept here and the tail behind the checkpoint, read
-- in one snapshot, so it is exact at every instant, however far behind the job is.
--
-- The checkpoint is a transaction id. Transfers carry the id of their transaction (V5), and whatever is older than the oldest
-- transaction still running is decided: it is there or will never be. A sequence has no such point, because its numbers are
-- taken in another order than they are committed in.

-- The way into the tail, and the order of sealing (V34); it grows at one end. Without it a read of the last second is a scan
-- of everything; `docs/operations.md` has the figures.
CREATE INDEX transfers_xid_idx ON transfers (xid, sale_id, id);

CREATE TABLE balances (
    sale_id         uuid   NOT NULL,
    account         text   NOT NULL,
    unit_of_account text   NOT NULL,
    -- Both sums, because a trial balance shows both; the balance is their difference.
    debits          bigint NOT NULL,
    credits         bigint NOT NULL,
    -- As far as the round reached that changed it last.
    upto            xid8   NOT NULL,
    CONSTRAINT balances_pkey PRIMARY KEY (sale_id, account, unit_of_account),
    CONSTRAINT balances_account_fkey FOREIGN KEY (sale_id, account, unit_of_account)
        REFERENCES accounts (sale_id, account, unit_of_account),
    CONSTRAINT balances_amounts_check CHECK (debits >= 0 AND credits >= 0)
) WITH (fillfactor = 70);

-- Everything below `upto` is in `balances`. One row for ever.
CREATE TABLE rollup_checkpoint (
    id        boolean     NOT NULL DEFAULT true,
    upto      xid8        NOT NULL,
    rolled_at timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT rollup_checkpoint_pkey PRIMARY KEY (id),
    CONSTRAINT rollup_checkpoint_id_check CHECK (id)
) WITH (fillfactor = 70);

INSERT INTO rollup_checkpoint (upto) VALUES ('0');

-- The checkpoint, or the beginning when it lies in the future: then the database was loaded from a dump into a cluster that
-- has given out fewer transaction ids, and new transfers are below a checkpoint that never saw them.
CREATE FUNCTION rollup_upto() RETURNS xid8
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_upto constant xid8 := (SELECT upto FROM rollup_checkpoint);
BEGIN
    RETURN CASE WHEN v_upto > pg_snapshot_xmax(pg_current_snapshot()) THEN '0'::xid8 ELSE v_upto END;
END
$$;

-- Adds up the next transfers, at most so many and the rest of the transaction the first is from, and answers how many there
-- were; null when another worker is at it. Nothing to add up is no write, so that idle workers spend no transaction ids. For
-- the same reason the turn is an advisory lock: a lock on the row would be a write.
CREATE FUNCTION balances_roll_up(p_transfers_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
-- The plan depends on where the checkpoint is: a plan for any checkpoint would read everything.
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_from    xid8;
    v_horizon xid8;
    v_first   xid8;
    v_to      xid8;
    v_rolled  bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('balances_roll_up', 0)) THEN
        RETURN NULL;
    END IF;
    -- A statement of its own: it sees what the last holder of the lock committed.
    v_from := rollup_upto();
    v_horizon := pg_snapshot_xmin(pg_current_snapshot());
    SELECT xid INTO v_first FROM transfers WHERE xid >= v_from AND xid < v_horizon ORDER BY xid LIMIT 1;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT xid INTO v_to FROM transfers WHERE xid > v_first AND xid < v_horizon ORDER BY xid OFFSET p_transfers_max LIMIT 1;
    v_to := coalesce(v_to, v_horizon);

    IF v_from = '0' THEN
        DELETE FROM balances;
    END IF;
    INSERT INTO balances AS b (sale_id, account, unit_of_account, debits, credits, upto)
    SELECT e.sale_id, e.account, e.unit_of_account,
           sum(greatest(e.amount, 0)), sum(greatest(-e.amount, 0)), v_to
      FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
     WHERE t.xid >= v_first AND t.xid < v_to
     GROUP BY e.sale_id, e.account, e.unit_of_account
        ON CONFLICT ON CONSTRAINT balances_pkey DO UPDATE
       SET debits = b.debits + excluded.debits, credits = b.credits + excluded.credits, upto = excluded.upto;
    UPDATE rollup_checkpoint SET upto = v_to, rolled_at = onsale_now();
    SELECT count(*) INTO v_rolled FROM transfers WHERE xid >= v_first AND xid < v_to;
    RETURN v_rolled;
END
$$;

-- The balances of a sale as its books are in the snapshot of the caller: what is kept, and the tail.
CREATE FUNCTION balances_read(p_sale uuid)
RETURNS TABLE (account text, unit_of_account text, debits bigint, credits bigint)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_upto constant xid8 := rollup_upto();
BEGIN
    RETURN QUERY
    SELECT a.account, a.unit_of_account,
           (coalesce(kept.debits, 0) + coalesce(tail.debits, 0))::bigint,
           (coalesce(kept.credits, 0) + coalesce(tail.credits, 0))::bigint
      FROM accounts a
      LEFT JOIN balances kept
        ON kept.sale_id = a.sale_id AND kept.account = a.account AND kept.unit_of_account = a.unit_of_account AND v_upto > '0'
      LEFT JOIN (
          SELECT e.account, e.unit_of_account, sum(greatest(e.amount, 0)) AS debits, sum(greatest(-e.amount, 0)) AS credits
            FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
           WHERE t.sale_id = p_sale AND t.xid >= v_upto
           GROUP BY e.account, e.unit_of_account) AS tail
        ON tail.account = a.account AND tail.unit_of_account = a.unit_of_account
     WHERE a.sale_id = p_sale
     ORDER BY a.unit_of_account, a.account;
END
$$;

-- The same from nothing but entries.
CREATE FUNCTION balances_recompute(p_sale uuid)
RETURNS TABLE (account text, unit_of_account text, debits bigint, credits bigint)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT a.account, a.unit_of_account,
           coalesce(sum(greatest(e.amount, 0)), 0)::bigint, coalesce(sum(greatest(-e.amount, 0)), 0)::bigint
      FROM accounts a
      LEFT JOIN entries e
        ON e.sale_id = a.sale_id AND e.account = a.account AND e.unit_of_account = a.unit_of_account
     WHERE a.sale_id = p_sale
     GROUP BY a.account, a.unit_of_account
     ORDER BY a.unit_of_account, a.account;
END
$$;

-- As far as the workers have audited what was posted and found nothing wrong. One row for ever.
CREATE TABLE audit_checkpoint (
    id         boolean     NOT NULL DEFAULT true,
    upto       xid8        NOT NULL,
    audited_at timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT audit_checkpoint_pkey PRIMARY KEY (id),
    CONSTRAINT audit_checkpoint_id_check CHECK (id)
) WITH (fillfactor = 70);

INSERT INTO audit_checkpoint (upto) VALUES ('0');

-- Lists of orders in a rare state: by the primary key such a list walks through all orders of the sale.
CREATE INDEX orders_state_idx ON orders (sale_id, state, id);

GRANT SELECT ON audit_checkpoint TO onsale_workers, onsale_readonly;
GRANT UPDATE (upto, audited_at) ON audit_checkpoint TO onsale_workers;
GRANT SELECT ON balances, rollup_checkpoint TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION rollup_upto(), balances_read(uuid), balances_recompute(uuid)
    TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION balances_roll_up(integer) TO onsale_workers;
