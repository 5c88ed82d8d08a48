//! The one way a job tells the ledger what Stripe says of an intent.

use domain::order::OrderState;
use domain::payment::IntentFacts;
use domain::ticket::ticket_id;
use domain::{TicketId, TierId, UnitNo};
use ledger::LedgerError;
use ledger::payments::{Applied, Apply, FactSource, PaymentTarget, payment_apply, payment_target};
use payments::{Intent, StripeError};

use crate::context::Context;
use crate::metrics;
use crate::runner::Outcome;

/// Where news comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News<'a> {
    /// An event of that id, to be marked in the same call.
    Event(&'a str),
    /// The intent itself, as an answer to a call of ours; with the event that made us ask, if one did.
    Fetched { because_of: Option<&'a str> },
}

/// Applies what an intent says: everything it changes, in one call of the ledger.
///
/// The tickets go along in case this is the capture. Their ids follow from the intent and the order's units, so a
/// repetition, here or on another worker, computes the same ones.
pub(super) async fn apply(context: &Context, intent: &Intent, news: News<'_>) -> Result<Applied, LedgerError> {
    let facts = intent.facts();
    let Some(target) = payment_target(&context.ledger, &facts).await? else {
        return Ok(Applied::UnknownPayment);
    };
    let tickets = tickets(&facts, &target.units);
    let (event, source) = match news {
        News::Event(event) => (Some(event), FactSource::Event),
        News::Fetched { because_of } => (because_of, FactSource::Fetched),
    };
    let apply = Apply {
        event: event.map(str::to_owned),
        source,
        facts,
        failure: intent.failure.clone(),
        tickets,
        qr_kid: context.ticket_signer.kid(),
    };
    let applied = payment_apply(&context.ledger, &apply).await?;
    count(&applied, &target);
    if applied == Applied::Captured {
        leave_the_shop(context, &target).await;
    }
    Ok(applied)
}

/// Whether the ledger knows the payment that news is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    /// It does; only the capture is missing.
    Ours,
    /// Not yet, or never.
    Unknown,
}

/// Fetches the intent that other news is about and applies it, so that the news finds its payment. The outcome says why it
/// cannot: only what neither we nor Stripe know, or what names no order, is nothing of ours.
pub(super) async fn fetch_and_apply(context: &Context, intent: &str, payment: Payment) -> Result<(), Outcome> {
    let intent = match context.stripe.fetch(intent).await {
        Ok(intent) => intent,
        Err(StripeError::Refused { status: NOT_FOUND, .. }) if payment == Payment::Unknown => {
            return Err(Outcome::Done("not a payment of ours"));
        }
        Err(error) => return Err(Outcome::Retry(error.to_string())),
    };
    match apply(context, &intent, News::Fetched { because_of: None }).await? {
        Applied::UnknownPayment if intent.sale.is_none() && intent.order.is_none() => {
            Err(Outcome::Done("not a payment of ours"))
        }
        Applied::UnknownPayment => {
            Err(Outcome::Quarantine("its payment names an order that we do not have".to_owned()))
        }
        Applied::Quarantined(reason) => Err(Outcome::Quarantine(format!("its payment does not fit: {reason}"))),
        Applied::AskStripe => Err(Outcome::Retry("the intent as fetched contradicts the ledger".to_owned())),
        Applied::Authorised
        | Applied::Captured
        | Applied::Failed
        | Applied::Canceled
        | Applied::Nothing
        | Applied::LateCancel
        | Applied::LateRefund => Ok(()),
    }
}

/// The status of an object that Stripe does not have.
const NOT_FOUND: u16 = 404;

/// Who has bought frees a slot for the next in line at once. Not worth a job: a slot that is not freed here, because Redis
/// is away, is freed when the session ends.
async fn leave_the_shop(context: &Context, target: &PaymentTarget) {
    if let Err(error) = context.queue.end_session(target.sale, target.number).await {
        tracing::debug!(sale = %target.sale, %error, "a session goes on to its end");
    }
}

/// The end of a job whose call to Stripe answered with the intent.
pub(super) async fn settle(context: &Context, intent: &Intent) -> Outcome {
    match apply(context, intent, News::Fetched { because_of: None }).await {
        Ok(applied) => end(applied),
        Err(error) => error.into(),
    }
}

fn end(applied: Applied) -> Outcome {
    match applied {
        Applied::Authorised => Outcome::Done("authorised"),
        Applied::Captured => Outcome::Done("captured"),
        Applied::Failed => Outcome::Done("failed"),
        Applied::Canceled => Outcome::Done("cancelled"),
        Applied::Nothing => Outcome::Done("old news"),
        Applied::LateCancel => Outcome::Done("late: to be cancelled"),
        Applied::LateRefund => Outcome::Done("late: to be refunded"),
        Applied::Quarantined(reason) => Outcome::Park(reason),
        Applied::UnknownPayment => Outcome::Park("the ledger does not know the payment of its own job".to_owned()),
        Applied::AskStripe => Outcome::Retry("the intent as fetched contradicts the ledger".to_owned()),
    }
}

fn tickets(facts: &IntentFacts, units: &[(TierId, UnitNo)]) -> Vec<(TierId, UnitNo, TicketId)> {
    units.iter().map(|(tier, unit)| (tier.clone(), *unit, ticket_id(&facts.id, tier, *unit))).collect()
}

fn count(applied: &Applied, target: &PaymentTarget) {
    match applied {
        Applied::Authorised => metrics::order_reached(target.sale, OrderState::Processing),
        Applied::Captured => {
            metrics::order_reached(target.sale, OrderState::Paid);
            metrics::tickets_issued(target.sale, target.units.len());
        }
        Applied::Failed
        | Applied::Canceled
        | Applied::Nothing
        | Applied::LateCancel
        | Applied::LateRefund
        | Applied::Quarantined(_)
        | Applied::UnknownPayment
        | Applied::AskStripe => {}
    }
}
