//! How hard a sale is being asked: joins a second through this gateway, over a sliding window.
//!
//! Two counters, of the window now running and of the one before; the older one counts for the part of it that the
//! sliding window still covers. That is as exact as a difficulty that changes by doublings needs, and takes the same few
//! bytes whatever the rate.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Long enough to tell a rush from chance, short enough that the difficulty falls soon after it.
const WINDOW: Duration = Duration::from_secs(5);

/// The joins that one sale was asked for through this gateway.
#[derive(Debug, Default)]
pub(crate) struct Pressure(Mutex<Windows>);

#[derive(Debug, Default, Clone, Copy)]
struct Windows {
    began: Option<Instant>,
    before: u64,
    now: u64,
}

impl Pressure {
    /// Counts a join that was asked for.
    pub(crate) fn count(&self, now: Instant) {
        self.turned(now).now += 1;
    }

    /// Joins a second.
    pub(crate) fn per_s(&self, now: Instant) -> u64 {
        let windows = *self.turned(now);
        let window_ms = WINDOW.as_millis();
        let covered_ms = window_ms.saturating_sub(windows.age(now).as_millis());
        let joins = u128::from(windows.before) * covered_ms / window_ms + u128::from(windows.now);
        u64::try_from(joins / u128::from(WINDOW.as_secs())).unwrap_or(u64::MAX)
    }

    fn turned(&self, now: Instant) -> MutexGuard<'_, Windows> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.turn(now);
        windows
    }
}

impl Windows {
    fn age(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::MAX, |began| now.saturating_duration_since(began))
    }

    /// Begins a new window when the one that runs is over.
    fn turn(&mut self, now: Instant) {
        let age = self.age(now);
        if age >= WINDOW * 2 {
            *self = Self { began: Some(now), before: 0, now: 0 };
        } else if age >= WINDOW {
            *self = Self { began: self.began.map(|began| began + WINDOW), before: self.now, now: 0 };
        }
    }
}

/// How often a rate was doubled to become another.
pub(super) fn doublings(per_s: u64, rate_per_s: u32) -> u8 {
    let times = per_s / u64::from(rate_per_s.max(1));
    u8::try_from(times.checked_ilog2().unwrap_or(0)).expect("a u64 is doubled at most 63 times")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_last_few_seconds() {
        let (pressure, began) = (Pressure::default(), Instant::now());
        let after = |millis| began + Duration::from_millis(millis);
        assert_eq!(pressure.per_s(began), 0);
        (0..500).for_each(|n| pressure.count(after(n * 10)));
        assert_eq!(pressure.per_s(after(5_000)), 100);
        assert_eq!(pressure.per_s(after(7_500)), 50, "half of that window is gone");
        (0..500).for_each(|_| pressure.count(after(7_500)));
        assert_eq!(pressure.per_s(after(7_500)), 150);
        assert_eq!(pressure.per_s(after(30_000)), 0, "a rush that is over is forgotten");
    }

    #[test]
    fn each_doubling_of_the_rate_is_a_bit() {
        let table = [(0, 0), (50, 0), (99, 0), (100, 1), (199, 1), (200, 2), (6_400, 7), (u64::MAX, 58)];
        for (per_s, bits) in table {
            assert_eq!(doublings(per_s, 50), bits, "{per_s}");
        }
        assert_eq!(doublings(8, 0), 3, "a rate of nothing counts as one");
    }
}
