//! Merges what a Stripe event says into the payment it is about.
//!
//! An event is a hint: it may be late, doubled or out of order. It is read, checked for being about us at all, and
//! handed to the ledger's one function, which locks, merges, books, issues tickets and marks the event in one call. When
//! that says the hint contradicts what it knows, the intent itself is fetched and applied instead. No transaction is
//! open while Stripe is asked.
//!
//! Quarantined: what cannot be read, a test event on a live installation and the reverse, another account's, one that
//! names an order we do not have or does not fit it. Left alone: intents that are not ours at all.

use jiff::{Timestamp, Unit};
use ledger::LedgerError;
use ledger::inbox::InboxEvent;
use ledger::payments::{Applied, RefundApplied, RefundFacts, refund_apply};
use payments::webhook::{self, Event, EventObject};
use payments::{Intent, Refund};

use super::payment_news::{self, News};
use super::refund_payment::book_status;
use crate::context::Context;
use crate::metrics;
use crate::runner::Outcome;

/// Applies one stored event.
pub(crate) async fn event(context: &Context, stored: &InboxEvent) -> Outcome {
    let event = match webhook::parse(&stored.raw) {
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
        EventObject::Other { .. } => Outcome::Done("nothing to do for this kind"),
    }
}

async fn about_intent(context: &Context, event: &Event, intent: &Intent) -> Outcome {
    match payment_news::apply(context, intent, News::Event(&event.id)).await {
        Ok(Applied::AskStripe) => ask_stripe(context, event, &intent.id).await,
        Ok(applied) => {
            measure(event, intent, &applied);
            end(applied, intent)
        }
        Err(error) => error.into(),
    }
}

/// Stripe's own times for *Pay pressed* (we create and confirm in one call) and *authorised*, whoever heard of it first:
/// the gateway mostly does, in the answer to its call.
fn measure(event: &Event, intent: &Intent, applied: &Applied) {
    let of_ours = !matches!(applied, Applied::UnknownPayment | Applied::Quarantined(_));
    if of_ours && event.kind == AUTHORISED {
        metrics::authorised_after(seconds_between(intent.created, event.created));
    }
}

/// The kind of event that comes once for each authorisation.
const AUTHORISED: &str = "payment_intent.amount_capturable_updated";

async fn ask_stripe(context: &Context, event: &Event, intent: &str) -> Outcome {
    let intent = match context.stripe.fetch(intent).await {
        Ok(intent) => intent,
        // Also a refusal is tried again: an event that Stripe denies is no reason to stop believing Stripe.
        Err(error) => return Outcome::Retry(error.to_string()),
    };
    match payment_news::apply(context, &intent, News::Fetched { because_of: Some(&event.id) }).await {
        Ok(applied) => end(applied, &intent),
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
        Ok(applied) => refund_end(&applied),
        Err(error) => LedgerError::into(error),
    }
}

fn refund_end(applied: &RefundApplied) -> Outcome {
    match applied {
        RefundApplied::Booked | RefundApplied::Nothing | RefundApplied::Failed | RefundApplied::Quarantined(_) => {
            Outcome::Settled
        }
        RefundApplied::UnknownPayment => Outcome::Done("not a payment of ours"),
    }
}

/// Between two times that Stripe gives in whole seconds.
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).and_then(|span| span.total(Unit::Second)).unwrap_or_default().max(0.0)
}
