//! News of many payments in one call: one commit for all of them, an outcome for each.
//!
//! Whatever such a call could not do for an item it leaves undone, and [`super::payment_apply`] does it by the same keys: an
//! item that breaks a rule, or waits for somebody, fails nobody else, and says why when it is alone. So does a whole call that
//! fails; one that only seemed to, because its answer was lost, is found done.
//!
//! Bounds: [`APPLY_BATCH_MAX`] items. Order: of one order as given, nothing else is promised.

use domain::payment::IntentFacts;
use domain::{OrderId, PaymentId, PlaceNumber, SaleId};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::news::{Applied, Apply, CardWanted, PaymentTarget, applied, target};
use crate::documents;
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// The most items of a call. Each is a subtransaction, and a backend shows others 64 of its own: with more, every snapshot
/// taken meanwhile has to look up whose they are.
pub const APPLY_BATCH_MAX: usize = 60;

pub(super) const TARGETS: &str = "
    SELECT sale_id, order_id, payment_id, number, tiers, units, unknown, card_first FROM payment_targets($1, $2, $3, $4)";

pub(super) const APPLY: &str = "SELECT item, outcome, reason FROM payments_apply($1)";

/// The type `payment_news`.
#[derive(Debug, Serialize)]
struct NewsDocument<'a> {
    event: Option<&'a str>,
    source: &'static str,
    facts: FactsDocument<'a>,
    tickets: Vec<TicketLine<'a>>,
    kid: String,
}

/// The type `intent_facts`.
#[derive(Debug, Serialize)]
struct FactsDocument<'a> {
    id: &'a str,
    status: &'static str,
    amount: i64,
    capturable: i64,
    received: i64,
    currency: &'a str,
    livemode: bool,
    sale_id: Option<Uuid>,
    order_id: Option<Uuid>,
    attempt: Option<u32>,
    failure: Option<&'a str>,
}

/// The type `ticket_line`.
#[derive(Debug, Serialize)]
struct TicketLine<'a> {
    tier_id: &'a str,
    unit_no: u32,
    id: Uuid,
}

/// Which payments intents belong to, in their order: [`super::payment_target`] of each.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_targets(
    ledger: &Ledger,
    facts: &[&IntentFacts],
) -> Result<Vec<Option<PaymentTarget>>, LedgerError> {
    let intents: Vec<_> = facts.iter().map(|facts| facts.id.as_str()).collect();
    let sales: Vec<_> = facts.iter().map(|facts| facts.sale.map(SaleId::uuid)).collect();
    let orders: Vec<_> = facts.iter().map(|facts| facts.order.map(OrderId::uuid)).collect();
    let attempts =
        facts.iter().map(|facts| facts.attempt.map(fit).transpose()).collect::<Result<Vec<Option<i32>>, _>>()?;
    let rows = ledger.rows(TARGETS, &[&intents, &sales, &orders, &attempts]).await?;
    rows.iter().map(target_of).collect()
}

/// The target of a row, in its columns or as [`super::payment_target`] writes it.
fn target_of(row: &Row) -> Result<Option<PaymentTarget>, LedgerError> {
    let Some(number) = row.try_get::<_, Option<i64>>(3)? else {
        return row.try_get::<_, Option<Value>>(6)?.map(target).transpose();
    };
    let (tiers, units): (Vec<&str>, Vec<i32>) = (row.try_get(4)?, row.try_get(5)?);
    Ok(Some(PaymentTarget {
        sale: SaleId::from_uuid(row.try_get(0)?),
        order: OrderId::from_uuid(row.try_get(1)?),
        payment: PaymentId::from_uuid(row.try_get(2)?),
        number: PlaceNumber(fit(number)?),
        units: documents::units_of(&tiers, &units)?,
        card: CardWanted::from(row.try_get::<_, bool>(7)?),
    }))
}

/// Applies news of many intents, at most [`APPLY_BATCH_MAX`]: everything they change, and the marks on their events, in one
/// call. Answers for each, in their order, what came of it; none for what nothing came of, which is to be applied alone.
///
/// # Errors
/// The database is away or refuses; then all of it is to be applied one by one.
pub async fn payments_apply(ledger: &Ledger, news: &[Apply]) -> Result<Vec<Option<Applied>>, LedgerError> {
    debug_assert!(news.len() <= APPLY_BATCH_MAX, "{} items", news.len());
    let documents: Vec<_> = news.iter().map(document).collect();
    let mut outcomes = vec![None; news.len()];
    for row in ledger.rows(APPLY, &[&Json(documents)]).await? {
        let place: usize = fit(row.try_get::<_, i64>(0)? - 1)?;
        let (outcome, reason): (&str, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
        let slot = outcomes.get_mut(place).ok_or_else(|| LedgerError::Corrupt(format!("an item {place}")))?;
        *slot = match outcome {
            "alone" => {
                tracing::debug!(intent = news[place].facts.id, reason, "to be applied alone");
                None
            }
            outcome => Some(applied(outcome, reason.unwrap_or_default())?),
        };
    }
    Ok(outcomes)
}

fn document(apply: &Apply) -> NewsDocument<'_> {
    let Apply { event, source, facts, failure, tickets, qr_kid } = apply;
    let tickets =
        tickets.iter().map(|(tier, unit, id)| TicketLine { tier_id: tier.as_str(), unit_no: unit.0, id: id.uuid() });
    NewsDocument {
        event: event.as_deref(),
        source: source.word(),
        facts: FactsDocument {
            id: &facts.id,
            status: facts.status.word(),
            amount: facts.amount.minor,
            capturable: facts.amount_capturable,
            received: facts.amount_received,
            currency: facts.amount.currency.as_str(),
            livemode: facts.livemode,
            sale_id: facts.sale.map(SaleId::uuid),
            order_id: facts.order.map(OrderId::uuid),
            attempt: facts.attempt,
            failure: failure.as_deref(),
        },
        tickets: tickets.collect(),
        kid: qr_kid.to_string(),
    }
}
