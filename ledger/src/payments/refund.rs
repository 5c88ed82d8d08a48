//! Refunds, once each: those the ledger planned and those that Stripe reports.

use domain::{Money, RefundId};
use tokio_postgres::types::ToSql;

use crate::{Ledger, LedgerError};

/// What Stripe says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundFacts {
    /// The event that told, to be marked done in the same call.
    pub event: Option<String>,
    /// Stripe's id, `re_…`.
    pub id: String,
    /// Ours, when we started it and know.
    pub refund: Option<RefundId>,
    /// The intent whose money goes back.
    pub intent: String,
    /// How much.
    pub amount: Money,
    /// Its status.
    pub status: RefundStatus,
}

/// The status of a refund at Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundStatus {
    /// Under way; for the books it counts.
    Pending,
    /// Done.
    Succeeded,
    /// It did not work.
    Failed,
}

/// What came of news of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundApplied {
    /// Booked now.
    Booked,
    /// Booked before, or nothing was captured that could go back.
    Nothing,
    /// It failed, and what was owed is not any more: people must look. An event that told so is set aside for them.
    Failed,
    /// It comes before the capture it is of, or before the failure of another that makes room for it: fetch the intent, and
    /// bring this again. The event is not marked.
    Early,
    /// It does not fit its payment; or it is booked, and people must look: one of ours that went twice, or more than a bank left.
    Quarantined(String),
    /// No payment of ours.
    UnknownPayment,
}

pub(super) const APPLY: &str = "SELECT outcome, reason FROM refund_apply($1, $2, $3, $4, $5, $6, $7)";

/// Applies news of a refund, once for each refund.
///
/// # Errors
/// The database is away or refuses.
pub async fn refund_apply(ledger: &Ledger, facts: &RefundFacts) -> Result<RefundApplied, LedgerError> {
    let status = match facts.status {
        RefundStatus::Pending => "pending",
        RefundStatus::Succeeded => "succeeded",
        RefundStatus::Failed => "failed",
    };
    let refund = facts.refund.map(RefundId::uuid);
    let (amount, currency) = (facts.amount.minor, facts.amount.currency.as_str());
    let params: [&(dyn ToSql + Sync); 7] =
        [&facts.event, &facts.id, &refund, &facts.intent, &amount, &currency, &status];
    let row = ledger.one(APPLY, &params).await?;
    match row.try_get(0)? {
        "booked" => Ok(RefundApplied::Booked),
        "nothing" => Ok(RefundApplied::Nothing),
        "failed" => Ok(RefundApplied::Failed),
        "early" => Ok(RefundApplied::Early),
        "quarantined" => Ok(RefundApplied::Quarantined(row.try_get(1)?)),
        "unknown_payment" => Ok(RefundApplied::UnknownPayment),
        other => Err(LedgerError::Corrupt(format!("refund_apply answered {other}"))),
    }
}
