//! What a tick did, on its way into Postgres.

use domain::{PlaceNumber, SaleId};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::Grant;
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// What one tick did, by Redis' clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TickRecord {
    /// When the tick was.
    pub at: Timestamp,
    /// Turns given.
    pub granted: Vec<Grant>,
    /// What became of places and turns.
    pub events: Vec<Event>,
    /// Who came back to the line: why others count more people ahead.
    pub returned: Option<Returned>,
    /// When the sale stopped, and when it went on.
    pub stops: Vec<Stop>,
}

/// A sale stands still from here on, or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// The word for why it stands still; none when it goes on.
    pub why: Option<&'static str>,
    /// When, by Redis.
    pub at: Timestamp,
}

/// Something that became of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// Whose place.
    pub number: PlaceNumber,
    /// When, by Redis.
    pub at: Timestamp,
}

/// What may become of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Its turn went by unused; it waits again.
    Lapsed,
    /// It was given up.
    Left,
    /// Its shopping session is over; the place is used up.
    Ended,
    /// It was given a turn out of the order, as the organizer asked.
    Bypassed,
}

/// Visitors who were silent and are heard again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// How many.
    pub count: u32,
    /// The first of them in the line.
    pub lowest: PlaceNumber,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Lapsed, Self::Left, Self::Ended, Self::Bypassed];

    /// The word in the admission log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lapsed => "lapsed",
            Self::Left => "left",
            Self::Ended => "ended",
            Self::Bypassed => "bypassed",
        }
    }
}

impl TickRecord {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.granted.is_empty() && self.events.is_empty() && self.returned.is_none() && self.stops.is_empty()
    }
}

pub(super) const RECORD: &str = "SELECT tick_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// Writes down what one tick did; a turn is good until `bound_s` after it was given. The same again, or an earlier tick
/// after a later one, leaves the same behind. Answers how many lines of the record now stand in the log; 0 when there were
/// none or the epoch is no longer the sale's, and nothing was written.
///
/// # Errors
/// The database is away or refuses.
pub async fn tick_record(
    ledger: &Ledger,
    sale: SaleId,
    epoch: u32,
    record: &TickRecord,
    bound_s: u32,
) -> Result<u64, LedgerError> {
    if record.is_empty() {
        return Ok(0);
    }
    let (epoch, bound_s) = (fit::<_, i32>(epoch)?, fit::<_, i32>(bound_s)?);
    let granted = record.granted.iter().map(|grant| fit(grant.number.0)).collect::<Result<Vec<i64>, _>>()?;
    let granted_at: Vec<Timestamp> = record.granted.iter().map(|grant| grant.granted_at).collect();
    let kinds: Vec<&str> = record.events.iter().map(|event| event.kind.word()).collect();
    let numbers = record.events.iter().map(|event| fit(event.number.0)).collect::<Result<Vec<i64>, _>>()?;
    let times: Vec<Timestamp> = record.events.iter().map(|event| event.at).collect();
    let returned = record.returned.map(|returned| fit::<_, i32>(returned.count)).transpose()?;
    let lowest = record.returned.map(|returned| fit::<_, i64>(returned.lowest.0)).transpose()?;
    let reasons: Vec<Option<&str>> = record.stops.iter().map(|stop| stop.why).collect();
    let stopped_at: Vec<Timestamp> = record.stops.iter().map(|stop| stop.at).collect();
    let params: [&(dyn ToSql + Sync); 13] = [
        &sale.uuid(),
        &epoch,
        &record.at,
        &bound_s,
        &granted,
        &granted_at,
        &kinds,
        &numbers,
        &times,
        &returned,
        &lowest,
        &reasons,
        &stopped_at,
    ];
    fit(ledger.one(RECORD, &params).await?.try_get::<_, i64>(0)?)
}
