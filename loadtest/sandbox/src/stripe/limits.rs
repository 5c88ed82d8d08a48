//! How much Stripe takes at once: so many writes and reads a second, so many calls under way.
//!
//! Each rate is a bucket of one second's calls that fills steadily (GCRA: one time per rate, no queue), so an even pace at the
//! limit is never refused and a burst after a pause may be as large as the limit. Only the calls of the seller's server count;
//! a page has limits of its own at Stripe, of which nothing is known. A call that is refused here is not carried out, uses
//! up no planned fault, and is not remembered under its key. A repetition under a known key counts like any other call.
//! Bound: [`WRITES_SEEN_MAX`] times of writes, of the last second only.
//! Source: <https://docs.stripe.com/rate-limits>; the size of a burst is not published.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::call::Operation;
use super::refusal::LimitReason;

/// What the rates are counted by, and the span of [`Limiter::peak_writes`].
const SECOND: Duration = Duration::from_secs(1);
/// Writes of one second remembered; a machine that makes more has the peak cut there.
const WRITES_SEEN_MAX: usize = 100_000;

/// Limits of an account; `None` is without. The default has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// `POST`s a second; 0 refuses all.
    pub writes_per_s: Option<u32>,
    /// `GET`s a second; 0 refuses all.
    pub reads_per_s: Option<u32>,
    /// Calls under way at once; 0 refuses all.
    pub concurrent: Option<u32>,
}

/// Which of the two rates a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// The limits and how much of them is used.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    limits: Limits,
    writes: Bucket,
    reads: Bucket,
    under_way: u32,
    /// When the writes of the last second were taken on.
    written: VecDeque<Instant>,
    peak_writes: usize,
}

/// When the bucket would be full again; `None` when nothing was taken out yet.
#[derive(Debug, Default)]
struct Bucket {
    full_at: Option<Instant>,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Limiter {
        Limiter { limits, ..Limiter::default() }
    }

    /// Other limits from now on, with full buckets; calls under way stay counted.
    pub(super) fn set(&mut self, limits: Limits) {
        self.limits = limits;
        self.writes = Bucket::default();
        self.reads = Bucket::default();
    }

    /// Lets a call in, or says which limit it met; a refused call uses nothing up.
    pub(super) fn admit(&mut self, access: Access, now: Instant) -> Result<(), LimitReason> {
        if self.limits.concurrent.is_some_and(|most| self.under_way >= most) {
            return Err(LimitReason::GlobalConcurrency);
        }
        let (bucket, rate) = match access {
            Access::Read => (&mut self.reads, self.limits.reads_per_s),
            Access::Write => (&mut self.writes, self.limits.writes_per_s),
        };
        match rate.is_none_or(|per_s| bucket.take(per_s, now)) {
            true => Ok(()),
            false => Err(LimitReason::GlobalRate),
        }
    }

    /// A call of `operation` was taken on: no limit and no fault of a limit was in its way.
    pub(super) fn taken_on(&mut self, operation: Operation, now: Instant) {
        if operation.access() == Access::Write {
            self.written.push_back(now);
        }
        // Half open, as the second of a clock is: what is a whole second old is in the second before.
        while self.written.front().is_some_and(|&then| now.duration_since(then) >= SECOND)
            || self.written.len() > WRITES_SEEN_MAX
        {
            self.written.pop_front();
        }
        self.peak_writes = self.peak_writes.max(self.written.len());
    }

    /// A call that was let in begins to be carried out.
    pub(super) fn begun(&mut self) {
        self.under_way += 1;
    }

    /// It is over.
    pub(super) fn ended(&mut self) {
        self.under_way -= 1;
    }

    /// The most writes taken on within any one second.
    pub(super) fn peak_writes(&self) -> usize {
        self.peak_writes
    }
}

impl Bucket {
    fn take(&mut self, per_s: u32, now: Instant) -> bool {
        let Some(each) = SECOND.checked_div(per_s) else { return false };
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + each;
        let fits = full_at.duration_since(now) <= SECOND;
        if fits {
            self.full_at = Some(full_at);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Access, Limiter, Limits};
    use crate::stripe::call::Operation;
    use crate::stripe::refusal::LimitReason;

    const TEN: Limits = Limits { writes_per_s: Some(10), reads_per_s: None, concurrent: None };

    /// How many of `calls` writes, `apart` from each other, are let in.
    fn let_in(limiter: &mut Limiter, from: Instant, calls: u32, apart: Duration) -> usize {
        (0..calls).filter(|call| limiter.admit(Access::Write, from + apart * *call).is_ok()).count()
    }

    #[test]
    fn an_even_pace_at_the_limit_is_never_refused_and_one_above_it_is() {
        let start = Instant::now();
        assert_eq!(let_in(&mut Limiter::new(TEN), start, 1_000, Duration::from_millis(100)), 1_000);
        let faster = let_in(&mut Limiter::new(TEN), start, 1_000, Duration::from_millis(50));
        assert!((500..=511).contains(&faster), "{faster}");
    }

    #[test]
    fn a_burst_is_as_large_as_the_limit_and_comes_back_with_time() {
        let (start, mut limiter) = (Instant::now(), Limiter::new(TEN));
        assert_eq!(let_in(&mut limiter, start, 50, Duration::ZERO), 10);
        assert_eq!(limiter.admit(Access::Write, start), Err(LimitReason::GlobalRate));
        assert_eq!(let_in(&mut limiter, start + Duration::from_millis(350), 50, Duration::ZERO), 3);
        assert_eq!(let_in(&mut limiter, start + Duration::from_secs(60), 50, Duration::ZERO), 10);
        assert_eq!(limiter.admit(Access::Read, start), Ok(()));
    }

    #[test]
    fn a_limit_of_nothing_lets_nothing_in() {
        let none = Limits { writes_per_s: Some(0), reads_per_s: Some(0), concurrent: None };
        let mut limiter = Limiter::new(none);
        assert_eq!(limiter.admit(Access::Write, Instant::now()), Err(LimitReason::GlobalRate));
        limiter.set(Limits { concurrent: Some(0), ..Limits::default() });
        assert_eq!(limiter.admit(Access::Read, Instant::now()), Err(LimitReason::GlobalConcurrency));
    }

    #[test]
    fn calls_under_way_are_counted_until_they_end() {
        let mut limiter = Limiter::new(Limits { concurrent: Some(2), ..Limits::default() });
        limiter.begun();
        assert_eq!(limiter.admit(Access::Read, Instant::now()), Ok(()));
        limiter.begun();
        assert_eq!(limiter.admit(Access::Read, Instant::now()), Err(LimitReason::GlobalConcurrency));
        limiter.ended();
        assert_eq!(limiter.admit(Access::Write, Instant::now()), Ok(()));
    }

    #[test]
    fn the_peak_is_of_any_second_and_of_writes_alone() {
        let (start, mut limiter) = (Instant::now(), Limiter::default());
        // Seven around the turn of a second: counted by the second they would be four and three.
        for ms in [700, 800, 900, 990, 1_000, 1_100, 1_600, 1_750, 3_000] {
            limiter.taken_on(Operation::CaptureIntent, start + Duration::from_millis(ms));
            limiter.taken_on(Operation::GetIntent, start + Duration::from_millis(ms));
        }
        assert_eq!(limiter.peak_writes(), 7);
    }
}
