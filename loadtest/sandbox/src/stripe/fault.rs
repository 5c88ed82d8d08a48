//! Faults on request: what the next calls do wrong, and what deliveries do wrong.

use std::collections::VecDeque;
use std::time::Duration;

use super::call::Operation;
use crate::random::Random;

/// What a call does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// 500, nothing carried out, nothing remembered: a retry with the same key is carried out.
    ServerError,
    /// 500, nothing carried out, and the key remembers it, as Stripe's does: a retry with the same key gets it again.
    ServerErrorRemembered,
    /// 500 although it was carried out, and the key remembers the 500: a retry with the same key never learns more.
    ServerErrorAfterwards,
    /// 400 with this code, nothing carried out, nothing remembered.
    Refused(&'static str),
    /// 402 `card_declined` with this reason of the bank, nothing carried out, nothing remembered.
    Declined(&'static str),
    /// 429 `rate_limit`, nothing carried out.
    RateLimited,
    /// 429 `lock_timeout`, nothing carried out.
    LockTimeout,
    /// Carried out and remembered, but the connection is cut instead of answered.
    AnswerLost,
    /// Carried out and answered well, this much later than its latency has it.
    Slow {
        /// How much.
        by: Duration,
    },
}

/// Faults planned for calls to come; each is used up by the calls it hits.
#[derive(Debug, Default)]
pub(super) struct CallFaults {
    planned: VecDeque<Planned>,
}

#[derive(Debug)]
struct Planned {
    only: Option<Operation>,
    /// Calls that are spared first.
    skip: u32,
    times: u32,
    fault: CallFault,
}

impl CallFaults {
    pub(super) fn plan(&mut self, only: Option<Operation>, skip: u32, times: u32, fault: CallFault) {
        self.planned.push_back(Planned { only, skip, times, fault });
    }

    /// The fault for a call of `operation`, if one is planned.
    pub(super) fn take(&mut self, operation: Operation) -> Option<CallFault> {
        let hits = |only: Option<Operation>| only.map_or(operation.is_the_sellers(), |only| only == operation);
        let planned = self.planned.iter_mut().find(|planned| planned.times > 0 && hits(planned.only))?;
        if planned.skip > 0 {
            planned.skip -= 1;
            return None;
        }
        planned.times -= 1;
        let fault = planned.fault;
        self.planned.retain(|planned| planned.times > 0);
        Some(fault)
    }
}

/// What deliveries of events do wrong. Several may be set together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFault {
    /// Every event comes this many times more.
    Duplicate {
        /// Extra deliveries of each event.
        extra: u32,
    },
    /// Every delivery waits for a random part of the window, so they overtake each other.
    Reorder {
        /// Longest wait.
        window: Duration,
    },
    /// Every delivery waits.
    Delay {
        /// How long.
        by: Duration,
    },
    /// Deliveries are signed with a time that is wrong; from now on, whenever their events were made.
    ClockSkew {
        /// How far ahead of the machine's clock, in seconds; less than nothing is behind it.
        by_s: i64,
    },
    /// Every n-th event is never delivered; it stays in the list of events.
    Drop {
        /// 1 drops all.
        every_nth: u64,
    },
}

/// When the deliveries of event number `number` (from 1) are due, counted from now; empty when it is dropped.
pub(super) fn deliveries(faults: &[WebhookFault], number: u64, random: &mut Random) -> Vec<Duration> {
    let mut copies = 1;
    let mut wait = Duration::ZERO;
    let mut window = Duration::ZERO;
    for fault in faults {
        match *fault {
            WebhookFault::Duplicate { extra } => copies += extra,
            WebhookFault::Reorder { window: of } => window = of,
            WebhookFault::Delay { by } => wait += by,
            WebhookFault::Drop { every_nth } if every_nth > 0 && number.is_multiple_of(every_nth) => return Vec::new(),
            WebhookFault::Drop { .. } | WebhookFault::ClockSkew { .. } => {}
        }
    }
    (0..copies).map(|_| wait + window.mul_f64(random.fraction())).collect()
}

/// How far ahead of the machine's clock deliveries are signed, in seconds.
pub(super) fn skew_s(faults: &[WebhookFault]) -> i64 {
    let skew = |fault: &WebhookFault| match fault {
        WebhookFault::ClockSkew { by_s } => Some(*by_s),
        _ => None,
    };
    faults.iter().filter_map(skew).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CallFault, CallFaults, WebhookFault, deliveries};
    use crate::random::Random;
    use crate::stripe::call::Operation;

    #[test]
    fn a_planned_fault_hits_its_calls_and_is_used_up() {
        let mut faults = CallFaults::default();
        faults.plan(Some(Operation::CaptureIntent), 0, 1, CallFault::AnswerLost);
        faults.plan(None, 0, 2, CallFault::RateLimited);
        assert_eq!(faults.take(Operation::CreateConfirmationToken), None, "a buyer's call is spared");
        assert_eq!(faults.take(Operation::CreateIntent), Some(CallFault::RateLimited));
        assert_eq!(faults.take(Operation::CaptureIntent), Some(CallFault::AnswerLost));
        assert_eq!(faults.take(Operation::CaptureIntent), Some(CallFault::RateLimited));
        assert_eq!(faults.take(Operation::CaptureIntent), None);
    }

    #[test]
    fn a_fault_may_wait_for_the_call_it_is_meant_for() {
        let mut faults = CallFaults::default();
        faults.plan(Some(Operation::CreateRefund), 2, 1, CallFault::ServerErrorAfterwards);
        let hits: Vec<bool> = (0..4).map(|_| faults.take(Operation::CreateRefund).is_some()).collect();
        assert_eq!(hits, [false, false, true, false]);
    }

    #[test]
    fn webhook_faults_add_up() {
        let faults = [
            WebhookFault::Duplicate { extra: 2 },
            WebhookFault::Delay { by: Duration::from_millis(50) },
            WebhookFault::Reorder { window: Duration::from_millis(100) },
            WebhookFault::Drop { every_nth: 3 },
        ];
        let mut random = Random::new(1);
        let due = deliveries(&faults, 1, &mut random);
        assert_eq!(due.len(), 3);
        assert!(due.iter().all(|wait| (50..=150).contains(&wait.as_millis())), "{due:?}");
        assert!(deliveries(&faults, 3, &mut random).is_empty());
        assert_eq!(deliveries(&[], 3, &mut random), [Duration::ZERO]);
    }
}
