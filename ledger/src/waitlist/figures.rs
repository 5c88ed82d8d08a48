//! How many wait, and what became of offers: for gauges and for the organizer.

use std::collections::BTreeMap;

use domain::{SaleId, TierId};

use super::EntryState;
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// What there is to say about a tier's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineFigures {
    /// Entries that ever asked for it; one that asked for several tiers is in each.
    pub joined: u64,
    /// Of those, how many were confirmed.
    pub confirmed: u64,
    /// Of those, how many were offered units of it.
    pub offered: u64,
    /// Entries that wait for it; one that waits for several is in each.
    pub waiting: u64,
    /// Units they ask for.
    pub wanted: u64,
    /// Units kept for them that nobody was offered yet.
    pub kept: u64,
    /// Offers that live.
    pub live: u64,
    /// Offers that became orders.
    pub claimed: u64,
    /// Of those, how many were paid.
    pub paid: u64,
    /// Offers whose time ran out.
    pub lapsed: u64,
    /// Offers that were given back.
    pub declined: u64,
}

pub(crate) const STATEMENTS: &[&str] = &[ENTRIES, LINES];

const ENTRIES: &str = "SELECT state, count(*) FROM waitlist_entries WHERE sale_id = $1 GROUP BY state";

/// An order that was paid was paid, whatever went back later.
const LINES: &str = "
    SELECT t.id, coalesce(e.joined, 0), coalesce(e.confirmed, 0), coalesce(o.offered, 0), coalesce(w.waiting, 0), coalesce(w.wanted, 0),
           coalesce(k.kept, 0), coalesce(o.live, 0), coalesce(o.claimed, 0), coalesce(o.paid, 0), coalesce(o.lapsed, 0), coalesce(o.declined, 0)
      FROM tiers t
      LEFT JOIN (SELECT tier_id, count(*) AS joined, count(confirmed_at) AS confirmed
                   FROM waitlist_entries CROSS JOIN unnest(tiers) AS tier_id WHERE sale_id = $1 GROUP BY tier_id) AS e
             ON e.tier_id = t.id
      LEFT JOIN (SELECT tier_id, count(*) AS waiting, sum(quantity) AS wanted FROM waitlist_wants WHERE sale_id = $1
                  GROUP BY tier_id) AS w ON w.tier_id = t.id
      LEFT JOIN (SELECT tier_id, count(*) AS kept FROM offered_units WHERE sale_id = $1 AND offer_id IS NULL
                  GROUP BY tier_id) AS k ON k.tier_id = t.id
      LEFT JOIN (SELECT o.tier_id, count(*) AS offered, count(*) FILTER (WHERE o.state = 'live') AS live,
                        count(*) FILTER (WHERE o.state = 'claimed') AS claimed,
                        count(*) FILTER (WHERE r.state IN ('paid', 'partially_refunded', 'refunded', 'disputed')) AS paid,
                        count(*) FILTER (WHERE o.state = 'lapsed') AS lapsed,
                        count(*) FILTER (WHERE o.state = 'declined') AS declined
                   FROM offers o LEFT JOIN orders r ON r.sale_id = o.sale_id AND r.id = o.order_id
                  WHERE o.sale_id = $1 GROUP BY o.tier_id) AS o ON o.tier_id = t.id
     WHERE t.sale_id = $1 ORDER BY t.rank";

/// How many entries of a sale are where; every state is there.
///
/// # Errors
/// The database is away or refuses.
pub async fn entries_by_state(ledger: &Ledger, sale: SaleId) -> Result<Vec<(EntryState, u64)>, LedgerError> {
    let mut counted = BTreeMap::new();
    for row in ledger.rows(ENTRIES, &[&sale.uuid()]).await? {
        counted.insert(row.try_get::<_, String>(0)?, fit::<_, u64>(row.try_get::<_, i64>(1)?)?);
    }
    Ok(EntryState::ALL.map(|state| (state, counted.get(state.word()).copied().unwrap_or_default())).to_vec())
}

/// The lines of a sale, tier by tier in its order.
///
/// # Errors
/// The database is away or refuses.
pub async fn lines_of_sale(ledger: &Ledger, sale: SaleId) -> Result<Vec<(TierId, LineFigures)>, LedgerError> {
    let mut lines = Vec::new();
    for row in ledger.rows(LINES, &[&sale.uuid()]).await? {
        let tier: &str = row.try_get(0)?;
        let tier = tier.parse().map_err(|_| LedgerError::Corrupt(format!("tier {tier}")))?;
        let count = |index: usize| fit::<_, u64>(row.try_get::<_, i64>(index)?);
        let figures = LineFigures {
            joined: count(1)?,
            confirmed: count(2)?,
            offered: count(3)?,
            waiting: count(4)?,
            wanted: count(5)?,
            kept: count(6)?,
            live: count(7)?,
            claimed: count(8)?,
            paid: count(9)?,
            lapsed: count(10)?,
            declined: count(11)?,
        };
        lines.push((tier, figures));
    }
    Ok(lines)
}
