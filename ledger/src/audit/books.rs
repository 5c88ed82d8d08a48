//! I3: the books balance, what is kept of them is what they say, and nothing that guards them is gone.

use super::Invariant;

pub(super) const I3: Invariant = Invariant {
    number: "I3",
    title: "every transfer sums to zero per unit of account",
    figures: &["transfers", "entries", "balances_kept"],
    count: "
        SELECT (SELECT count(*) FROM transfers WHERE sale_id = coalesce($1::uuid, sale_id)),
               (SELECT count(*) FROM entries WHERE sale_id = coalesce($1, sale_id)),
               (SELECT count(*) FROM balances WHERE sale_id = coalesce($1, sale_id))",
    find: "
        WITH below AS (
            SELECT e.sale_id, e.account, e.unit_of_account,
                   sum(greatest(e.amount, 0)) AS debits, sum(greatest(-e.amount, 0)) AS credits
              FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
             WHERE t.sale_id = coalesce($1::uuid, t.sale_id) AND t.xid < rollup_upto()
             GROUP BY e.sale_id, e.account, e.unit_of_account),
        kept AS (SELECT * FROM balances WHERE sale_id = coalesce($1, sale_id) AND rollup_upto() > '0')
        SELECT format('transfer %s of sale %s is off by %s %s in %s legs', transfer_id, sale_id, sum(amount),
                      unit_of_account, count(*)) AS breach
          FROM entries WHERE sale_id = coalesce($1, sale_id)
         GROUP BY sale_id, transfer_id, unit_of_account HAVING sum(amount) <> 0 OR count(*) < 2
         UNION ALL
        SELECT format('transfer %s of sale %s has no entries', t.id, t.sale_id)
          FROM transfers t LEFT JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
         WHERE t.sale_id = coalesce($1, t.sale_id) AND e.transfer_id IS NULL
         UNION ALL
        SELECT format('entry %s of transfer %s of sale %s has no transfer', e.leg, e.transfer_id, e.sale_id)
          FROM entries e LEFT JOIN transfers t ON t.sale_id = e.sale_id AND t.id = e.transfer_id
         WHERE e.sale_id = coalesce($1, e.sale_id) AND t.id IS NULL
         UNION ALL
        SELECT format('%s of %s in sale %s is kept as %s less %s, its entries say %s less %s', account, unit_of_account, sale_id,
                      coalesce(k.debits, 0), coalesce(k.credits, 0), coalesce(b.debits, 0), coalesce(b.credits, 0))
          FROM kept k FULL JOIN below b USING (sale_id, account, unit_of_account)
         WHERE (k.debits, k.credits) IS DISTINCT FROM (b.debits, b.credits)
         UNION ALL
        SELECT format('transfer %s of sale %s reverses %s, but is not its exact undo', r.id, r.sale_id, t.id)
          FROM transfers r JOIN transfers t ON t.sale_id = r.sale_id AND t.id = r.reverses
         WHERE r.sale_id = coalesce($1, r.sale_id) AND (t.id = r.id OR EXISTS (
               SELECT FROM entries e
                WHERE e.sale_id = r.sale_id AND e.transfer_id IN (r.id, t.id)
                GROUP BY e.account, e.unit_of_account HAVING sum(e.amount) <> 0))
         LIMIT $2::bigint",
};

/// What has no sale, and costs next to nothing to ask.
pub(super) const GUARDS: Invariant = Invariant {
    number: "I3",
    title: "every table of the books, and each partition, has its guards; no transaction id is of the future",
    figures: &["tables", "guards", "balances_kept"],
    count: "
        WITH books AS (
            SELECT p.relid FROM unnest(ARRAY['transfers', 'entries', 'accounts', 'seals']) AS book,
                   LATERAL (SELECT book::regclass AS relid
                             UNION SELECT relid FROM pg_partition_tree(book::regclass)) AS p)
        SELECT (SELECT count(*) FROM books),
               (SELECT count(*) FROM pg_trigger WHERE tgrelid IN (SELECT relid FROM books) AND NOT tgisinternal),
               (SELECT count(*) FROM balances WHERE sale_id = coalesce($1::uuid, sale_id))",
    // The rules by name, because a rule that the whole has lost cannot be looked up in it; and whatever else guards the whole,
    // because a statement that names a partition does not ask the triggers of the whole. A clone of a row's trigger counts as
    // internal, so it is asked for by name alone.
    find: "
        WITH guards AS (
            SELECT book::regclass AS book, guard::name FROM (VALUES
                   ('transfers', 'transfers_check'), ('transfers', 'transfers_stay_as_written'),
                   ('entries', 'entries_check'), ('entries', 'entries_stay_as_written'),
                   ('accounts', 'accounts_stay_as_written'), ('seals', 'seals_stay_as_written')) AS rules (book, guard)
             UNION
            SELECT tgrelid::regclass, tgname FROM pg_trigger
             WHERE NOT tgisinternal
               AND tgrelid IN ('transfers'::regclass, 'entries'::regclass, 'accounts'::regclass, 'seals'::regclass)),
        places AS (
            SELECT g.guard, p.relid FROM guards g,
                   LATERAL (SELECT g.book AS relid UNION SELECT relid FROM pg_partition_tree(g.book)) AS p)
        SELECT format('table %s is not guarded by %s', p.relid, p.guard) AS breach
          FROM places p LEFT JOIN pg_trigger t
            ON t.tgrelid = p.relid AND t.tgname = p.guard AND t.tgenabled IN ('O', 'A')
         WHERE t.oid IS NULL
         UNION ALL
        SELECT format('transfer %s of sale %s is of the transaction %s, which this cluster has not had yet', id, sale_id, xid)
          FROM transfers WHERE sale_id = coalesce($1::uuid, sale_id) AND xid >= pg_snapshot_xmax(pg_current_snapshot())
         UNION ALL
        SELECT format('%s ends at the transaction %s, which this cluster has not had yet', what, upto)
          FROM (SELECT 'block ' || block AS what, upto_xid AS upto FROM seals
                 UNION ALL SELECT 'the checkpoint of the balances', upto FROM rollup_checkpoint) AS horizons
         WHERE upto > pg_snapshot_xmax(pg_current_snapshot())
         UNION ALL
        SELECT format('what is kept of sale %s is off by %s %s', sale_id, sum(debits - credits), unit_of_account)
          FROM balances WHERE sale_id = coalesce($1, sale_id)
         GROUP BY sale_id, unit_of_account HAVING sum(debits) <> sum(credits)
         LIMIT $2::bigint",
};
