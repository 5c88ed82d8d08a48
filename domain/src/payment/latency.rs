//! How long paying takes: the 99th percentile of *Pay pressed → authorised*, from what was seen lately.
//!
//! The time of a hold is made of it ([`crate::sale::HoldConfig::ttl_s`]), so that nobody loses units while paying, and nobody
//! keeps them for longer than paying takes.
//!
//! An attempt to pay is seen in one of two ways ([`Attempt`]). One that was authorised says how long that took, also when it was
//! too late for its units. One that was not says that it takes longer than it has been waiting: it is *right-censored*. To
//! leave such attempts out would be to hear of the quick ones only, most of all in the minute in which payments become slow. So
//! the estimate is the product-limit one (Kaplan and Meier, 1958): at each time at which somebody was authorised, the share
//! that is still waiting shrinks by the share authorised of those who had been waiting for that long. The 99th percentile is
//! the first time at which at most one in a hundred waits on.
//!
//! | what was seen | the answer |
//! |---|---|
//! | nothing | what was assumed |
//! | fewer than [`ATTEMPTS_ENOUGH`] authorisations | as if those that are missing took what was assumed: three slow ones are believed at once, quick ones only when there are enough |
//! | enough, and more than one in a hundred waits longer than any authorisation took | the longest wait so far: a lower bound, which grows |
//! | the same, and at least half of those had all of [`PAYMENT_WINDOW_S`] | the percentile among the others: who was not authorised within that window walked away, and more time would not have helped |
//! | enough, and they come to an end | the percentile |
//!
//! Guarantees: integers only; the same attempts give the same answer, in whatever order and parts they are added. With 299
//! authorisations the slowest is above the true percentile in 95 of 100 cases (1 − 0.99²⁹⁹), which is why that is enough.
//!
//! Bounds: the work and the memory go with the number of different times; whoever counts rounds them. What it does not do: no
//! window and no clock, which are those of the caller; nothing about declined cards, which say nothing of how long paying takes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::PAYMENT_WINDOW_S;

/// What paying takes at the 99th percentile as long as nothing is known: cards answer in seconds, and a 3-D Secure challenge,
/// which one payment in a hundred meets, is over in about 40 s.
pub const ASSUMED_P99: Duration = Duration::from_secs(40);

/// How many authorisations speak for themselves.
pub const ATTEMPTS_ENOUGH: u64 = 300;

/// The resolution of shares.
const WHOLE: u128 = 1_000_000_000_000;

/// One in so many may take longer than the percentile.
const ONE_IN: u128 = 100;

/// What became of an attempt to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It was authorised after that time, late or not.
    Authorised,
    /// It was not, when it was given up or looked at last.
    Unfinished,
}

/// How long attempts to pay took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentTimes {
    seen: BTreeMap<Duration, Seen>,
    /// Those that were not authorised although they had the whole window. They are known to wait for ever.
    given_up: u64,
}

/// Attempts of one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    authorised: u64,
    unfinished: u64,
}

impl PaymentTimes {
    /// So many attempts were seen after that time.
    pub fn add(&mut self, attempt: Attempt, after: Duration, count: u64) {
        match attempt {
            Attempt::Authorised => self.seen.entry(after).or_default().authorised += count,
            Attempt::Unfinished if after >= window() => self.given_up += count,
            Attempt::Unfinished => self.seen.entry(after).or_default().unfinished += count,
        }
    }

    /// Other attempts were seen too.
    pub fn add_all(&mut self, others: &Self) {
        for (after, seen) in &others.seen {
            let here = self.seen.entry(*after).or_default();
            here.authorised += seen.authorised;
            here.unfinished += seen.unfinished;
        }
        self.given_up += others.given_up;
    }

    /// How many were authorised.
    #[must_use]
    pub fn authorised(&self) -> u64 {
        self.seen.values().map(|seen| seen.authorised).sum()
    }

    /// The time within which 99 of 100 are authorised, when `assumed` is what one would think without them.
    #[must_use]
    pub fn p99(&self, assumed: Duration) -> Duration {
        let with_assumed = self.filled_up(assumed);
        let curve = with_assumed.curve();
        let (slowest, left) = curve.last().copied().unwrap_or((Duration::ZERO, WHOLE));
        let walked_away = if with_assumed.is_seen_to_the_end(slowest) { left } else { 0 };
        let may_wait_on = walked_away + (WHOLE - walked_away) / ONE_IN;
        let reached = curve.iter().find(|(_, left)| *left <= may_wait_on);
        reached.map_or_else(|| with_assumed.longest(), |(after, _)| *after)
    }

    /// The same with the authorisations that are missing, each after the time assumed.
    fn filled_up(&self, assumed: Duration) -> Self {
        let mut filled = self.clone();
        let missing = ATTEMPTS_ENOUGH.saturating_sub(self.authorised());
        if missing > 0 {
            filled.add(Attempt::Authorised, assumed, missing);
        }
        filled
    }

    /// The times at which somebody was authorised, and the share that waits on after each.
    fn curve(&self) -> Vec<(Duration, u128)> {
        let mut waiting: u64 =
            self.given_up + self.seen.values().map(|seen| seen.authorised + seen.unfinished).sum::<u64>();
        let (mut left, mut curve) = (WHOLE, Vec::new());
        for (after, seen) in &self.seen {
            if seen.authorised > 0 {
                left = left * u128::from(waiting - seen.authorised) / u128::from(waiting);
                curve.push((*after, left));
            }
            waiting -= seen.authorised + seen.unfinished;
        }
        curve
    }

    /// Whether those who waited longer than any authorisation took were mostly watched until nothing could come of it.
    fn is_seen_to_the_end(&self, slowest: Duration) -> bool {
        let longer = (std::ops::Bound::Excluded(slowest), std::ops::Bound::Unbounded);
        let waiting: u64 = self.seen.range(longer).map(|(_, seen)| seen.unfinished).sum();
        self.given_up > 0 && self.given_up >= waiting
    }

    fn longest(&self) -> Duration {
        let given_up = if self.given_up > 0 { window() } else { Duration::ZERO };
        self.seen.last_key_value().map_or(given_up, |(after, _)| given_up.max(*after))
    }
}

fn window() -> Duration {
    Duration::from_secs(u64::from(PAYMENT_WINDOW_S))
}

#[cfg(test)]
mod tests;
