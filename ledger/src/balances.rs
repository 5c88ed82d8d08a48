//! Balances: what is kept of the books, and the tail.
//!
//! Posting touches no balance, which is what makes it fast. One job at a time ([`balances_roll_up`]) adds up the transfers
//! since its last round and moves its checkpoint in the same transaction; a read ([`balances_read`]) is what is kept and the
//! tail behind the checkpoint, in one snapshot. So a balance is exact whether the job runs or not; how far behind it is
//! ([`balances_lag`]) only says what a read costs.
//!
//! Guarantees: a transfer is added up once, by whichever worker; none is passed over, because the checkpoint never goes past
//! a transaction that is still running; what is kept and the entries agree ([`crate::audit`] compares them, I3).
//! Bounds: [`ROLL_UP_TRANSFERS_MAX`] transfers a round. A report ([`balances_report`]) does not add up a longer tail than that by
//! itself: it takes a mark ([`books_mark`]) and waits until the job has passed it ([`balances_caught_up`]).
//!
//! What it does not do: repairing. What is kept can be thrown away at any time; `docs/money.md` says how.

use std::time::Duration;

use domain::SaleId;
use jiff::Timestamp;
use serde::Deserialize;

use crate::numbers::fit;
use crate::{Ledger, LedgerError, documents};

/// The balances of a sale at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialBalance {
    /// When it was read, by the database's clock.
    pub as_of: Timestamp,
    /// Every account of the sale, by unit of account and name; none before it is published.
    pub accounts: Vec<AccountBalance>,
}

/// What was booked on an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccountBalance {
    /// Its name.
    pub account: String,
    /// A currency, or `seats:` and a tier.
    pub unit_of_account: String,
    /// All debits: minor units of the currency, or seats.
    pub debits: i64,
    /// All credits, as a positive number.
    pub credits: i64,
}

impl AccountBalance {
    /// Debits less credits: positive on accounts that say what is there, negative on those that say whose it is.
    #[must_use]
    pub const fn balance(&self) -> i64 {
        self.debits - self.credits
    }
}

/// What came of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollUp {
    /// So many transfers were added up; none means that there are no more to add up now.
    Rolled(u32),
    /// Another worker is at it.
    Busy,
}

/// A point in the books: everything that was committed when it was taken lies before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BooksMark(String);

/// The most transfers of one round: about a tenth of a second, far below the longest statement.
pub const ROLL_UP_TRANSFERS_MAX: u32 = 10_000;

/// How often a report looks whether the job has caught up, which does a round a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) const STATEMENTS: &[&str] = &[READ, RECOMPUTE, ROLL_UP, MARK, CAUGHT_UP, TAIL_LONGER, LAG];

const READ: &str = "
    SELECT onsale_now(), (SELECT coalesce(jsonb_agg(b), '[]') FROM balances_read($1) AS b)";
const RECOMPUTE: &str = "SELECT coalesce(jsonb_agg(b), '[]') FROM balances_recompute($1) AS b";
const ROLL_UP: &str = "SELECT balances_roll_up($1)";
const MARK: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";
/// The first transfer of the tail; an order and a limit leave the planner no other way than the index. One of the future was
/// loaded from a dump and is not kept.
const CAUGHT_UP: &str = "
    SELECT coalesce((SELECT xid FROM transfers WHERE xid >= rollup_upto() ORDER BY xid LIMIT 1) >= $1::text::xid8, true)
       AND NOT EXISTS (SELECT FROM transfers WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))";
const TAIL_LONGER: &str = "
    SELECT EXISTS (SELECT FROM transfers WHERE xid >= rollup_upto() ORDER BY xid OFFSET $1 LIMIT 1)";
const LAG: &str = "
    SELECT coalesce(extract(epoch FROM onsale_now() - (
        SELECT recorded_at FROM transfers WHERE xid >= rollup_upto() ORDER BY xid LIMIT 1)) * 1000, 0)::bigint";

/// The balances of a sale, exactly as its books are now.
///
/// # Errors
/// The database is away or refuses.
pub async fn balances_read(ledger: &Ledger, sale: SaleId) -> Result<TrialBalance, LedgerError> {
    let row = ledger.one(READ, &[&sale.uuid()]).await?;
    Ok(TrialBalance { as_of: row.try_get(0)?, accounts: documents::read(row.try_get(1)?)? })
}

/// The same for a report. When the job is more than a round behind, waits until it has caught up with where the books are now, so
/// that the read is short; at most for so long, because the read is exact also without.
///
/// # Errors
/// The database is away or refuses.
pub async fn balances_report(ledger: &Ledger, sale: SaleId, patience: Duration) -> Result<TrialBalance, LedgerError> {
    report_behind_at_most(ledger, sale, ROLL_UP_TRANSFERS_MAX, patience).await
}

/// The same with a tail of another length.
///
/// # Errors
/// The database is away or refuses.
pub async fn report_behind_at_most(
    ledger: &Ledger,
    sale: SaleId,
    transfers: u32,
    patience: Duration,
) -> Result<TrialBalance, LedgerError> {
    let is_far_behind: bool = ledger.one(TAIL_LONGER, &[&i64::from(transfers)]).await?.try_get(0)?;
    if is_far_behind {
        // Out of patience is no failure: the tail is added up here then.
        let _ = tokio::time::timeout(patience, catch_up(ledger)).await;
    }
    balances_read(ledger, sale).await
}

async fn catch_up(ledger: &Ledger) -> Result<(), LedgerError> {
    let mark = books_mark(ledger).await?;
    while !balances_caught_up(ledger, &mark).await? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The same from nothing but entries, which takes as long as the sale was large.
///
/// # Errors
/// The database is away or refuses.
pub async fn balances_recompute(ledger: &Ledger, sale: SaleId) -> Result<Vec<AccountBalance>, LedgerError> {
    documents::read(ledger.one(RECOMPUTE, &[&sale.uuid()]).await?.try_get(0)?)
}

/// Adds up the next transfers of all sales.
///
/// # Errors
/// The database is away or refuses.
pub async fn balances_roll_up(ledger: &Ledger) -> Result<RollUp, LedgerError> {
    roll_up_at_most(ledger, ROLL_UP_TRANSFERS_MAX).await
}

/// The same in rounds of another size.
///
/// # Errors
/// The database is away or refuses.
pub async fn roll_up_at_most(ledger: &Ledger, transfers: u32) -> Result<RollUp, LedgerError> {
    let rolled: Option<i64> = ledger.one(ROLL_UP, &[&fit::<_, i32>(transfers)?]).await?.try_get(0)?;
    rolled.map_or(Ok(RollUp::Busy), |transfers| fit(transfers).map(RollUp::Rolled))
}

/// The end of the books now.
///
/// # Errors
/// The database is away or refuses.
pub async fn books_mark(ledger: &Ledger) -> Result<BooksMark, LedgerError> {
    Ok(BooksMark(ledger.one(MARK, &[]).await?.try_get(0)?))
}

/// Whether everything before a mark is in what is kept.
///
/// # Errors
/// The database is away or refuses.
pub async fn balances_caught_up(ledger: &Ledger, mark: &BooksMark) -> Result<bool, LedgerError> {
    Ok(ledger.one(CAUGHT_UP, &[&mark.0]).await?.try_get(0)?)
}

/// For how long the oldest transfer of the tail has been waiting; nothing when there is no tail.
///
/// # Errors
/// The database is away or refuses.
pub async fn balances_lag(ledger: &Ledger) -> Result<Duration, LedgerError> {
    let waiting_ms: i64 = ledger.one(LAG, &[]).await?.try_get(0)?;
    Ok(Duration::from_millis(fit(waiting_ms.max(0))?))
}
