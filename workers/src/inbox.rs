//! The pool of Stripe events.
//!
//! What is about payments marks its event itself. Events that come to nothing else, which most are that Stripe sends, share calls
//! that mark them ([`Together`]); one that such a call could not mark is marked by itself.

use std::sync::Arc;

use ledger::LedgerError;
use ledger::inbox::{
    DONE_BATCH_MAX, DoneEvent, InboxEvent, event_done, event_park, event_quarantine, event_retry, events_done,
    inbox_claim_from,
};
use ledger::outbox::Leased;

use crate::context::Context;
use crate::jobs::apply_payment;
use crate::points::Point;
use crate::runner::{LEASE_S, Outcome, Source, Verdict};
use crate::sweeps::queue_starts::QueueStarts;
use crate::together::{Ask, Together, lane_of};
use crate::trace::About;

/// The queue's name in metrics.
pub(crate) const QUEUE: &str = "inbox";

/// The most events of one claim: as many as a call applies, so that a backlog fills its calls.
const CLAIM_MAX: usize = 250;

/// Calls that mark events at once: they wait for the disk and little else.
const CALLS_MAX: usize = 2;

/// Events that are done, on their way to be marked.
pub(crate) type DoneEvents = Together<DoneEvent, Leased>;

/// A line that nobody stands in.
pub(crate) fn done_events() -> DoneEvents {
    Together::new(CALLS_MAX, DONE_BATCH_MAX)
}

impl Ask for DoneEvent {
    fn lane(&self) -> u64 {
        lane_of(&self.id)
    }
}

/// Events, oldest first.
pub(crate) struct Inbox {
    pub(crate) context: Arc<Context>,
    pub(crate) starts: QueueStarts,
}

impl Inbox {
    async fn done(&self, event: &InboxEvent, note: &'static str) -> Result<Leased, LedgerError> {
        let done = DoneEvent { id: event.id.clone(), lease: event.lease, note };
        let mark = async |done: Vec<DoneEvent>| match events_done(&self.context.ledger, &done).await {
            Ok(leased) => leased.into_iter().map(Some).collect(),
            Err(error) => {
                tracing::warn!(count = done.len(), %error, "events are marked one by one");
                vec![None; done.len()]
            }
        };
        match self.context.done_events.ask(done, mark).await {
            Some(leased) => Ok(leased),
            None => event_done(&self.context.ledger, event, note).await,
        }
    }
}

impl Source for Inbox {
    type Item = InboxEvent;

    fn queue(&self) -> &'static str {
        QUEUE
    }

    fn claim_max(&self) -> usize {
        CLAIM_MAX
    }

    fn attempt(&self, event: &InboxEvent) -> (String, u32) {
        (event.id.clone(), event.attempts)
    }

    fn about<'a>(&self, event: &'a InboxEvent) -> About<'a> {
        About { trace: event.trace, kind: &event.kind, ..About::default() }
    }

    async fn claim(&self, limit: u32) -> Result<Vec<InboxEvent>, LedgerError> {
        let starts = *self.starts.borrow();
        inbox_claim_from(&self.context.ledger, &starts, limit, LEASE_S).await
    }

    async fn run(&self, event: &InboxEvent) -> Outcome {
        apply_payment::event(&self.context, event).await
    }

    async fn passes(&self, _event: &InboxEvent, point: Point) {
        self.context.points.pass(QUEUE, point).await;
    }

    async fn settle(&self, event: &InboxEvent, verdict: &Verdict) -> Result<Leased, LedgerError> {
        let ledger = &self.context.ledger;
        match verdict {
            Verdict::Done(note) => self.done(event, note).await,
            Verdict::Settled => Ok(Leased::Yes),
            // Every claim of an event counts; only failures park it, so an outage does not.
            Verdict::Retry { error, delay_s } | Verdict::Postpone { reason: error, delay_s } => {
                event_retry(ledger, event, error, *delay_s).await
            }
            Verdict::NotYet { reason, delay_s } => event_retry(ledger, event, reason, *delay_s).await,
            Verdict::Park(error) => event_park(ledger, event, error).await,
            Verdict::Quarantine(reason) => event_quarantine(ledger, event, reason).await,
        }
    }
}
