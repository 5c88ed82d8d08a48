//! The pools of the outbox: one for each of its queues, so that slow mail never delays a capture.

use std::sync::Arc;

use admission::WriteClass;
use domain::OrderId;
use ledger::LedgerError;
use ledger::outbox::{self, EntryMailKind, IntentCall, Job, Leased, MailKind, Queue, Work};

use crate::context::Context;
use crate::jobs::{
    cancel_payment, capture_payment, check_payment, refund_payment, return_units, send_entry_mail, send_mail,
};
use crate::points::Point;
use crate::runner::{LEASE_S, Outcome, Source, Verdict};
use crate::stripe_turn::Turn;
use crate::sweeps::queue_starts::QueueStarts;
use crate::trace::About;

/// Jobs of one queue, by rank and then oldest first.
pub(crate) struct Outbox {
    pub(crate) context: Arc<Context>,
    pub(crate) queue: Queue,
    pub(crate) starts: QueueStarts,
}

/// A key for this try alone. Stripe keeps a 500 under its key and answers every repetition with it, so the same key would
/// never come to an end; and it needs none here: an intent is captured or cancelled once whatever the key, and the next
/// call is told that it was.
fn key_of_this_try(call: &IntentCall, job: &Job) -> String {
    format!("{}:{}", call.key, job.attempts)
}

/// From when on a capture must not wait any more whose job does not know when its authorisation lapses. Five days is the
/// earliest (a card of Visa's that its holder did not present; others after seven), so it has a day.
const CAPTURE_URGENT_AFTER_S: u64 = 4 * 24 * 3600;

fn class_of_capture(job: &Job, call: &IntentCall) -> WriteClass {
    let is_urgent = job.age_s >= call.urgent_after_s.unwrap_or(CAPTURE_URGENT_AFTER_S);
    if is_urgent { WriteClass::UrgentCapture } else { WriteClass::Capture }
}

const fn turn<'a>(job: &Job, call: &'a IntentCall, class: WriteClass) -> Turn<'a> {
    Turn { sale: job.sale, intent: call.intent.as_str(), holder: job.lease, class }
}

/// The queue's name in metrics.
pub(crate) const fn name(queue: Queue) -> &'static str {
    match queue {
        Queue::Stripe => "stripe",
        Queue::Stock => "stock",
        Queue::Mail => "mail",
    }
}

/// The kind of a job, in the word that the queue has for it.
const fn kind(work: &Work) -> &'static str {
    match work {
        Work::PaymentCapture(_) => capture_payment::KIND,
        Work::PaymentCancel(_) => cancel_payment::KIND,
        Work::PaymentCheck(_) => check_payment::KIND,
        Work::PaymentRefund { .. } => refund_payment::KIND,
        Work::UnitsReturn { .. } => return_units::KIND,
        Work::Mail { kind, .. } => mail_kind(*kind),
        Work::EntryMail { kind, .. } => entry_mail_kind(*kind),
        Work::Unknown { .. } => "unknown",
    }
}

/// The same of a letter.
pub(crate) const fn mail_kind(kind: MailKind) -> &'static str {
    match kind {
        MailKind::OrderPaid => "mail_order_paid",
        MailKind::OrderExpired => "mail_order_expired",
        MailKind::PaymentReleased => "mail_payment_released",
        MailKind::PaymentRefunded => "mail_payment_refunded",
        MailKind::RefundMade(_) => "mail_refund_made",
        MailKind::RefundFailed(_) => "mail_refund_failed",
        MailKind::TicketsAgain(_) => "mail_tickets_again",
        MailKind::SaleCancelled(_) => "mail_sale_cancelled",
    }
}

/// The same of a letter to somebody on the waitlist.
pub(crate) const fn entry_mail_kind(kind: EntryMailKind) -> &'static str {
    match kind {
        EntryMailKind::Joined => "mail_waitlist_joined",
        EntryMailKind::Offer => "mail_waitlist_offer",
        EntryMailKind::Lapsed => "mail_waitlist_lapsed",
        EntryMailKind::Cancelled => "mail_waitlist_cancelled",
    }
}

/// The order that a job is about.
const fn order(work: &Work) -> Option<OrderId> {
    match work {
        Work::PaymentCapture(call) | Work::PaymentCancel(call) | Work::PaymentCheck(call) => Some(call.order),
        Work::PaymentRefund { call, .. } => Some(call.order),
        Work::Mail { order, .. } => Some(*order),
        Work::UnitsReturn { .. } | Work::EntryMail { .. } | Work::Unknown { .. } => None,
    }
}

impl Source for Outbox {
    type Item = Job;

    fn queue(&self) -> &'static str {
        name(self.queue)
    }

    fn attempt(&self, job: &Job) -> (String, u32) {
        (job.id.to_string(), job.attempts)
    }

    fn about<'a>(&self, job: &'a Job) -> About<'a> {
        About { trace: job.trace, kind: kind(&job.work), sale: Some(job.sale), order: order(&job.work) }
    }

    async fn claim(&self, limit: u32) -> Result<Vec<Job>, LedgerError> {
        let starts = *self.starts.borrow();
        outbox::claim_from(&self.context.ledger, &starts, self.queue, limit, LEASE_S).await
    }

    async fn run(&self, job: &Job) -> Outcome {
        let context = &*self.context;
        match &job.work {
            Work::PaymentCapture(call) => {
                let turn = turn(job, call, class_of_capture(job, call));
                let key = key_of_this_try(call, job);
                capture_payment::run(context, call, capture_payment::Try { turn, key: &key, number: job.attempts })
                    .await
            }
            Work::PaymentCancel(call) => {
                let turn = turn(job, call, WriteClass::Cancel);
                cancel_payment::run_if_wanted(context, call, turn, &key_of_this_try(call, job)).await
            }
            Work::PaymentCheck(call) => check_payment::run(context, call).await,
            Work::PaymentRefund { refund, call, amount } => {
                refund_payment::run(context, turn(job, call, WriteClass::Refund), *refund, call, *amount).await
            }
            Work::UnitsReturn { request, epoch, whose, units } => {
                return_units::run(context, job.sale, *request, *epoch, *whose, units).await
            }
            Work::Mail { kind, order } => send_mail::run(context, job.sale, *order, *kind).await,
            Work::EntryMail { kind, entry } => send_entry_mail::run(context, job.sale, *entry, *kind).await,
            // Written by a newer version: it waits for a worker of that version, and is parked when none comes.
            Work::Unknown { kind, .. } => Outcome::Retry(format!("this version does not know the kind {kind}")),
        }
    }

    async fn passes(&self, job: &Job, point: Point) {
        self.context.points.pass(kind(&job.work), point).await;
    }

    async fn settle(&self, job: &Job, verdict: &Verdict) -> Result<Leased, LedgerError> {
        let ledger = &self.context.ledger;
        match verdict {
            Verdict::Done(_) => outbox::done(ledger, job).await,
            Verdict::Settled => Ok(Leased::Yes),
            Verdict::Retry { error, delay_s } => outbox::retry(ledger, job, error, *delay_s).await,
            Verdict::Postpone { reason, delay_s } => outbox::postpone(ledger, job, reason, *delay_s).await,
            Verdict::NotYet { reason, delay_s } => outbox::postpone(ledger, job, reason, *delay_s).await,
            Verdict::Park(error) | Verdict::Quarantine(error) => outbox::park(ledger, job, error).await,
        }
    }
}

#[cfg(test)]
mod tests;
