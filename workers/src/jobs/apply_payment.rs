//! Merges what a Stripe event says into the payment it is about.
//!
//! An event is a hint: it may be late, doubled or out of order. It is read, checked for being about us at all, and
//! handed to the ledger's one function, which locks, merges, books, issues tickets and marks the event in one call. When
//! that says the hint contradicts what it knows, the intent itself is fetched and applied instead; so it is when a refund
//! comes before the capture it is of, and the refund is then applied after it. No transaction is open while Stripe is asked.
//!
//! Events of another API version are counted, and read where what decides is there.
//!
//! Quarantined: what cannot be read, a test event on a live installation and the reverse, another account's, one that
//! names an order we do not have or does not fit it. Left alone: intents that are not ours at all.

use domain::sale::CaptureMode;
use ledger::LedgerError;
use ledger::inbox::InboxEvent;
use ledger::payments::latency::payment_authorised_after;
use ledger::payments::{Applied, RefundApplied, RefundFacts, refund_apply};
use payments::webhook::{self, Event, EventObject, Version};
use payments::{Intent, Refund};

use super::apply_dispute;
use super::payment_news::{self, Authorised, News, Payment};
use super::refund_payment::book_status;
use crate::context::Context;
use crate::inbox::QUEUE;
use crate::metrics;
use crate::points::Point;
use crate::runner::Outcome;
use crate::trace;

/// Applies one stored event.
pub(crate) async fn event(context: &Context, stored: &InboxEvent) -> Outcome {
    let read = webhook::parse(&stored.raw);
    if let Ok(envelope) = webhook::envelope(&stored.raw)
        && envelope.version() == Version::Another
    {
        metrics::event_of_another_version(if read.is_ok() { "read" } else { "unreadable" });
    }
    let event = match read {
        Ok(event) => event,
        Err(unreadable) => return Outcome::Quarantine(unreadable.to_string()),
    };
    if event.livemode != context.stripe.livemode() {
        return Outcome::Quarantine(format!("livemode is {}, our key's is not", event.livemode));
    }
    if let Some(account) = &event.account {
        return Outcome::Quarantine(format!("it is about the connected account {account}"));
    }
    match &event.object {
        EventObject::Intent(intent) => about_intent(context, &event, intent).await,
        EventObject::Refund(refund) => about_refund(context, &event, refund).await,
        EventObject::Dispute(dispute) => apply_dispute::run(context, &event.id, dispute).await,
        EventObject::Other { .. } => Outcome::Done("nothing to do for this kind"),
    }
}

async fn about_intent(context: &Context, event: &Event, intent: &Intent) -> Outcome {
    trace::is_about(intent.sale, intent.order);
    match payment_news::apply_timed(context, intent, News::Event(&event.id)).await {
        Ok((Applied::AskStripe, _)) => ask_stripe(context, event, &intent.id).await,
        Ok(applied) => applied_to(context, event, intent, applied).await,
        Err(error) => error.into(),
    }
}

async fn applied_to(
    context: &Context,
    event: &Event,
    intent: &Intent,
    (applied, authorised): (Applied, Authorised),
) -> Outcome {
    if !matches!(applied, Applied::UnknownPayment | Applied::Quarantined(_) | Applied::AskStripe) {
        measure(context, event, intent, authorised).await;
    }
    end(applied, intent)
}

/// Shows how long a payment took, whoever heard first that it is authorised; mostly that is the gateway, in the answer to its
/// call. Only the metric hangs on it, so a failure is left alone; what holds are timed by is measured from the ledger.
async fn measure(context: &Context, event: &Event, intent: &Intent, authorised: Authorised) {
    let capture = match event.kind.as_str() {
        AUTHORISED => CaptureMode::Manual,
        SUCCEEDED => CaptureMode::Automatic,
        _ => return,
    };
    let after = match authorised {
        Authorised::Told(told) => Ok(told.filter(|(by, _)| *by == capture).map(|(_, after)| after)),
        Authorised::Untold => payment_authorised_after(&context.ledger, &intent.id, capture).await,
    };
    match after {
        Ok(Some(took)) => metrics::authorised_after(took),
        Ok(None) => {}
        Err(error) => tracing::debug!(event = event.id, %error, "a payment is not shown in the metric"),
    }
}

/// The kind of event that comes once for each authorisation of a payment that we capture.
const AUTHORISED: &str = "payment_intent.amount_capturable_updated";
/// The kind that comes once for each payment; where Stripe captures, that is its authorisation.
const SUCCEEDED: &str = "payment_intent.succeeded";

async fn ask_stripe(context: &Context, event: &Event, intent: &str) -> Outcome {
    let intent = match context.stripe.fetch(intent).await {
        Ok(intent) => intent,
        // Also a refusal is tried again: an event that Stripe denies is no reason to stop believing Stripe.
        Err(error) => return Outcome::Retry(error.to_string()),
    };
    context.points.pass(QUEUE, Point::Between).await;
    match payment_news::apply_timed(context, &intent, News::Fetched { because_of: Some(&event.id) }).await {
        Ok(applied) => applied_to(context, event, &intent, applied).await,
        Err(error) => error.into(),
    }
}

fn end(applied: Applied, intent: &Intent) -> Outcome {
    match applied {
        // The ledger marked the event in the same call; a quarantined one too.
        Applied::Authorised
        | Applied::Captured
        | Applied::Failed
        | Applied::Canceled
        | Applied::Nothing
        | Applied::LateCancel
        | Applied::LateRefund
        | Applied::Quarantined(_) => Outcome::Settled,
        Applied::UnknownPayment if intent.sale.is_none() && intent.order.is_none() => {
            Outcome::Done("not an intent of ours")
        }
        Applied::UnknownPayment => Outcome::Quarantine("it names an order that we do not have".to_owned()),
        Applied::AskStripe => Outcome::Retry("the intent as fetched contradicts the ledger".to_owned()),
    }
}

async fn about_refund(context: &Context, event: &Event, refund: &Refund) -> Outcome {
    let Some(intent) = refund.payment_intent.clone() else {
        return Outcome::Done("a refund of no payment intent");
    };
    let facts = RefundFacts {
        event: Some(event.id.clone()),
        id: refund.id.clone(),
        refund: refund.refund,
        intent,
        amount: refund.amount,
        status: book_status(refund.status),
    };
    match refund_apply(&context.ledger, &facts).await {
        Ok(RefundApplied::Early) => after_its_capture(context, &facts, Payment::Ours).await,
        Ok(RefundApplied::UnknownPayment) => after_its_capture(context, &facts, Payment::Unknown).await,
        Ok(applied) => refund_end(&applied),
        Err(error) => LedgerError::into(error),
    }
}

/// A refund that overtook the capture it is of, or all we know of its payment: the intent itself says whose it is, and that it
/// is captured.
async fn after_its_capture(context: &Context, facts: &RefundFacts, payment: Payment) -> Outcome {
    if let Err(outcome) = payment_news::fetch_and_apply(context, &facts.intent, payment).await {
        return outcome;
    }
    match refund_apply(&context.ledger, facts).await {
        Ok(applied) => refund_end(&applied),
        Err(error) => error.into(),
    }
}

fn refund_end(applied: &RefundApplied) -> Outcome {
    match applied {
        RefundApplied::Early => Outcome::Retry("its money has not come yet, or went back already".to_owned()),
        RefundApplied::Booked | RefundApplied::Nothing | RefundApplied::Failed | RefundApplied::Quarantined(_) => {
            Outcome::Settled
        }
        RefundApplied::UnknownPayment => Outcome::Done("not a payment of ours"),
    }
}
