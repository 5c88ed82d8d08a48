//! The pool of Stripe events.

use std::sync::Arc;

use ledger::LedgerError;
use ledger::inbox::{InboxEvent, event_done, event_park, event_quarantine, event_retry, inbox_claim};
use ledger::outbox::Leased;

use crate::context::Context;
use crate::jobs::apply_payment;
use crate::points::Point;
use crate::runner::{LEASE_S, Outcome, Source, Verdict};

/// The queue's name in metrics.
pub(crate) const QUEUE: &str = "inbox";

/// Events, oldest first.
pub(crate) struct Inbox(pub(crate) Arc<Context>);

impl Source for Inbox {
    type Item = InboxEvent;

    fn queue(&self) -> &'static str {
        QUEUE
    }

    fn attempt(&self, event: &InboxEvent) -> (String, u32) {
        (event.id.clone(), event.attempts)
    }

    async fn claim(&self, limit: u32) -> Result<Vec<InboxEvent>, LedgerError> {
        inbox_claim(&self.0.ledger, limit, LEASE_S).await
    }

    async fn run(&self, event: &InboxEvent) -> Outcome {
        apply_payment::event(&self.0, event).await
    }

    async fn passes(&self, _event: &InboxEvent, point: Point) {
        self.0.points.pass(QUEUE, point).await;
    }

    async fn settle(&self, event: &InboxEvent, verdict: &Verdict) -> Result<Leased, LedgerError> {
        let ledger = &self.0.ledger;
        match verdict {
            Verdict::Done(note) => event_done(ledger, event, note).await,
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
