//! Stripe's balance, transaction by transaction, against the books.
//!
//! Shape: one call a transaction ([`balance_transaction_apply`]) looks whether the books have it, books the fee of a charge, and
//! writes down what it is, once. Guarantees: a fee is booked once, by the transaction's id, whoever asks and however often;
//! nothing but fees is booked here. What is lost with a lost answer: nothing, the same call again says the same.
//!
//! | outcome | means | written down |
//! |---|---|---|
//! | `matched` | it is in the books, to the cent, and so is its fee now | yes |
//! | `differs` | of a payment of ours, but of another amount, currency or kind | yes: people must look |
//! | `missing` | of a payment of ours, and not in the books | only at last: first the news of it is heard again |
//! | `unknown` | it says that it is of a sale of ours, which has no such payment | only at last |
//! | `elsewhere` | of nothing of ours: another shop's, a payout, what Stripe takes for itself | yes |

use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use crate::{Ledger, LedgerError};

/// A balance transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceTransactionFacts {
    /// Stripe's id, `txn_…`.
    pub id: String,
    /// Stripe's reporting category: `charge`, `refund`, `dispute`, `fee`, …
    pub kind: String,
    /// What moved, in minor units; less than nothing left.
    pub amount: i64,
    /// What Stripe took of it.
    pub fee: i64,
    /// The currency of both.
    pub currency: String,
    /// What moved it: a charge, a refund, a dispute.
    pub source: Option<String>,
    /// The payment intent that is of.
    pub intent: Option<String>,
    /// Whether it says that it is of a sale of ours.
    pub origin: Origin,
    /// When it moved.
    pub created: Timestamp,
}

/// Whose business a balance transaction says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Of a sale of ours.
    Ours,
    /// It does not say.
    Unsaid,
}

/// Whether what is missing will be looked for once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It will: nothing is written down if it is missing.
    First,
    /// It will not.
    Last,
}

/// What a balance transaction is to the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// In the books.
    Matched,
    /// In the books, otherwise.
    Differs,
    /// Not in the books.
    Missing,
    /// Of no payment of ours, although it says so.
    Unknown,
    /// Not ours.
    Elsewhere,
}

/// What it is, and whether it was never written down before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// What it is.
    pub outcome: Match,
    /// Whether that is news.
    pub is_new: bool,
}

pub(crate) const STATEMENTS: &[&str] = &[APPLY];

const APPLY: &str =
    "SELECT outcome, is_new FROM balance_transaction_apply($1, $2, $3, $4, $5, $6::text, $7::text, $8, $9, $10)";

/// Looks whether the books have it, and books its fee.
///
/// # Errors
/// The database is away or refuses.
pub async fn balance_transaction_apply(
    ledger: &Ledger,
    facts: &BalanceTransactionFacts,
    look: Look,
) -> Result<Matched, LedgerError> {
    let (is_ours, is_last) = (facts.origin == Origin::Ours, look == Look::Last);
    #[rustfmt::skip]
    let params: [&(dyn ToSql + Sync); 10] = [
        &facts.id, &facts.kind, &facts.amount, &facts.fee, &facts.currency, &facts.source, &facts.intent, &is_ours,
        &facts.created, &is_last,
    ];
    let row = ledger.one(APPLY, &params).await?;
    let outcome = match row.try_get(0)? {
        "matched" => Match::Matched,
        "differs" => Match::Differs,
        "missing" => Match::Missing,
        "unknown" => Match::Unknown,
        "elsewhere" => Match::Elsewhere,
        other => return Err(LedgerError::Corrupt(format!("balance_transaction_apply answered {other}"))),
    };
    Ok(Matched { outcome, is_new: row.try_get(1)? })
}
