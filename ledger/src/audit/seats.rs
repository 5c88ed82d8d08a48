//! I1 and I2: whose a unit is, and that none is lost or made up.

use super::Invariant;

/// What the units of each tier say and its seats in the books, where they differ; how the books are added up is the caller's.
macro_rules! seats_differ {
    ($balances:literal) => {
        concat!("
        WITH counted AS (
            SELECT sale_id, tier_id, count(*) AS units,
                   count(*) FILTER (WHERE state = 'free') AS seats_available,
                   count(*) FILTER (WHERE state = 'ordered') AS seats_ordered,
                   count(*) FILTER (WHERE state = 'sold') AS seats_sold,
                   count(*) FILTER (WHERE state = 'withheld') AS seats_withheld,
                   count(*) FILTER (WHERE state = 'offered') AS seats_offered
              FROM units WHERE sale_id = coalesce($1::uuid, sale_id) GROUP BY sale_id, tier_id),
        balances AS (", $balances, "),
        expected AS (
            SELECT t.sale_id, t.id AS tier_id, e.account, coalesce(e.seats, 0) AS seats
              FROM tiers t LEFT JOIN counted c ON c.sale_id = t.sale_id AND c.tier_id = t.id,
                   LATERAL (VALUES ('seats_issued', -t.capacity), ('seats_available', c.seats_available),
                                   ('seats_ordered', c.seats_ordered), ('seats_sold', c.seats_sold),
                                   ('seats_withheld', c.seats_withheld), ('seats_offered', c.seats_offered)
                           ) AS e (account, seats)
             WHERE t.sale_id = coalesce($1, t.sale_id))
        SELECT format('tier %s of sale %s: %s units, capacity %s', t.id, t.sale_id, coalesce(c.units, 0), t.capacity)
          FROM tiers t LEFT JOIN counted c ON c.sale_id = t.sale_id AND c.tier_id = t.id
         WHERE t.sale_id = coalesce($1, t.sale_id) AND coalesce(c.units, 0) <> t.capacity
         UNION ALL
        SELECT format('tier %s of sale %s: %s in the books is %s, the units say %s', e.tier_id, e.sale_id, e.account,
                      coalesce(b.seats, 0), e.seats)
          FROM expected e LEFT JOIN balances b
            ON b.sale_id = e.sale_id AND b.account = e.account AND b.unit_of_account = 'seats:' || e.tier_id
         WHERE coalesce(b.seats, 0) <> e.seats
         LIMIT $2::bigint")
    };
}

pub(super) const I1: Invariant = Invariant {
    number: "I1",
    title: "a unit belongs to one buyer at most",
    figures: &["units", "live_orders", "valid_tickets"],
    count: "
        SELECT (SELECT count(*) FROM units WHERE sale_id = coalesce($1::uuid, sale_id)),
               (SELECT count(*) FROM orders
                 WHERE sale_id = coalesce($1, sale_id) AND state IN ('awaiting_payment', 'processing')),
               (SELECT count(*) FROM tickets WHERE sale_id = coalesce($1, sale_id) AND state IN ('valid', 'used'))",
    find: "
        WITH claims AS (
            SELECT u.sale_id, u.tier_id, u.unit_no, u.order_id
              FROM order_units u JOIN orders o ON o.sale_id = u.sale_id AND o.id = u.order_id
             WHERE u.sale_id = coalesce($1::uuid, u.sale_id) AND o.state IN ('awaiting_payment', 'processing')
             UNION ALL
            SELECT sale_id, tier_id, unit_no, order_id FROM tickets
             WHERE sale_id = coalesce($1, sale_id) AND state IN ('valid', 'used'))
        SELECT format('unit %s %s of sale %s has %s owners', tier_id, unit_no, sale_id, count(*)) AS breach
          FROM claims GROUP BY sale_id, tier_id, unit_no HAVING count(*) > 1
         UNION ALL
        SELECT format('unit %s %s of sale %s is %s, its order %s does not live on it', u.tier_id, u.unit_no, u.sale_id,
                      u.state, u.order_id)
          FROM units u LEFT JOIN claims c USING (sale_id, tier_id, unit_no, order_id)
         WHERE u.sale_id = coalesce($1, u.sale_id) AND u.state IN ('ordered', 'sold') AND c.order_id IS NULL
         UNION ALL
        SELECT format('unit %s %s of sale %s is %s, but is claimed by order %s', c.tier_id, c.unit_no, c.sale_id, u.state,
                      c.order_id)
          FROM claims c JOIN units u USING (sale_id, tier_id, unit_no)
         WHERE u.order_id IS DISTINCT FROM c.order_id
         LIMIT $2::bigint",
};

pub(super) const I2: Invariant = Invariant {
    number: "I2",
    title: "per tier, units in each state = seats in the books, and together the capacity",
    figures: &["tiers", "capacity", "free", "ordered", "sold", "withheld", "offered"],
    count: "
        SELECT (SELECT count(*) FROM tiers WHERE sale_id = coalesce($1::uuid, sale_id)),
               (SELECT coalesce(sum(capacity), 0)::bigint FROM tiers WHERE sale_id = coalesce($1, sale_id)),
               count(*) FILTER (WHERE state = 'free'), count(*) FILTER (WHERE state = 'ordered'),
               count(*) FILTER (WHERE state = 'sold'), count(*) FILTER (WHERE state = 'withheld'),
               count(*) FILTER (WHERE state = 'offered')
          FROM units WHERE sale_id = coalesce($1, sale_id)",
    find: seats_differ!(
        "
            SELECT sale_id, account, unit_of_account, sum(amount) AS seats
              FROM entries WHERE sale_id = coalesce($1, sale_id) AND starts_with(unit_of_account, 'seats:')
             GROUP BY sale_id, account, unit_of_account"
    ),
};

/// I2 of one sale by what is kept of its books and the tail, which takes no longer than its units are many.
pub(super) const I2_KEPT: Invariant = Invariant {
    find: seats_differ!(
        "
            SELECT $1::uuid AS sale_id, account, unit_of_account, debits - credits AS seats
              FROM balances_read($1) WHERE starts_with(unit_of_account, 'seats:')"
    ),
    ..I2
};
