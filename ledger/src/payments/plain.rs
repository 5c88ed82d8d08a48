//! Plain news of many payments in one call: a few statements for all of it.
//!
//! Most news moves a payment that we know one step on its way, or is old. The database applies that by sets, and leaves alone
//! what is anything else, or would have to wait: whose order or sale somebody has, and of one order all but the first. That is
//! for [`super::payments_apply`], and in the end for [`super::payment_apply`], which do the same acts by the same keys.
//!
//! Guarantees: an item is applied whole, with the mark on its event, or not at all; a call that fails changed nothing, and one
//! that only seemed to is found done. Bounds: [`PLAIN_BATCH_MAX`] items. Order: none, as an order has one item of a call.

use std::time::Duration;

use domain::sale::CaptureMode;
use domain::{OrderId, SaleId};

use super::news::{Applied, Apply, applied};
use crate::documents::{capture_mode, unit_columns};
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// The most items of a call: its cost is shared by then, and the orders in it are not locked for longer than a commit or two take.
pub const PLAIN_BATCH_MAX: usize = 250;

pub(super) const APPLY: &str = "
    SELECT item, outcome, capture, authorised_ms
      FROM payments_apply_plain($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";

/// What came of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainApplied {
    /// The step, or nothing.
    pub applied: Applied,
    /// How the payment is captured, and how long after Pay was pressed it was authorised; none if it is not.
    pub authorised: Option<(CaptureMode, Duration)>,
}

/// Applies what is plain of news, at most [`PLAIN_BATCH_MAX`]. Answers for each, in their order, what came of it; none for what
/// is not plain or has to wait, for which nothing was done.
///
/// # Errors
/// The database is away or refuses; then nothing was done for any.
pub async fn payments_apply_plain(ledger: &Ledger, news: &[Apply]) -> Result<Vec<Option<PlainApplied>>, LedgerError> {
    debug_assert!(news.len() <= PLAIN_BATCH_MAX, "{} items", news.len());
    let Some(first) = news.first() else { return Ok(Vec::new()) };
    let facts = || news.iter().map(|news| &news.facts);
    let tickets = || (1..).zip(news).flat_map(|(item, news)| news.tickets.iter().map(move |ticket| (item, ticket)));
    let units: Vec<_> = tickets().map(|(_, (tier, unit, _))| (tier.clone(), *unit)).collect();
    let (tiers, numbers) = unit_columns(&units)?;
    let rows = ledger
        .rows(
            APPLY,
            &[
                &news.iter().map(|news| news.event.as_deref()).collect::<Vec<_>>(),
                &facts().map(|facts| facts.id.as_str()).collect::<Vec<_>>(),
                &facts().map(|facts| facts.status.word()).collect::<Vec<_>>(),
                &facts().map(|facts| facts.amount.minor).collect::<Vec<_>>(),
                &facts().map(|facts| facts.amount_capturable).collect::<Vec<_>>(),
                &facts().map(|facts| facts.amount_received).collect::<Vec<_>>(),
                &facts().map(|facts| facts.amount.currency.as_str()).collect::<Vec<_>>(),
                &facts().map(|facts| facts.livemode).collect::<Vec<_>>(),
                &facts().map(|facts| facts.sale.map(SaleId::uuid)).collect::<Vec<_>>(),
                &facts().map(|facts| facts.order.map(OrderId::uuid)).collect::<Vec<_>>(),
                &news.iter().map(|news| news.failure.as_deref()).collect::<Vec<_>>(),
                &tickets().map(|(item, _)| item).collect::<Vec<i32>>(),
                &tiers,
                &numbers,
                &tickets().map(|(_, (.., ticket))| ticket.uuid()).collect::<Vec<_>>(),
                // One process signs with one key.
                &first.qr_kid.to_string(),
            ],
        )
        .await?;
    let mut outcomes = vec![None; news.len()];
    for row in rows {
        let place: usize = fit(row.try_get::<_, i32>(0)? - 1)?;
        let slot = outcomes.get_mut(place).ok_or_else(|| LedgerError::Corrupt(format!("an item {place}")))?;
        let (capture, after_ms): (&str, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
        let capture = capture_mode(capture)?;
        // A clock that was set back makes it negative.
        let after = after_ms.map(|ms| fit(ms.max(0)).map(Duration::from_millis)).transpose()?;
        let applied = applied(row.try_get(1)?, String::new())?;
        *slot = Some(PlainApplied { applied, authorised: after.map(|after| (capture, after)) });
    }
    Ok(outcomes)
}
