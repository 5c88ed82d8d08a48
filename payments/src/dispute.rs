//! A dispute as Onsale sees it.
//!
//! Read by itself and not through the generated type: of an object that is mostly evidence only this matters, and an event must
//! not be unreadable because Stripe asks for another kind of evidence.

use domain::{Currency, Money};
use serde::Deserialize;

use crate::intent::IntentFault;

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// Stripe's id, `du_…` or `dp_…`.
    pub id: String,
    /// Where it is, in Stripe's word.
    pub status: String,
    /// How much is disputed.
    pub amount: Money,
    /// The intent whose money is disputed, `pi_…`.
    pub payment_intent: Option<String>,
    /// What moved for it so far, in Stripe's balance.
    pub movements: Vec<DisputeMovement>,
}

/// A balance transaction of a dispute, in minor units of its own currency.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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

#[derive(Deserialize)]
struct Raw {
    id: String,
    status: String,
    amount: i64,
    currency: Currency,
    payment_intent: Option<String>,
    balance_transactions: Vec<DisputeMovement>,
}

impl Dispute {
    pub(crate) fn read(json: &str) -> Result<Dispute, IntentFault> {
        let Raw { id, status, amount, currency, payment_intent, balance_transactions } =
            serde_json::from_str(json).map_err(|_| IntentFault::Shape)?;
        let amount = Money::new(amount, currency);
        Ok(Dispute { id, status, amount, payment_intent, movements: balance_transactions })
    }
}
