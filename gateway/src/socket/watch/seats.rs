//! What a visitor inside is told of the seats.
//!
//! First which map there is, so that the client fetches it unless it has it; then what changed since it was told last. Who
//! was told of a map that nobody remembers, or missed more than goes into a frame, is told to fetch the map again, and not
//! more often than every [`ANEW_MIN`]: meanwhile the changes may become few enough again, and a map is long.

use std::time::Duration;

use tokio::time::Instant;

use crate::seat_map::{SeatMaps, SeatsDelta, Version};
use crate::written::Written;

/// Soon enough for a freed seat to be seen within a second, a tick and the fetching included.
const ANEW_MIN: Duration = Duration::from_millis(700);

/// What was told.
#[derive(Default)]
pub(super) struct SeatsTold {
    version: Option<Version>,
    anew_at: Option<Instant>,
}

impl SeatsTold {
    /// What is new, and told from now on.
    pub(super) fn news(&mut self, seats: &SeatMaps, now: Instant) -> Option<Written<SeatsDelta>> {
        let latest = seats.latest();
        if latest.is_empty() || self.version == Some(latest.version()) {
            return None;
        }
        let since = self.version.and_then(|told| seats.since(told));
        if since.is_none() && self.anew_at.is_some_and(|at| now < at + ANEW_MIN) {
            return None;
        }
        self.version = Some(latest.version());
        Some(since.unwrap_or_else(|| {
            self.anew_at = Some(now);
            seats.anew()
        }))
    }
}

#[cfg(test)]
mod tests;
