//! I11: the waitlist is first come, first served, and an offer has its units to itself.

use super::Invariant;

pub(super) const I11: Invariant = Invariant {
    number: "I11",
    title: "the waitlist is first come, first served; one live offer per entry and per unit",
    figures: &["entries", "waiting", "offers", "live", "offered_units"],
    count: "
        SELECT (SELECT count(*) FROM waitlist_entries WHERE sale_id = coalesce($1::uuid, sale_id)),
               (SELECT count(*) FROM waitlist_entries WHERE sale_id = coalesce($1, sale_id) AND state = 'waiting'),
               count(*), count(*) FILTER (WHERE state = 'live'),
               (SELECT count(*) FROM offered_units WHERE sale_id = coalesce($1, sale_id))
          FROM offers WHERE sale_id = coalesce($1, sale_id)",
    // Whoever waited ahead of one who got an offer wanted more than that offer had, and was passed over three times at most.
    find: "
        WITH live AS (
            SELECT sale_id, id, entry_id, tier_id, unnest(unit_nos) AS unit_no FROM offers
             WHERE sale_id = coalesce($1::uuid, sale_id) AND state = 'live'),
        passed AS MATERIALIZED (
            SELECT o.sale_id, o.id AS offer_id, o.tier_id, e.id AS entry_id, e.quantity <= cardinality(o.unit_nos) AS fitted
              FROM offers o
              JOIN waitlist_entries e
                ON e.sale_id = o.sale_id AND e.rank < o.rank AND o.tier_id = ANY (e.tiers)
               AND e.confirmed_at < o.made_at AND coalesce(e.served_at, 'infinity') > o.made_at
             WHERE o.sale_id = coalesce($1, o.sale_id))
        SELECT format('sale %s: offer %s passed over entry %s, which would have fitted', sale_id, offer_id, entry_id) AS breach
          FROM passed WHERE fitted
         UNION ALL
        SELECT format('sale %s: entry %s was passed over %s times for %s', sale_id, entry_id, count(*), tier_id)
          FROM passed GROUP BY sale_id, entry_id, tier_id HAVING count(*) > 3
         UNION ALL
        SELECT format('sale %s: unit %s %s is in %s live offers', sale_id, tier_id, unit_no, count(*))
          FROM live GROUP BY sale_id, tier_id, unit_no HAVING count(*) > 1
         UNION ALL
        SELECT format('sale %s: unit %s %s is %s, in the line it is %s', coalesce(u.sale_id, o.sale_id),
                      coalesce(u.tier_id, o.tier_id), coalesce(u.unit_no, o.unit_no), u.state,
                      CASE WHEN o.kept_at IS NULL THEN 'unknown' WHEN o.offer_id IS NULL THEN 'kept' ELSE 'offered' END)
          FROM (SELECT * FROM units WHERE sale_id = coalesce($1, sale_id)) AS u
          FULL JOIN (SELECT * FROM offered_units WHERE sale_id = coalesce($1, sale_id)) AS o USING (sale_id, tier_id, unit_no)
         WHERE (u.state = 'offered') IS DISTINCT FROM (o.kept_at IS NOT NULL)
         UNION ALL
        SELECT format('sale %s: unit %s %s is of offer %s in the line, and of offer %s by the offers', coalesce(o.sale_id, l.sale_id),
                      coalesce(o.tier_id, l.tier_id), coalesce(o.unit_no, l.unit_no), o.offer_id, l.id)
          FROM (SELECT * FROM offered_units WHERE sale_id = coalesce($1, sale_id) AND offer_id IS NOT NULL) AS o
          FULL JOIN live l ON l.sale_id = o.sale_id AND l.tier_id = o.tier_id AND l.unit_no = o.unit_no
         WHERE o.offer_id IS DISTINCT FROM l.id
         UNION ALL
        SELECT format('sale %s: entry %s is %s, its offer is %s', e.sale_id, e.id, e.state, coalesce(o.state, 'none'))
          FROM waitlist_entries e LEFT JOIN offers o ON o.sale_id = e.sale_id AND o.entry_id = e.id
         WHERE e.sale_id = coalesce($1, e.sale_id)
           AND CASE WHEN o.state = 'live' THEN e.state <> 'offered'
                    WHEN o.state IS NOT NULL THEN e.state <> o.state
                    ELSE e.state IN ('offered', 'claimed', 'lapsed', 'declined') END
         UNION ALL
        SELECT format('sale %s: entry %s is %s, and stands in the line of %s', e.sale_id, e.id, e.state, coalesce(w.tier_id, 'none'))
          FROM waitlist_entries e LEFT JOIN waitlist_wants w ON w.sale_id = e.sale_id AND w.entry_id = e.id
         WHERE e.sale_id = coalesce($1, e.sale_id) AND (e.state = 'waiting') <> (w.tier_id IS NOT NULL)
         UNION ALL
        SELECT format('sale %s: units of %s are free while somebody waits for it', w.sale_id, w.tier_id)
          FROM (SELECT DISTINCT sale_id, tier_id FROM waitlist_wants WHERE sale_id = coalesce($1, sale_id)) AS w
         WHERE EXISTS (SELECT FROM units u WHERE u.sale_id = w.sale_id AND u.tier_id = w.tier_id AND u.state = 'free')
         LIMIT $2::bigint",
};
