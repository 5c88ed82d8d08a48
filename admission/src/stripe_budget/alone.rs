//! What one process spends by itself while Redis is away.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;

use super::Asked;

/// The local share.
pub(super) struct Alone {
    limit: NonZeroU32,
    state: Mutex<State>,
}

struct State {
    processes: u32,
    share: DefaultDirectRateLimiter,
    /// Until when Redis is not asked.
    until: Option<Instant>,
    /// Until when Stripe wants to hear nothing.
    paused_until: Option<Instant>,
}

impl Alone {
    pub(super) fn new(limit: NonZeroU32, processes: u32) -> Self {
        let state = State { processes, share: share(limit, processes), until: None, paused_until: None };
        Self { limit, state: Mutex::new(state) }
    }

    /// So many processes are there.
    pub(super) fn share_with(&self, processes: u32) {
        let mut state = self.state();
        if state.processes != processes {
            (state.processes, state.share) = (processes, share(self.limit, processes));
        }
    }

    pub(super) fn begin(&self, lasts: Duration) {
        self.state().until = Some(Instant::now() + lasts);
    }

    pub(super) fn is_on(&self) -> bool {
        self.state().until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn pause(&self, lasts: Duration) {
        self.state().paused_until = Some(Instant::now() + lasts);
    }

    pub(super) fn ask(&self) -> Asked {
        let state = self.state();
        let paused = state.paused_until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(wait) = paused.filter(|wait| !wait.is_zero()) {
            return Asked::Wait(wait);
        }
        match state.share.check() {
            Ok(()) => Asked::Granted("alone"),
            Err(early) => Asked::Wait(early.wait_time_from(DefaultClock::default().now())),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One write at a time, as often as half of the limit allows that many processes.
fn share(limit: NonZeroU32, processes: u32) -> DefaultDirectRateLimiter {
    let every = Duration::from_secs(2) * processes.max(1) / limit.get();
    let quota = Quota::with_period(every.max(Duration::from_micros(1))).expect("the period is not zero");
    RateLimiter::direct(quota)
}

#[cfg(test)]
mod tests;
