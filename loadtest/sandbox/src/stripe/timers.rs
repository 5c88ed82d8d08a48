//! What happens later by itself: authorisations lapse, banks answer, refunds arrive or come back.
//!
//! Everything is due by the clock of the fake. What is due when the clock is set forward happens before that call returns,
//! in the order it was due. A timer whose object has moved on meanwhile does nothing. Bound: one per authorised intent, one
//! per attempt that processes, one per pending refund.

use std::collections::BTreeMap;
use std::time::Duration;

use super::books::BankAnswer;
use super::charge::RefundOutcome;

/// Something due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timer {
    /// The authorisation of an intent.
    Lapse(String),
    /// The answer to the attempt of an intent.
    BankAnswers(String, BankAnswer),
    /// The end of a refund.
    RefundEnds(String, RefundOutcome),
}

/// What a bank does with a card that processes, unless a test says it case by case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BankPace {
    /// How long it takes, by the clock of the fake.
    pub after: Duration,
    /// What it says then.
    pub answer: BankAnswer,
}

/// What becomes of refunds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RefundPace {
    /// They succeed in the call that makes them, as they mostly do.
    #[default]
    AtOnce,
    /// They are pending for a while.
    Later {
        /// How long, by the clock of the fake.
        after: Duration,
        /// And then.
        outcome: RefundOutcome,
    },
    /// They are pending until [`super::FakeStripe::refund_ends`].
    Waits,
}

/// All timers, the next one first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<(i64, u64), Timer>,
    last: u64,
}

impl Timers {
    /// `timer` is due `after` `now_ms`.
    pub(super) fn set(&mut self, now_ms: i64, after: Duration, timer: Timer) {
        self.last += 1;
        self.due.insert((now_ms.saturating_add(millis(after)), self.last), timer);
    }

    /// The next that is due at `now_ms`, taken.
    pub(super) fn take_due(&mut self, now_ms: i64) -> Option<Timer> {
        let next = self.due.first_entry().filter(|next| next.key().0 <= now_ms)?;
        Some(next.remove())
    }

    /// When the next is due.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }
}

/// A span in milliseconds.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Timer, Timers};

    #[test]
    fn timers_come_when_due_in_the_order_they_are_due() {
        let mut timers = Timers::default();
        for (after, name) in [(300, "c"), (100, "a"), (100, "b")] {
            timers.set(1_000, Duration::from_millis(after), Timer::Lapse(name.to_owned()));
        }
        assert_eq!((timers.next_ms(), timers.take_due(1_099)), (Some(1_100), None));
        let mut due = std::iter::from_fn(|| timers.take_due(1_100));
        assert_eq!((due.next(), due.next()), (Some(Timer::Lapse("a".into())), Some(Timer::Lapse("b".into()))));
        assert_eq!((timers.take_due(1_299), timers.next_ms()), (None, Some(1_300)));
    }
}
