//! What of the queue must survive Redis: reserved numbers and grants.
//!
//! Both are written before they are used: a block before its first number is given out, a grant before its pass is shown. A
//! lost Redis then restarts no number and admits nobody twice. Cost: one row for thousands of numbers, one statement a tick.

use domain::{PlaceNumber, SaleId};
use jiff::Timestamp;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// A turn that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub number: PlaceNumber,
    /// When, by Redis.
    pub granted_at: Timestamp,
}

pub(crate) const STATEMENTS: &[&str] = &[NUMBERS_RESERVE, GRANTS_INSERT];

const NUMBERS_RESERVE: &str = "SELECT numbers_reserve($1, $2, $3)";
const GRANTS_INSERT: &str = "SELECT grants_insert($1, $2, $3, $4, $5)";

/// Makes sure that the numbers up to at least `at_least` are reserved, in blocks of `block`, and answers the highest
/// reserved one. Nothing is written when that is so already; 0 asks for one more block in any case.
///
/// # Errors
/// The database is away or refuses.
pub async fn numbers_reserve(ledger: &Ledger, sale: SaleId, at_least: u64, block: u32) -> Result<u64, LedgerError> {
    let (at_least, block) = (fit::<_, i64>(at_least)?, i64::from(block));
    let row = ledger.one(NUMBERS_RESERVE, &[&sale.uuid(), &at_least, &block]).await?;
    fit(row.try_get::<_, i64>(0)?)
}

/// Writes down one tick's grants, each good until `bound_s` after it was given. The same grant again changes nothing.
/// Answers how many now stand in the books; 0 when the epoch is no longer the sale's.
///
/// # Errors
/// The database is away or refuses.
pub async fn grants_insert(
    ledger: &Ledger,
    sale: SaleId,
    epoch: u32,
    grants: &[Grant],
    bound_s: u32,
) -> Result<u64, LedgerError> {
    let (epoch, bound_s) = (fit::<_, i32>(epoch)?, fit::<_, i32>(bound_s)?);
    let numbers = grants.iter().map(|grant| fit(grant.number.0)).collect::<Result<Vec<i64>, _>>()?;
    let times: Vec<Timestamp> = grants.iter().map(|grant| grant.granted_at).collect();
    let row = ledger.one(GRANTS_INSERT, &[&sale.uuid(), &epoch, &numbers, &times, &bound_s]).await?;
    fit(row.try_get::<_, i64>(0)?)
}
