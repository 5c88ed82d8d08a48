//! I3: the books balance.

use super::Invariant;

pub(super) const I3: Invariant = Invariant {
    number: "I3",
    title: "every transfer sums to zero per unit of account",
    figures: &["transfers", "entries"],
    count: "
        SELECT (SELECT count(*) FROM transfers WHERE sale_id = coalesce($1::uuid, sale_id)),
               (SELECT count(*) FROM entries WHERE sale_id = coalesce($1, sale_id))",
    find: "
        SELECT format('transfer %s of sale %s is off by %s %s in %s legs', transfer_id, sale_id, sum(amount),
                      unit_of_account, count(*)) AS breach
          FROM entries WHERE sale_id = coalesce($1::uuid, sale_id)
         GROUP BY sale_id, transfer_id, unit_of_account HAVING sum(amount) <> 0 OR count(*) < 2
         UNION ALL
        SELECT format('transfer %s of sale %s has no entries', t.id, t.sale_id)
          FROM transfers t LEFT JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
         WHERE t.sale_id = coalesce($1, t.sale_id) AND e.transfer_id IS NULL
         UNION ALL
        SELECT format('entry %s of transfer %s of sale %s has no transfer', e.leg, e.transfer_id, e.sale_id)
          FROM entries e LEFT JOIN transfers t ON t.sale_id = e.sale_id AND t.id = e.transfer_id
         WHERE e.sale_id = coalesce($1, e.sale_id) AND t.id IS NULL
         LIMIT $2::bigint",
};
