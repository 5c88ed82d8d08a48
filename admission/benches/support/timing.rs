//! Calls timed one by one.

use std::time::Duration;

/// What calls took, the slowest last.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// So many calls, one after the other, each of which says what it took.
    pub(crate) async fn of(calls: usize, mut call: impl AsyncFnMut() -> Duration) -> Self {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            times.push(call().await);
        }
        times.sort_unstable();
        Self(times)
    }

    /// What so many in a hundred took at most.
    pub(crate) fn within(&self, per_cent: usize) -> Duration {
        self.0[(self.0.len() - 1) * per_cent / 100]
    }
}
