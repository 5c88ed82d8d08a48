//! Disputes: money that a bank takes back, booked as Stripe's balance transactions say.
//!
//! Guarantees. Each balance transaction is booked once, by its id, and what the payment bears of it follows from what is known of
//! its disputes and refunds, not from the order in which it was heard. The payment bears at most what was captured less what we
//! gave back or are to; what exceeds it, or is of another currency than the sale's, stays in suspense and the event is set aside
//! for people. While money is disputed it cannot be refunded a second time. What a bank gives back of money that came too late is
//! given back to its buyer. An order is `disputed` while a dispute of it is open or was lost, and what its money says when all were
//! won. No unit is freed.
//!
//! | status of ours | Stripe's words |
//! |---|---|
//! | [`DisputeStatus::Inquiry`] | `warning_needs_response`, `warning_under_review` |
//! | [`DisputeStatus::InquiryClosed`] | `warning_closed`, `prevented` |
//! | [`DisputeStatus::Open`] | `needs_response`, `under_review` |
//! | [`DisputeStatus::Won`], [`DisputeStatus::Lost`] | `won`, `lost` |

use domain::{Currency, Money};
use tokio_postgres::types::ToSql;

use crate::{Ledger, LedgerError};

/// What Stripe says of a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeFacts {
    /// The event that told, to be marked in the same call.
    pub event: Option<String>,
    /// Stripe's id, `du_…` or `dp_…`.
    pub id: String,
    /// The intent whose money is disputed.
    pub intent: String,
    /// How much is disputed.
    pub amount: Money,
    /// Its status.
    pub status: DisputeStatus,
    /// What moved for it so far.
    pub movements: Vec<DisputeMovement>,
}

/// Where a dispute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisputeStatus {
    /// The bank asks; no money moved.
    Inquiry,
    /// It asks no more.
    InquiryClosed,
    /// The money is withdrawn and evidence may be given.
    Open,
    /// The money is ours.
    Won,
    /// It is not.
    Lost,
}

/// A balance transaction of a dispute, in minor units of its own currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeMovement {
    /// Stripe's id, `txn_…`.
    pub id: String,
    /// Less than nothing was withdrawn, more was reinstated.
    pub amount: i64,
    /// What Stripe took for its trouble; less than nothing it gave back.
    pub fee: i64,
    /// The currency of both.
    pub currency: Currency,
}

/// What came of news of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeApplied {
    /// Something of it was new, and is booked.
    Booked,
    /// All of it was known.
    Nothing,
    /// Booked, and more is gone than came, or some of it is in suspense: people must look.
    Excess,
    /// It comes before the capture it is of: fetch the intent, and bring this again. The event is not marked.
    Early,
    /// No payment of ours. The event is not marked.
    UnknownPayment,
}

impl DisputeStatus {
    /// The word in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inquiry => "inquiry",
            Self::InquiryClosed => "inquiry_closed",
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// The status of Stripe's word.
    #[must_use]
    pub fn from_stripe(word: &str) -> Option<Self> {
        match word {
            "warning_needs_response" | "warning_under_review" => Some(Self::Inquiry),
            "warning_closed" | "prevented" => Some(Self::InquiryClosed),
            "needs_response" | "under_review" => Some(Self::Open),
            "won" => Some(Self::Won),
            "lost" => Some(Self::Lost),
            _ => None,
        }
    }
}

pub(crate) const STATEMENTS: &[&str] = &[APPLY];

const APPLY: &str = "SELECT dispute_apply($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Applies news of a dispute, each balance transaction once.
///
/// # Errors
/// The database is away or refuses.
pub async fn dispute_apply(ledger: &Ledger, facts: &DisputeFacts) -> Result<DisputeApplied, LedgerError> {
    let (amount, currency, status) = (facts.amount.minor, facts.amount.currency.as_str(), facts.status.word());
    let ids: Vec<_> = facts.movements.iter().map(|movement| movement.id.as_str()).collect();
    let amounts: Vec<_> = facts.movements.iter().map(|movement| movement.amount).collect();
    let fees: Vec<_> = facts.movements.iter().map(|movement| movement.fee).collect();
    let currencies: Vec<_> = facts.movements.iter().map(|movement| movement.currency.as_str()).collect();
    #[rustfmt::skip]
    let params: [&(dyn ToSql + Sync); 10] = [
        &facts.event, &facts.id, &facts.intent, &amount, &currency, &status, &ids, &amounts, &fees, &currencies,
    ];
    match ledger.one(APPLY, &params).await?.try_get(0)? {
        "booked" => Ok(DisputeApplied::Booked),
        "nothing" => Ok(DisputeApplied::Nothing),
        "excess" => Ok(DisputeApplied::Excess),
        "early" => Ok(DisputeApplied::Early),
        "unknown_payment" => Ok(DisputeApplied::UnknownPayment),
        other => Err(LedgerError::Corrupt(format!("dispute_apply answered {other}"))),
    }
}
