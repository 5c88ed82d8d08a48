//! The clock of the fake: that of the machine, and as much ahead of it as a test says. It stamps objects and events and ends
//! what has its time; deliveries are signed and calls are timed by the clock of the machine.

use std::time::Duration;

use crate::clock::unix_ms;

/// The machine's clock, set forward.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FakeClock {
    ahead_ms: i64,
}

impl FakeClock {
    /// Milliseconds since 1970.
    pub(super) fn now_ms(self) -> i64 {
        unix_ms() + self.ahead_ms
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.ahead_ms = self.ahead_ms.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }
}
