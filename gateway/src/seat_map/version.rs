//! Which map of the seats it is.

use std::fmt;

use admission::{SeatsView, View};
use serde::{Serialize, Serializer};

/// A map's place among the maps of its sale; a later one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    /// The epoch of Redis.
    pub(crate) epoch: u32,
    /// How often seats had changed hands in it.
    pub(crate) changes: u64,
}

impl Version {
    /// The version of the map of these seats.
    pub(crate) const fn of(seats: &SeatsView) -> Self {
        Self { epoch: seats.epoch, changes: seats.changes }
    }

    /// The version of a map that would be read at the moment of that view.
    pub(crate) const fn at(view: &View) -> Self {
        Self { epoch: view.epoch, changes: view.seat_changes }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.changes)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
