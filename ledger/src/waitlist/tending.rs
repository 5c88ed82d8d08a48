//! What time does to a waitlist: offers lapse, the queue's time to join ends, a sale goes on or is over.
//!
//! Any number of sweeps may ask at once; each call is one transaction under the lock of one line. What is not done by one is done by
//! the next: nothing here is remembered between calls.

use domain::{EntryId, SaleId};

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// An offer whose time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LapsedOffer {
    /// The sale.
    pub sale: SaleId,
    /// Whose it was.
    pub entry: EntryId,
    /// How many others were offered something by it.
    pub offers_made: u32,
}

/// What became of a line that was looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tended {
    /// Offers that were due.
    pub offers_made: u32,
    /// Entries that are over.
    pub entries_ended: u32,
}

/// How many offers that are due one call looks at to find one that no other sweep ended.
const LAPSE_LOOK_MAX: i32 = 50;

pub(crate) const STATEMENTS: &[&str] = &[LAPSE_NEXT, SALES, TEND];

const LAPSE_NEXT: &str = "SELECT sale_id, entry_id, offers_made FROM offer_lapse_next($1)";
const SALES: &str = "SELECT waitlist_sales()";
const TEND: &str = "SELECT offers_made, entries_ended FROM waitlist_tend($1)";

/// Ends at most `limit` offers whose time ran out, each of them in favour of the next in line.
///
/// # Errors
/// The database is away or refuses.
pub async fn offers_lapse_due(ledger: &Ledger, limit: u32) -> Result<Vec<LapsedOffer>, LedgerError> {
    let mut lapsed = Vec::new();
    for _ in 0..limit {
        let Some(row) = ledger.row(LAPSE_NEXT, &[&LAPSE_LOOK_MAX]).await? else {
            break;
        };
        // None: another sweep ended all that was looked at in the line of one sale, and others may have more.
        let Some(entry) = row.try_get(1)? else {
            continue;
        };
        lapsed.push(LapsedOffer {
            sale: SaleId::from_uuid(row.try_get(0)?),
            entry: EntryId::from_uuid(entry),
            offers_made: fit(row.try_get::<_, i32>(2)?)?,
        });
    }
    Ok(lapsed)
}

/// The sales with somebody in line, or with units kept for a line.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_sales(ledger: &Ledger) -> Result<Vec<SaleId>, LedgerError> {
    let rows = ledger.rows(SALES, &[]).await?;
    rows.iter().map(|row| Ok(SaleId::from_uuid(row.try_get(0)?))).collect()
}

/// Does what is due in the lines of a sale.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_tend(ledger: &Ledger, sale: SaleId) -> Result<Tended, LedgerError> {
    let row = ledger.one(TEND, &[&sale.uuid()]).await?;
    Ok(Tended { offers_made: fit(row.try_get::<_, i32>(0)?)?, entries_ended: fit(row.try_get::<_, i32>(1)?)? })
}
