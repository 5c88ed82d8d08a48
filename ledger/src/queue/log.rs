//! The admission log of a sale: what became of every number, and why, in an order without holes. Nobody changes it.

use domain::{OrganizerId, PlaceNumber, SaleId};
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its place in the log: 1, 2, 3, … without holes.
    pub seq: u64,
    /// In which epoch.
    pub epoch: u32,
    /// What happened.
    pub kind: LogKind,
    /// Whose number; of several the lowest; the highest reserved one when an epoch began.
    pub number: Option<PlaceNumber>,
    /// When: by Redis for what a tick did, by Postgres otherwise.
    pub at: Timestamp,
    /// How many it was about, when it was about several.
    pub count: Option<u32>,
    /// Why, in words.
    pub note: Option<String>,
}

/// What a line of the log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// A turn was given.
    Granted,
    /// A turn went by unused.
    Lapsed,
    /// A place was given up.
    Left,
    /// A shopping session ended.
    Ended,
    /// A turn was given out of the order.
    Bypassed,
    /// The organizer asked for that.
    BypassAsked,
    /// Visitors were silent and are heard again.
    Returned,
    /// An epoch began: Redis was rebuilt.
    Epoch,
    /// The sale stands still; the note says why.
    Stopped,
    /// It goes on.
    Resumed,
}

/// What came of asking for a bypass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// It is in both logs: Redis may be asked.
    Logged,
    /// The organizer has no such sale, or it is not on sale.
    NotFound,
}

impl LogKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Granted,
        Self::Lapsed,
        Self::Left,
        Self::Ended,
        Self::Bypassed,
        Self::BypassAsked,
        Self::Returned,
        Self::Epoch,
        Self::Stopped,
        Self::Resumed,
    ];

    /// The word in the database and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Lapsed => "lapsed",
            Self::Left => "left",
            Self::Ended => "ended",
            Self::Bypassed => "bypassed",
            Self::BypassAsked => "bypass_asked",
            Self::Returned => "returned",
            Self::Epoch => "epoch",
            Self::Stopped => "stopped",
            Self::Resumed => "resumed",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

pub(super) const READ: &str = "
    SELECT seq, epoch, kind, number, at, count, note FROM admission_log
     WHERE sale_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
pub(super) const READ_LATEST: &str = "
    SELECT seq, epoch, kind, number, at, count, note FROM admission_log
     WHERE sale_id = $1 AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3";
pub(super) const BYPASS: &str = "SELECT bypass_log($1, $2, $3, $4, $5)";

/// The log after a line, at most `limit` lines. A line that is there stays where it is, and none appears before it later.
///
/// # Errors
/// The database is away or refuses.
pub async fn admission_log(ledger: &Ledger, sale: SaleId, after: u64, limit: u32) -> Result<Vec<LogRow>, LedgerError> {
    let (after, limit) = (fit::<_, i64>(after)?, i64::from(limit));
    ledger.rows(READ, &[&sale.uuid(), &after, &limit]).await?.iter().map(log_row).collect()
}

/// The end of the log, the latest line first, or what comes before a line of it; at most `limit` lines.
///
/// # Errors
/// The database is away or refuses.
pub async fn admission_log_latest(
    ledger: &Ledger,
    sale: SaleId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<LogRow>, LedgerError> {
    let (before, limit) = (before.map(fit::<_, i64>).transpose()?, i64::from(limit));
    ledger.rows(READ_LATEST, &[&sale.uuid(), &before, &limit]).await?.iter().map(log_row).collect()
}

/// Writes down that an organizer asks for a turn out of the order, before Redis is asked for it. The reason is published
/// with the log: it must not name a person.
///
/// # Errors
/// The database is away or refuses: `admission_log_note_check` for a reason that is empty or longer than 500 characters.
pub async fn bypass_log(
    ledger: &Ledger,
    organizer: OrganizerId,
    sale: SaleId,
    number: PlaceNumber,
    reason: &str,
    by: &str,
) -> Result<Bypass, LedgerError> {
    let number: i64 = fit(number.0)?;
    let row = ledger.one(BYPASS, &[&organizer.uuid(), &sale.uuid(), &number, &reason, &by]).await?;
    Ok(if row.try_get(0)? { Bypass::Logged } else { Bypass::NotFound })
}

fn log_row(row: &Row) -> Result<LogRow, LedgerError> {
    let kind: &str = row.try_get(2)?;
    let number: Option<i64> = row.try_get(3)?;
    let count: Option<i32> = row.try_get(5)?;
    Ok(LogRow {
        seq: fit(row.try_get::<_, i64>(0)?)?,
        epoch: fit(row.try_get::<_, i32>(1)?)?,
        kind: LogKind::from_word(kind).ok_or_else(|| LedgerError::Corrupt(format!("log kind {kind}")))?,
        number: number.map(|number| fit(number).map(PlaceNumber)).transpose()?,
        at: row.try_get(4)?,
        count: count.map(fit).transpose()?,
        note: row.try_get(6)?,
    })
}
