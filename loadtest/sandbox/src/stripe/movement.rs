//! What moved in the balance of the account: balance transactions.
//!
//! | kind | `type` | `reporting_category` | amount |
//! |---|---|---|---|
//! | charge | `charge` | `charge` | captured |
//! | refund | `refund` | `refund` | less than nothing |
//! | refund failure | `refund_failure` | `refund_failure` | what came back |
//! | dispute | `adjustment` | `dispute` | less than nothing |
//! | dispute reversal | `adjustment` | `dispute_reversal` | what came back |
//! | fee | `stripe_fee` | `fee` | less than nothing |
//!
//! Source: <https://docs.stripe.com/reports/balance-transaction-types>.

use super::page::Row;

/// How long until captured money can be paid out: two days, as in most countries.
const AVAILABLE_AFTER_S: i64 = 2 * 24 * 3_600;
/// Parts of one that fees are counted in.
const BASIS_POINTS: i64 = 10_000;

/// What Stripe takes, in minor units of the currency of the payment. The default is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fees {
    /// Of what is captured, in hundredths of a percent, rounded half up.
    pub charge_basis_points: u32,
    /// For each capture besides.
    pub charge_fixed: i64,
    /// For a dispute that withdraws money; given back when it is won.
    pub dispute: i64,
}

impl Fees {
    pub(super) fn of_charge(self, captured: i64) -> i64 {
        (captured * i64::from(self.charge_basis_points) + BASIS_POINTS / 2) / BASIS_POINTS + self.charge_fixed
    }
}

/// Why the balance moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MovementKind {
    /// Money was captured.
    Charge,
    /// Some of it is given back.
    Refund,
    /// A refund did not arrive.
    RefundFailure,
    /// A bank took money back.
    Dispute,
    /// It gave it back.
    DisputeReversal,
    /// Stripe took something for itself, outside any payment.
    Fee,
}

impl MovementKind {
    /// Stripe's `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MovementKind::Charge => "charge",
            MovementKind::Refund => "refund",
            MovementKind::RefundFailure => "refund_failure",
            MovementKind::Dispute | MovementKind::DisputeReversal => "adjustment",
            MovementKind::Fee => "stripe_fee",
        }
    }

    /// Stripe's `reporting_category`.
    #[must_use]
    pub fn category(self) -> &'static str {
        match self {
            MovementKind::Charge => "charge",
            MovementKind::Refund => "refund",
            MovementKind::RefundFailure => "refund_failure",
            MovementKind::Dispute => "dispute",
            MovementKind::DisputeReversal => "dispute_reversal",
            MovementKind::Fee => "fee",
        }
    }

    /// When such a movement of `now` counts as available; what is taken away counts at once.
    pub(super) fn available_on(self, now: i64) -> i64 {
        match self {
            MovementKind::Charge | MovementKind::DisputeReversal | MovementKind::RefundFailure => {
                now + AVAILABLE_AFTER_S
            }
            MovementKind::Refund | MovementKind::Dispute | MovementKind::Fee => now,
        }
    }
}

/// One balance transaction. Amounts in minor units; what leaves the balance is less than nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// `txn_…`
    pub id: String,
    /// Why the balance moved.
    pub kind: MovementKind,
    /// What moved, before the fee.
    pub amount: i64,
    /// What Stripe took of it; less than nothing when it gave a fee back.
    pub fee: i64,
    /// `eur`, `usd`, …
    pub currency: String,
    /// The charge, refund or dispute it is of.
    pub source: Option<String>,
    /// The payment intent behind that.
    pub intent: Option<String>,
    /// When, in Unix seconds.
    pub created: i64,
    /// From when on it can be paid out, in Unix seconds.
    pub available_on: i64,
    /// What Stripe writes beside it.
    pub description: Option<String>,
}

impl Movement {
    /// What the balance changed by.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.amount - self.fee
    }
}

impl Row for Movement {
    const WHAT: &'static str = "balance_transaction";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

/// The movements of one payment intent, added up; each more than nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Taken from the buyer.
    pub captured: i64,
    /// Given back, less what did not arrive.
    pub refunded: i64,
    /// Taken back by a bank.
    pub disputed: i64,
    /// Given back by it.
    pub reinstated: i64,
    /// What Stripe took, less what it gave back.
    pub fees: i64,
}

impl Tally {
    pub(super) fn add(&mut self, movement: &Movement) {
        let amount = movement.amount;
        match movement.kind {
            MovementKind::Charge => self.captured += amount,
            MovementKind::Refund | MovementKind::RefundFailure => self.refunded -= amount,
            MovementKind::Dispute => self.disputed -= amount,
            MovementKind::DisputeReversal => self.reinstated += amount,
            MovementKind::Fee => self.fees -= amount,
        }
        self.fees += movement.fee;
    }
}
