//! What a visitor is told: where, how long, what is left, and the pass.
//!
//! A pure function of one view of the sale and the visitor's number: every gateway answers alike, by poll and by socket,
//! and no answer costs the stores anything.
//!
//! The waiting time is a range. Its middle is the people ahead over the rate measured while people waited; the upper end
//! allows for half as much again and a few seconds for what comes in lumps (bursts, ticks, claim windows). When nobody
//! is being let in there is no honest figure, and none is given.

use admission::PlaceView;
use domain::PlaceNumber;
use domain::sale::SaleState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::availability::TierAvailability;
use crate::floor::Seen;

/// Where a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlaceState {
    /// In line.
    Waiting,
    /// It is one's turn.
    Admitted,
    /// Given up.
    Left,
    /// Over: the session ended, or nothing was heard for half an hour.
    Expired,
}

/// How long it may take, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Eta {
    /// As likely sooner as later.
    pub(crate) p50: u64,
    /// Nine times out of ten sooner.
    pub(crate) p90: u64,
}

/// What a visitor is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Position {
    /// Where the place is.
    pub(crate) state: PlaceState,
    /// Where the sale is.
    #[schema(value_type = String, example = "open")]
    pub(crate) sale_state: SaleState,
    /// Live visitors with a smaller number; none when one is not in line.
    pub(crate) ahead: Option<u64>,
    /// How long it may take; none when there is no honest figure.
    pub(crate) eta_s: Option<Eta>,
    /// What is left.
    pub(crate) availability: Vec<TierAvailability>,
    /// Opens a shopping session.
    pub(crate) pass: Option<String>,
    /// When the turn, or the session, is over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) pass_expires_at: Option<Timestamp>,
    /// When to ask again, without a socket.
    pub(crate) poll_after_ms: u32,
}

/// Where a number stands in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In line, behind so many.
    Waiting {
        /// Live visitors with a smaller number.
        ahead: u64,
    },
    /// Inside, until then.
    Inside {
        /// The end of the turn or the session.
        until: Timestamp,
    },
    /// Given up.
    Left,
    /// Over.
    Expired,
}

impl Standing {
    /// Where a number stands. A number that the view does not know yet was given since, and is behind everyone in it.
    pub(crate) fn of(seen: &Seen, number: PlaceNumber) -> Self {
        let view = &seen.view;
        match view.place(number) {
            PlaceView::Waiting { ahead, .. } => Self::Waiting { ahead },
            PlaceView::Turn { claim_by: until } | PlaceView::Shopping { until } => Self::Inside { until },
            PlaceView::Left => Self::Left,
            PlaceView::Expired => Self::Expired,
            PlaceView::Unknown => Self::Waiting { ahead: view.waiting() + number.0.saturating_sub(view.next_number) },
        }
    }

    /// The word for it.
    pub(crate) const fn state(self) -> PlaceState {
        match self {
            Self::Waiting { .. } => PlaceState::Waiting,
            Self::Inside { .. } => PlaceState::Admitted,
            Self::Left => PlaceState::Left,
            Self::Expired => PlaceState::Expired,
        }
    }
}

impl Position {
    /// What a visitor is told who stands there; `pass` is asked for when there is one.
    pub(crate) fn of(seen: &Seen, standing: Standing, pass: impl FnOnce() -> String) -> Self {
        let (ahead, until) = match standing {
            Standing::Waiting { ahead } => (Some(ahead), None),
            Standing::Inside { until } => (None, Some(until)),
            Standing::Left | Standing::Expired => (None, None),
        };
        Self {
            state: standing.state(),
            sale_state: seen.sale_state,
            ahead,
            eta_s: ahead.and_then(|ahead| eta(ahead, seen)),
            availability: seen.availability.clone(),
            pass: until.map(|_| pass()),
            pass_expires_at: until,
            poll_after_ms: poll_after_ms(standing),
        }
    }
}

fn eta(ahead: u64, seen: &Seen) -> Option<Eta> {
    (seen.sale_state == SaleState::Open).then_some(seen.rate_milli_per_s)?.and_then(|rate| eta_at(ahead, rate))
}

/// Upper end over middle, in halves: half as much again.
const SPREAD_HALVES: u64 = 3;
/// What comes in lumps, whatever the rate.
const LUMP_S: u64 = 3;

fn eta_at(ahead: u64, rate_milli_per_s: u64) -> Option<Eta> {
    if rate_milli_per_s == 0 {
        return None;
    }
    let p50 = ((ahead + 1) * 1_000).div_ceil(rate_milli_per_s);
    Some(Eta { p50, p90: p50 * SPREAD_HALVES / 2 + LUMP_S })
}

/// Far behind nothing changes soon; 15 s of silence would pass the visitor over, so a third of that is the most.
fn poll_after_ms(standing: Standing) -> u32 {
    match standing {
        Standing::Waiting { ahead: 0..1_000 } => 1_000,
        Standing::Waiting { ahead: 1_000..10_000 } => 3_000,
        Standing::Waiting { .. } | Standing::Inside { .. } => 5_000,
        Standing::Left | Standing::Expired => 10_000,
    }
}

#[cfg(test)]
mod tests;
