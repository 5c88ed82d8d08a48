//! The states of a hold.
//!
//! Redis keeps a hold and the scripts move it; this is the same table as a pure function, and the words are the ones
//! the scripts store.
//!
//! | state     | `release` | `extend` | `freeze` | `come_due`  | `settle`  | `lose`   |
//! |-----------|-----------|----------|----------|-------------|-----------|----------|
//! | held      | released  | held     | frozen   | expired     | –         | –        |
//! | frozen    | –         | frozen   | frozen   | –           | committed | released |
//! | committed | –         | –        | –        | –           | committed | –        |
//! | released  | released  | –        | –        | –           | –         | released |
//! | expired   | –         | –        | –        | expired     | –         | –        |
//!
//! `freeze` comes before the order is written to Postgres. From then on only Postgres decides: `settle` when the order
//! is there, `lose` when a tombstone is. A frozen hold that comes due is therefore not simply freed: the sweep asks
//! Postgres first. An order that Postgres refuses leaves its hold frozen, with the time it had left: it can be extended,
//! ordered again, or given back by way of a tombstone. There is no way from frozen to held, because another order of the
//! same hold may be on its way to Postgres and nobody could say that it is not.

use serde::{Deserialize, Serialize};

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// The buyer shops; the TTL runs.
    Held,
    /// An order is being written.
    Frozen,
    /// The order has the units; the hold is history.
    Committed,
    /// Given back, or lost to a tombstone.
    Released,
    /// Its time ran out.
    Expired,
}

/// What may happen to a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEvent {
    /// The buyer gives it back.
    Release,
    /// The buyer asks for more time.
    Extend,
    /// The buyer orders.
    Freeze,
    /// The sweep finds it past its time.
    ComeDue,
    /// Postgres has the order.
    Settle,
    /// Postgres has a tombstone, or refused the units.
    Lose,
}

/// The event makes no sense in that state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {} hold does not take {event:?}", state.word())]
pub struct HoldRefusal {
    /// The state the hold was in.
    pub state: HoldState,
    /// What should have happened.
    pub event: HoldEvent,
}

impl HoldState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Held, Self::Frozen, Self::Committed, Self::Released, Self::Expired];

    /// The word the scripts store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Frozen => "frozen",
            Self::Committed => "committed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Where an event leads. Repeating the event that led here leads here again.
    ///
    /// # Errors
    /// The event makes no sense in this state.
    pub const fn apply(self, event: HoldEvent) -> Result<Self, HoldRefusal> {
        match (self, event) {
            (Self::Held | Self::Released, HoldEvent::Release) | (Self::Frozen | Self::Released, HoldEvent::Lose) => {
                Ok(Self::Released)
            }
            (Self::Held, HoldEvent::Extend) => Ok(Self::Held),
            (Self::Frozen, HoldEvent::Extend) | (Self::Held | Self::Frozen, HoldEvent::Freeze) => Ok(Self::Frozen),
            (Self::Held | Self::Expired, HoldEvent::ComeDue) => Ok(Self::Expired),
            (Self::Frozen | Self::Committed, HoldEvent::Settle) => Ok(Self::Committed),
            (Self::Held | Self::Released | Self::Expired, HoldEvent::Settle)
            | (Self::Held | Self::Committed | Self::Expired, HoldEvent::Lose)
            | (Self::Frozen | Self::Committed | Self::Expired, HoldEvent::Release)
            | (Self::Committed | Self::Released | Self::Expired, HoldEvent::Freeze | HoldEvent::Extend)
            | (Self::Frozen | Self::Committed | Self::Released, HoldEvent::ComeDue) => {
                Err(HoldRefusal { state: self, event })
            }
        }
    }
}

#[cfg(test)]
mod tests;
