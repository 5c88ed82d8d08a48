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
    /// 429 `rate_limit`, nothing carried out.
    RateLimited,
    /// 429 `lock_timeout`, nothing carried out.
    LockTimeout,
    /// Carried out and remembered, but the connection is cut instead of answered.
    AnswerLost,
}

/// Faults planned for calls to come; each is used up by the calls it hits.
#[derive(Debug, Default)]
pub(super) struct CallFaults {
    planned: VecDeque<Planned>,
}

#[derive(Debug)]
struct Planned {
    only: Option<Operation>,
    times: u32,
    fault: CallFault,
}

impl CallFaults {
    pub(super) fn plan(&mut self, only: Option<Operation>, times: u32, fault: CallFault) {
        self.planned.push_back(Planned { only, times, fault });
    }

    /// The fault for a call of `operation`, if one is planned.
    pub(super) fn take(&mut self, operation: Operation) -> Option<CallFault> {
        let hits = |only: Option<Operation>| only.map_or(operation.is_the_sellers(), |only| only == operation);
        let planned = self.planned.iter_mut().find(|planned| planned.times > 0 && hits(planned.only))?;
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
            WebhookFault::Drop { .. } => {}
        }
    }
    (0..copies).map(|_| wait + window.mul_f64(random.fraction())).collect()
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
        faults.plan(Some(Operation::CaptureIntent), 1, CallFault::AnswerLost);
        faults.plan(None, 2, CallFault::RateLimited);
        assert_eq!(faults.take(Operation::CreateConfirmationToken), None, "a buyer's call is spared");
        assert_eq!(faults.take(Operation::CreateIntent), Some(CallFault::RateLimited));
        assert_eq!(faults.take(Operation::CaptureIntent), Some(CallFault::AnswerLost));
        assert_eq!(faults.take(Operation::CaptureIntent), Some(CallFault::RateLimited));
        assert_eq!(faults.take(Operation::CaptureIntent), None);
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
