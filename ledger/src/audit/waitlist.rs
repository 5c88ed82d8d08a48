//! I11: the waitlist is first come, first served, and an offer has its units to itself.
//!
//! Whoever waited ahead of one who got an offer wanted more than that offer had, and was passed over three times at most. To ask that
//! of each offer and each entry would be their product, so the lines are walked instead, moment by moment, with those who wait then:
//! an offer looks only at those ahead of it. In a line that was served by the rules these are three times its entries at most.
//!
//! It reads what happened and no configuration: what was right when it was done stays so, whatever the sale says later.

use std::collections::BTreeMap;

use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use super::{BREACHES_MAX, Invariant};
use crate::LedgerError;
use crate::numbers::fit;

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
    find: "
        WITH live AS (
            SELECT sale_id, id, entry_id, tier_id, unnest(unit_nos) AS unit_no FROM offers
             WHERE sale_id = coalesce($1::uuid, sale_id) AND state = 'live')
        SELECT format('sale %s: unit %s %s is in %s live offers', sale_id, tier_id, unit_no, count(*)) AS breach
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

/// How often anybody is passed over in a line.
const OVERTAKEN_MAX: u32 = 3;

/// Moments of which one answer has as many.
const PAGE_MOMENTS: i32 = 10_000;

/// All that happened in each line, in its order: 0 is that an entry waits no more, 1 an offer, 2 that an entry begins to wait. Of
/// what happened at one time, nobody was passed over by the other.
pub(super) const MOMENTS: &str = "
    SELECT sale_id, tier_id, what, id, rank, quantity FROM (
        SELECT sale_id, tier_id, made_at AS at, 1 AS what, id, rank, cardinality(unit_nos) AS quantity FROM offers
         WHERE sale_id = coalesce($1::uuid, sale_id)
         UNION ALL
        SELECT e.sale_id, tier_id, m.at, m.what, e.id, e.rank, e.quantity
          FROM waitlist_entries e CROSS JOIN unnest(e.tiers) AS tier_id
         CROSS JOIN LATERAL (VALUES (e.served_at, 0), (e.confirmed_at, 2)) AS m (at, what)
         WHERE e.sale_id = coalesce($1, e.sale_id) AND m.at IS NOT NULL
           AND e.confirmed_at < coalesce(e.served_at, 'infinity')) AS moments
     ORDER BY sale_id, tier_id, at, what";

/// A line of a tier, at one moment of its walk.
#[derive(Default)]
struct Walk {
    sale: Uuid,
    tier: String,
    /// Those who wait, by rank and id.
    waiting: BTreeMap<(i64, Uuid), Waits>,
    breaches: Vec<String>,
    /// Those who were passed over too often: each is a breach as soon as it is known how often.
    too_often: usize,
}

struct Waits {
    quantity: i32,
    overtaken: u32,
}

/// Offers that passed over somebody whom they would have fitted, and entries that were passed over too often.
pub(super) async fn passed_over(snapshot: &Transaction<'_>, sale: Option<Uuid>) -> Result<Vec<String>, LedgerError> {
    let most = fit(BREACHES_MAX)?;
    let moments = snapshot.bind(MOMENTS, &[&sale]).await?;
    let mut walk = Walk::default();
    loop {
        let page = snapshot.query_portal(&moments, PAGE_MOMENTS).await?;
        for row in &page {
            walk.goes_on(row)?;
            if walk.breaches.len() + walk.too_often >= most {
                return Ok(walk.ends(most));
            }
        }
        if page.is_empty() {
            return Ok(walk.ends(most));
        }
    }
}

impl Walk {
    fn goes_on(&mut self, row: &Row) -> Result<(), LedgerError> {
        let (sale, tier): (Uuid, &str) = (row.try_get(0)?, row.try_get(1)?);
        if (sale, tier) != (self.sale, self.tier.as_str()) {
            self.closes();
            (self.sale, self.tier) = (sale, tier.to_owned());
        }
        let (what, id, rank, quantity): (i32, Uuid, i64, i32) =
            (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
        match what {
            0 => {
                if let Some(waits) = self.waiting.remove(&(rank, id)) {
                    self.counts(id, &waits);
                }
            }
            1 => self.offers(id, rank, quantity),
            _ => {
                self.waiting.insert((rank, id), Waits { quantity, overtaken: 0 });
            }
        }
        Ok(())
    }

    fn offers(&mut self, offer: Uuid, rank: i64, units: i32) {
        let sale = self.sale;
        for ((_, entry), waits) in self.waiting.range_mut(..(rank, Uuid::nil())) {
            waits.overtaken += 1;
            self.too_often += usize::from(waits.overtaken == OVERTAKEN_MAX + 1);
            if waits.quantity <= units {
                self.breaches
                    .push(format!("sale {sale}: offer {offer} passed over entry {entry}, which would have fitted"));
            }
        }
    }

    /// What is to be said of an entry that is passed over no more.
    fn counts(&mut self, entry: Uuid, waits: &Waits) {
        if waits.overtaken > OVERTAKEN_MAX {
            self.too_often -= 1;
            self.breaches.push(format!(
                "sale {}: entry {entry} was passed over {} times for {}",
                self.sale, waits.overtaken, self.tier
            ));
        }
    }

    /// Nothing more happened in this line.
    fn closes(&mut self) {
        for ((_, entry), waits) in std::mem::take(&mut self.waiting) {
            self.counts(entry, &waits);
        }
    }

    fn ends(mut self, most: usize) -> Vec<String> {
        self.closes();
        self.breaches.truncate(most);
        self.breaches
    }
}
