//! What Stripe says of a payment intent, merged into payment, order, units, books and tickets.

use domain::keyring::Kid;
use domain::payment::{IntentFacts, PaidWith};
use domain::{OrderId, PaymentId, PlaceNumber, SaleId, TicketId, TierId, UnitNo};
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::documents::{self, unit_columns};
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// News of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apply {
    /// The event that told, to be marked done in the same call.
    pub event: Option<String>,
    /// Whether it is hearsay or the truth.
    pub source: FactSource,
    /// What it says.
    pub facts: IntentFacts,
    /// Why the last try failed, in Stripe's words; only with it does `requires_payment_method` mean a failure.
    pub failure: Option<String>,
    /// The tickets of the order, should this be its capture: computed from the intent and the units.
    pub tickets: Vec<(TierId, UnitNo, TicketId)>,
    /// The key that signs them.
    pub qr_kid: Kid,
}

/// Where facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactSource {
    /// An event, or what whoever presses Pay has seen: it may be old.
    Event,
    /// The object itself, just fetched.
    Fetched,
}

impl FactSource {
    /// The word in the database.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Fetched => "fetched",
        }
    }
}

/// What came of applying news. All but [`Applied::AskStripe`] and [`Applied::UnknownPayment`] mark the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The money is promised; the order is processing and its capture a job.
    Authorised,
    /// The money is ours; units are sold and tickets issued.
    Captured,
    /// The attempt failed; the buyer may try again.
    Failed,
    /// The payment is given up.
    Canceled,
    /// Nothing changed: the news was old, or changes nothing.
    Nothing,
    /// Promised too late: its cancellation is a job.
    LateCancel,
    /// Captured too late: its refund is a job.
    LateRefund,
    /// It does not fit its order; the event is set aside and nothing else changed.
    Quarantined(String),
    /// No payment of ours.
    UnknownPayment,
    /// It contradicts what we know: fetch the intent and apply that.
    AskStripe,
}

/// The payment that an intent belongs to, and what it pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTarget {
    /// The sale.
    pub sale: SaleId,
    /// The order.
    pub order: OrderId,
    /// The payment.
    pub payment: PaymentId,
    /// The buyer's number in the queue.
    pub number: PlaceNumber,
    /// The order's units.
    pub units: Vec<(TierId, UnitNo)>,
    /// Whether its card must be known before its capture is applied.
    pub card: CardWanted,
}

/// Whether the ledger must know what pays before it is told more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardWanted {
    /// It must: write it down ([`super::card_note`]) before the capture is applied.
    First,
    /// It knows, it does not count, or it is asked later.
    No,
}

impl From<bool> for CardWanted {
    /// From `card_first`, as the database says it.
    fn from(card_first: bool) -> Self {
        if card_first { Self::First } else { Self::No }
    }
}

pub(super) const TARGET: &str = "SELECT payment_target($1, $2, $3, $4)";

pub(super) const APPLY: &str = "
    SELECT outcome, reason
      FROM payment_apply($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

pub(super) const ANSWER: &str =
    "SELECT outcome, reason FROM payment_answer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

#[derive(Deserialize)]
struct TargetDocument {
    sale: Uuid,
    order: Uuid,
    payment: Uuid,
    number: u64,
    /// None of an order that was recovered without anybody knowing its units.
    units: Option<documents::Units>,
    card_first: bool,
}

/// Which payment an intent belongs to, by its id or by the order and the attempt it says it is for.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_target(ledger: &Ledger, facts: &IntentFacts) -> Result<Option<PaymentTarget>, LedgerError> {
    let (sale, order) = (facts.sale.map(SaleId::uuid), facts.order.map(OrderId::uuid));
    let attempt: Option<i32> = facts.attempt.map(fit).transpose()?;
    let row = ledger.one(TARGET, &[&facts.id, &sale, &order, &attempt]).await?;
    row.try_get::<_, Option<Value>>(0)?.map(target).transpose()
}

/// A target as the database writes it.
pub(super) fn target(document: Value) -> Result<PaymentTarget, LedgerError> {
    let TargetDocument { sale, order, payment, number, units, card_first } = documents::read(document)?;
    let (sale, order) = (SaleId::from_uuid(sale), OrderId::from_uuid(order));
    let (payment, card) = (PaymentId::from_uuid(payment), CardWanted::from(card_first));
    Ok(PaymentTarget { sale, order, payment, number: PlaceNumber(number), units: units.unwrap_or_default(), card })
}

/// Applies news of an intent: everything it changes, and the mark on its event, in one call.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_apply(ledger: &Ledger, apply: &Apply) -> Result<Applied, LedgerError> {
    let units: Vec<_> = apply.tickets.iter().map(|(tier, unit, _)| (tier.clone(), *unit)).collect();
    let news = News {
        event: apply.event.as_deref(),
        source: apply.source.word(),
        facts: &apply.facts,
        failure: apply.failure.as_deref(),
        units: &units,
        tickets: apply.tickets.iter().map(|(_, _, ticket)| ticket.uuid()).collect(),
        kid: apply.qr_kid.to_string(),
    };
    let (outcome, reason) = apply_news(ledger, &news).await?;
    applied(&outcome, reason)
}

/// What the word stands for.
pub(super) fn applied(outcome: &str, reason: String) -> Result<Applied, LedgerError> {
    match outcome {
        "authorised" => Ok(Applied::Authorised),
        "captured" => Ok(Applied::Captured),
        "failed" => Ok(Applied::Failed),
        "cancelled" => Ok(Applied::Canceled),
        "nothing" => Ok(Applied::Nothing),
        "late_cancel" => Ok(Applied::LateCancel),
        "late_refund" => Ok(Applied::LateRefund),
        "quarantined" => Ok(Applied::Quarantined(reason)),
        "unknown_payment" => Ok(Applied::UnknownPayment),
        "ask_stripe" => Ok(Applied::AskStripe),
        other => Err(LedgerError::Corrupt(format!("payment_apply answered {other}"))),
    }
}

/// Applies an answer. It comes without tickets: money that is ours already gets them from its event, or from the job that
/// the ledger then writes.
pub(super) async fn apply_answer(ledger: &Ledger, payment: PaymentId, facts: &IntentFacts) -> Result<(), LedgerError> {
    let (sale, order) = (facts.sale.map(SaleId::uuid), facts.order.map(OrderId::uuid));
    let (amount, currency) = (facts.amount.minor, facts.amount.currency.as_str());
    let card = facts.paid_with.as_ref().map(PaidWith::bytes);
    #[rustfmt::skip]
    let params: [&(dyn ToSql + Sync); 12] = [
        &payment.uuid(), &facts.id, &facts.status.word(), &amount, &facts.amount_capturable, &facts.amount_received,
        &currency, &facts.livemode, &sale, &order, &card, &facts.capture_before,
    ];
    let row = ledger.one(ANSWER, &params).await?;
    let (outcome, reason) = (row.try_get::<_, &str>(0)?, row.try_get::<_, Option<&str>>(1)?);
    if outcome == "quarantined" {
        tracing::error!(intent = facts.id, reason, "the answer does not fit the attempt it answers");
    }
    Ok(())
}

/// What `payment_apply` takes.
struct News<'a> {
    event: Option<&'a str>,
    source: &'static str,
    facts: &'a IntentFacts,
    failure: Option<&'a str>,
    units: &'a [(TierId, UnitNo)],
    tickets: Vec<Uuid>,
    kid: String,
}

async fn apply_news(ledger: &Ledger, news: &News<'_>) -> Result<(String, String), LedgerError> {
    let News { event, source, facts, failure, units, tickets, kid } = news;
    let (tiers, numbers) = unit_columns(units)?;
    let (sale, order) = (facts.sale.map(SaleId::uuid), facts.order.map(OrderId::uuid));
    let (amount, currency) = (facts.amount.minor, facts.amount.currency.as_str());
    let attempt: Option<i32> = facts.attempt.map(fit).transpose()?;
    #[rustfmt::skip]
    let params: [&(dyn ToSql + Sync); 17] = [
        event, source, &facts.id, &facts.status.word(), &amount, &facts.amount_capturable, &facts.amount_received,
        &currency, &facts.livemode, &sale, &order, &attempt, failure,
        &tiers, &numbers, tickets, kid,
    ];
    let row = ledger.one(APPLY, &params).await?;
    Ok((row.try_get(0)?, row.try_get::<_, Option<String>>(1)?.unwrap_or_default()))
}
