//! What of the queue must survive Redis: reserved numbers, and what became of each.
//!
//! Both are written before they are used: a block before its first number is given out, a turn before its pass is shown. A
//! lost Redis then restarts no number and admits nobody twice. Cost: one row for thousands of numbers, one call a tick.
//!
//! A tick is written twice over in that call: to the [admission log](admission_log), where everything stays, and to
//! `grants`, which has the latest of each number for the next epoch to start from.

use domain::{PlaceNumber, SaleId};
use jiff::Timestamp;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

mod log;
mod tick;

pub use log::{Bypass, LogKind, LogRow, admission_log, admission_log_latest, bypass_log};
pub use tick::{Event, EventKind, Returned, Stop, TickRecord, tick_record};

/// A turn that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub number: PlaceNumber,
    /// When, by Redis.
    pub granted_at: Timestamp,
}

pub(crate) const STATEMENTS: &[&str] =
    &[NUMBERS_RESERVE, NUMBERS_RESERVE_BEHIND, tick::RECORD, log::READ, log::READ_LATEST, log::BYPASS];

const NUMBERS_RESERVE: &str = "SELECT numbers_reserve($1, $2, $3)";
const NUMBERS_RESERVE_BEHIND: &str = "SELECT numbers_reserve_behind($1, $2, $3)";

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

/// Reserves one more block for visitors who walk up, behind as many cohorts as the caller knows to be in Redis, and answers
/// its highest number. None when another draw is frozen: its cohort must be in Redis first, or its numbers would be given
/// out twice.
///
/// # Errors
/// The database is away or refuses.
pub async fn numbers_reserve_behind(
    ledger: &Ledger,
    sale: SaleId,
    cohorts: u32,
    block: u32,
) -> Result<Option<u64>, LedgerError> {
    let (cohorts, block) = (fit::<_, i32>(cohorts)?, i64::from(block));
    let row = ledger.one(NUMBERS_RESERVE_BEHIND, &[&sale.uuid(), &cohorts, &block]).await?;
    row.try_get::<_, Option<i64>>(0)?.map(fit).transpose()
}
