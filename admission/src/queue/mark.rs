//! The latest that a caller saw of a sale.
//!
//! Redis answers a write before its replicas and its log have it, so a failover or a restart may bring back a sale of some
//! seconds ago, whole and in its epoch. The numbers and turns since then would be handed out again. Whoever asks for them
//! says what it saw last ([`super::Queue::after`]); a Redis that knows less gives the sale up, answers *not loaded*, and is
//! rebuilt from Postgres. So does one that is another server than the one that was loaded, or another life of it: what is
//! missing of it may be a hold, which nobody counts. The mark is for what has the same server and less in it.

use super::view::View;

/// How far a sale had come. Marks of one epoch only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    epoch: u32,
    last_number: u64,
    admitted: u64,
}

impl Mark {
    /// What a view shows.
    #[must_use]
    pub const fn of(view: &View) -> Self {
        Self { epoch: view.epoch, last_number: view.next_number - 1, admitted: view.admitted_total }
    }

    /// A number that was handed out.
    #[must_use]
    pub const fn of_number(epoch: u32, number: domain::PlaceNumber) -> Self {
        Self { epoch, last_number: number.0, admitted: 0 }
    }

    /// The epoch it is of.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        self.epoch
    }

    /// The later of two, in each respect.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        match self.epoch.cmp(&other.epoch) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => Self {
                epoch: self.epoch,
                last_number: self.last_number.max(other.last_number),
                admitted: self.admitted.max(other.admitted),
            },
        }
    }
}

/// As the scripts take it.
impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.epoch, self.last_number, self.admitted)
    }
}
