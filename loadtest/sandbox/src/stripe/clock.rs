//! The clock of the fake: that of the machine, and as much ahead of it as a test says. It stamps objects and events and ends
//! what has its time; deliveries are signed and calls are timed by the clock of the machine.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, State};
use super::timers::millis;
use crate::clock::unix_ms;

/// Longest sleep; the clock of the machine may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// Lets happen what is due until the fake is stopped.
pub(super) async fn keep_time(core: Arc<Core>) {
    loop {
        let wait = core.change(State::run_due);
        tokio::select! {
            () = tokio::time::sleep(wait.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)) => {}
            () = core.timed.notified() => {}
        }
    }
}

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
        self.ahead_ms = self.ahead_ms.saturating_add(millis(by));
    }
}
