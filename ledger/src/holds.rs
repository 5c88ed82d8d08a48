//! What becomes of a hold, once and for all.
//!
//! A hold has an order, is withheld, or has a tombstone, whichever was first. A tombstone is written before the units of a hold go back on sale
//! while its receipt is still good: by the sweep for a frozen hold whose order nobody reported, and by whoever ends a hold
//! early. So a receipt that comes when Redis was lost ([`hold_facts`]) gives nobody what became another's.

use domain::{HoldId, SaleId, TierId, UnitNo};

use crate::documents::unit_columns;
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// What Postgres says of a hold, once and for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// It will never have an order: its units may go back on sale.
    Tombstoned,
    /// It has an order: its units are the order's.
    Ordered,
    /// It was a hold of nobody's, and its units are kept back ([`crate::withholdings`]).
    Withheld,
}

/// What Postgres knows of a hold that Redis may have lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldFacts {
    /// The epoch of the sale in which this is so.
    pub epoch: u32,
    /// The verdict on it, if there is one.
    pub settled: Option<Settle>,
    /// Whether its units are free, all of them.
    pub units_free: bool,
}

pub(crate) const STATEMENTS: &[&str] = &[HOLD_VERDICT, HOLD_SETTLE, HOLD_FACTS];

const HOLD_VERDICT: &str = "SELECT hold_verdict($1, $2)";
const HOLD_SETTLE: &str = "SELECT hold_settle($1, $2)";
/// One statement, so all of it is of one moment.
const HOLD_FACTS: &str = "
    SELECT s.epoch, c.hold_id IS NOT NULL, c.order_id IS NOT NULL,
           NOT EXISTS (SELECT FROM unnest($3::text[], $4::integer[]) AS w (tier_id, unit_no)
                         LEFT JOIN units u ON u.sale_id = s.id AND u.tier_id = w.tier_id AND u.unit_no = w.unit_no
                        WHERE u.state IS DISTINCT FROM 'free')
      FROM sales s LEFT JOIN hold_claims c ON c.sale_id = s.id AND c.hold_id = $2
     WHERE s.id = $1";

/// What was decided about a hold; nothing yet when neither an order nor a tombstone is there.
///
/// # Errors
/// The database is away or refuses.
pub async fn hold_verdict(ledger: &Ledger, sale: SaleId, hold: HoldId) -> Result<Option<Settle>, LedgerError> {
    let row = ledger.one(HOLD_VERDICT, &[&sale.uuid(), &hold.uuid()]).await?;
    row.try_get::<_, Option<&str>>(0)?.map(settle).transpose()
}

/// Decides a hold: the first of this, `order_create` and `units_withhold` wins.
///
/// # Errors
/// The database is away or refuses.
pub async fn hold_settle(ledger: &Ledger, sale: SaleId, hold: HoldId) -> Result<Settle, LedgerError> {
    let row = ledger.one(HOLD_SETTLE, &[&sale.uuid(), &hold.uuid()]).await?;
    settle(row.try_get(0)?)
}

/// What is known of a hold and of the units that its receipt names; nothing when there is no such sale.
///
/// # Errors
/// The database is away.
pub async fn hold_facts(
    ledger: &Ledger,
    sale: SaleId,
    hold: HoldId,
    units: &[(TierId, UnitNo)],
) -> Result<Option<HoldFacts>, LedgerError> {
    let (tiers, numbers) = unit_columns(units)?;
    let Some(row) = ledger.row(HOLD_FACTS, &[&sale.uuid(), &hold.uuid(), &tiers, &numbers]).await? else {
        return Ok(None);
    };
    // Nobody has a receipt of a hold that was withheld.
    let settled = match (row.try_get(1)?, row.try_get(2)?) {
        (true, true) => Some(Settle::Ordered),
        (true, false) => Some(Settle::Tombstoned),
        (false, _) => None,
    };
    Ok(Some(HoldFacts { epoch: fit(row.try_get::<_, i32>(0)?)?, settled, units_free: row.try_get(3)? }))
}

fn settle(word: &str) -> Result<Settle, LedgerError> {
    match word {
        "tombstoned" => Ok(Settle::Tombstoned),
        "ordered" => Ok(Settle::Ordered),
        "withheld" => Ok(Settle::Withheld),
        other => Err(LedgerError::Corrupt(format!("a hold is {other}"))),
    }
}
