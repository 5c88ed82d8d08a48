//! What became of a frozen hold whose order nobody reported: the sweep asks here before it frees anything.

use domain::{HoldId, SaleId};

use crate::{Ledger, LedgerError};

/// What Postgres says of a hold, once and for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// It will never have an order: its units may go back on sale.
    Tombstoned,
    /// It has an order: its units are the order's.
    Ordered,
}

pub(crate) const STATEMENTS: &[&str] = &[HOLD_SETTLE];

const HOLD_SETTLE: &str = "SELECT hold_settle($1, $2)";

/// Decides a hold: the first of this and `order_create` wins.
///
/// # Errors
/// The database is away or refuses.
pub async fn hold_settle(ledger: &Ledger, sale: SaleId, hold: HoldId) -> Result<Settle, LedgerError> {
    let row = ledger.one(HOLD_SETTLE, &[&sale.uuid(), &hold.uuid()]).await?;
    match row.try_get(0)? {
        "tombstoned" => Ok(Settle::Tombstoned),
        "ordered" => Ok(Settle::Ordered),
        other => Err(LedgerError::Corrupt(format!("hold_settle answered {other}"))),
    }
}
