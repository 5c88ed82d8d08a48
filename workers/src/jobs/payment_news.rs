//! The one way a job tells the ledger what Stripe says of an intent.
//!
//! Jobs that tell at the same time share calls ([`Together`]), no two of one intent at once:
//!
//! | call | tells | leaves |
//! |---|---|---|
//! | `payment_targets` | which payments it is about, and their units | – |
//! | `payments_apply_plain` | what is plain, by sets, in one commit | what is not, or would have to wait; all, if it fails |
//! | `payments_apply` | up to 60 of the rest, one after the other, in one commit | what fails or would wait long |
//! | `payment_apply` | one, and why it cannot be | – |
//!
//! Each does what is left by the same keys, so what a call did whose answer was lost is found done. A few are not told by sets:
//! that would cost more than it spares.
//!
//! Where Stripe captures by itself and the sale counts by cards, the ledger must know the card before it is told of the capture:
//! it counts in the step that would issue the tickets. An event does not say the card, so the intent is fetched instead.

use std::time::Duration;

use domain::order::OrderState;
use domain::payment::{IntentFacts, IntentStatus, PaidWith};
use domain::sale::CaptureMode;
use domain::ticket::ticket_id;
use domain::{TicketId, TierId, UnitNo};
use ledger::LedgerError;
use ledger::payments::{
    APPLY_BATCH_MAX, Applied, Apply, CardWanted, FactSource, PLAIN_BATCH_MAX, PaymentTarget, capture_before_note,
    card_note, payment_apply, payment_target, payment_targets, payments_apply, payments_apply_plain,
};
use payments::{Intent, StripeError};

use crate::context::Context;
use crate::metrics;
use crate::runner::Outcome;
use crate::together::{Ask, Together, lane_of};

/// Where news comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News<'a> {
    /// An event of that id, to be marked in the same call.
    Event(&'a str),
    /// The intent itself, as an answer to a call of ours; with the event that made us ask, if one did.
    Fetched { because_of: Option<&'a str> },
}

/// What jobs heard of intents and tell the ledger together.
pub(crate) type PaymentNews = Together<Heard, Option<Told>>;

/// Calls at once. While one waits for the disk others compute, and the next gathers: four were 1.8 times as fast as two. More
/// would only make the batches smaller, and take connections from other jobs.
const CALLS_MAX: usize = 4;

/// The fewest that are told by sets: planning the statements anew costs as much as eight spare.
const PLAIN_MIN: usize = 10;

/// A line that nobody stands in.
pub(crate) fn line() -> PaymentNews {
    Together::new(CALLS_MAX, PLAIN_BATCH_MAX)
}

/// News of an intent, as a job hands it over.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    event: Option<String>,
    source: FactSource,
    facts: IntentFacts,
    failure: Option<String>,
}

impl Ask for Heard {
    fn lane(&self) -> u64 {
        lane_of(&self.facts.id)
    }
}

/// What came of it, and of which payment it was. None: of none of ours.
#[derive(Debug)]
pub(crate) struct Told {
    applied: Applied,
    target: PaymentTarget,
    authorised: Authorised,
}

/// How a payment is captured and how long after Pay it was authorised, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authorised {
    /// The call said so.
    Told(Option<(CaptureMode, Duration)>),
    /// It says nothing of that.
    Untold,
}

/// Applies what an intent says: everything it changes, in one call of the ledger, which it mostly shares with others.
pub(crate) async fn apply(context: &Context, intent: &Intent, news: News<'_>) -> Result<Applied, LedgerError> {
    apply_timed(context, intent, news).await.map(|(applied, _)| applied)
}

/// The same, with what the call says of the time the payment took.
///
/// The tickets go along in case this is the capture. Their ids follow from the intent and the order's units, so a
/// repetition, here or on another worker, computes the same ones.
pub(super) async fn apply_timed(
    context: &Context,
    intent: &Intent,
    news: News<'_>,
) -> Result<(Applied, Authorised), LedgerError> {
    let heard = Heard::of(intent, news);
    let capture_before = heard.facts.capture_before;
    let together = context.payment_news.ask(heard.clone(), |heard| tell_together(context, heard)).await;
    let told = match together {
        Some(told) => told,
        None => tell_alone(context, heard).await?,
    };
    let Some(Told { applied, target, authorised }) = told else {
        return Ok((Applied::UnknownPayment, Authorised::Untold));
    };
    count(&applied, &target);
    if let Some(at) = capture_before.filter(|_| !matches!(applied, Applied::Quarantined(_))) {
        capture_before_note(&context.ledger, target.sale, target.payment, at).await?;
    }
    if applied == Applied::Captured {
        leave_the_shop(context, &target).await;
    }
    Ok((applied, authorised))
}

/// Tells the ledger what many jobs heard. None for what it left undone, or all if it failed: each of them finds out why alone.
async fn tell_together(context: &Context, heard: Vec<Heard>) -> Vec<Option<Option<Told>>> {
    match try_together(context, &heard).await {
        Ok(told) => told,
        Err(error) => {
            tracing::warn!(count = heard.len(), %error, "news is told one by one");
            heard.iter().map(|_| None).collect()
        }
    }
}

async fn try_together(context: &Context, heard: &[Heard]) -> Result<Vec<Option<Option<Told>>>, LedgerError> {
    let facts: Vec<_> = heard.iter().map(|heard| &heard.facts).collect();
    let targets = payment_targets(&context.ledger, &facts).await?;
    let known = heard.iter().zip(&targets).filter_map(|(heard, target)| {
        let target = target.as_ref().filter(|target| !heard.wants_card_first(target))?;
        Some(heard.clone().news(context, target))
    });
    let mut applied = apply_many(context, &known.collect::<Vec<_>>()).await.into_iter();
    let told = heard.iter().zip(targets).map(|(heard, target)| match target {
        None => Some(None),
        Some(target) if heard.wants_card_first(&target) => None,
        Some(target) => {
            let (applied, authorised) = applied.next().flatten()?;
            Some(Some(Told { applied, target, authorised }))
        }
    });
    Ok(told.collect())
}

/// What is plain by sets, and the rest one after the other. None for what is left.
async fn apply_many(context: &Context, news: &[Apply]) -> Vec<Option<(Applied, Authorised)>> {
    let mut told = apply_plain(context, news).await;
    let left: Vec<usize> = (0..news.len()).filter(|place| told[*place].is_none()).collect();
    for places in left.chunks(APPLY_BATCH_MAX) {
        let news: Vec<Apply> = places.iter().map(|place| news[*place].clone()).collect();
        match payments_apply(&context.ledger, &news).await {
            Ok(applied) => {
                for (place, applied) in places.iter().zip(applied) {
                    told[*place] = applied.map(|applied| (applied, Authorised::Untold));
                }
            }
            Err(error) => tracing::warn!(count = news.len(), %error, "news is told one by one"),
        }
    }
    told
}

async fn apply_plain(context: &Context, news: &[Apply]) -> Vec<Option<(Applied, Authorised)>> {
    if news.len() < PLAIN_MIN {
        return vec![None; news.len()];
    }
    match payments_apply_plain(&context.ledger, news).await {
        Ok(told) => {
            told.into_iter().map(|told| told.map(|told| (told.applied, Authorised::Told(told.authorised)))).collect()
        }
        Err(error) => {
            tracing::warn!(count = news.len(), %error, "news is not told by sets");
            vec![None; news.len()]
        }
    }
}

/// None for an intent of no payment of ours.
async fn tell_alone(context: &Context, heard: Heard) -> Result<Option<Told>, LedgerError> {
    let Some(target) = payment_target(&context.ledger, &heard.facts).await? else {
        return Ok(None);
    };
    if heard.wants_card_first(&target) {
        if heard.source == FactSource::Event {
            return Ok(Some(Told { applied: Applied::AskStripe, target, authorised: Authorised::Untold }));
        }
        let paid_with = heard.facts.paid_with.unwrap_or(PaidWith::Other);
        card_note(&context.ledger, target.sale, target.payment, paid_with).await?;
    }
    let applied = payment_apply(&context.ledger, &heard.news(context, &target)).await?;
    Ok(Some(Told { applied, target, authorised: Authorised::Untold }))
}

impl Heard {
    fn of(intent: &Intent, news: News<'_>) -> Self {
        let (event, source) = match news {
            News::Event(event) => (Some(event), FactSource::Event),
            News::Fetched { because_of } => (because_of, FactSource::Fetched),
        };
        Self { event: event.map(str::to_owned), source, facts: intent.facts(), failure: intent.failure.clone() }
    }

    /// Whether the ledger must know the card before it is told this.
    fn wants_card_first(&self, target: &PaymentTarget) -> bool {
        target.card == CardWanted::First && self.facts.status == IntentStatus::Succeeded
    }

    fn news(self, context: &Context, target: &PaymentTarget) -> Apply {
        let Self { event, source, facts, failure } = self;
        let tickets = tickets(&facts, &target.units);
        Apply { event, source, facts, failure, tickets, qr_kid: context.ticket_signer.kid() }
    }
}

/// Whether the ledger knows the payment that news is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payment {
    /// It does; only the capture is missing.
    Ours,
    /// Not yet, or never.
    Unknown,
}

/// Fetches the intent that other news is about and applies it, so that the news finds its payment. The outcome says why it
/// cannot: only what neither we nor Stripe know, or what names no order, is nothing of ours.
pub(crate) async fn fetch_and_apply(context: &Context, intent: &str, payment: Payment) -> Result<(), Outcome> {
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

/// The end of work whose call to Stripe answered with the intent.
pub(crate) async fn settle(context: &Context, intent: &Intent) -> Outcome {
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
