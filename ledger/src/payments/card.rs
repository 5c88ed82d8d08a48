//! One limit for one card: what may be captured, of orders that one card pays.
//!
//! ```text
//!  authorised ─► card known? ── yes ─► within the limits? ── yes ─► counted, captured
//!                    │                        └── no ─► the order is over: let go, or given back
//!                    └── no ─► the worker that is to capture asks Stripe, and comes again with the answer
//! ```
//!
//! The ledger owns all of it (V42): whether a payment is counted is decided once, under a lock on the sale and the card, in the
//! transaction that pins the units or ends the order. What is asked again, because an answer was lost or a worker died, is
//! answered the same. Nothing is captured that was not admitted; so a card that nobody knows stops a capture, and a sale that
//! does not count by cards stops none.

use domain::payment::PaidWith;
use domain::{PaymentId, SaleId};

use crate::{Ledger, LedgerError};

pub(super) const ADMIT: &str = "SELECT card_admit($1, $2, $3)";

pub(super) const NOTE: &str = "SELECT card_note($1, $2, $3)";

/// Why a payment failed whose card has the limit.
pub const CARD_LIMIT: &str = "card_limit";

/// Whether a payment may be captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardAdmit {
    /// It may: it is within the limits, or does not count.
    Admitted,
    /// It is not known what pays.
    AskCard,
    /// Its card has the limit; its order is over, and its cancellation is a job.
    LimitReached,
}

/// Counts an authorised payment by its card, once, and says whether it may be captured.
///
/// # Errors
/// The database is away or refuses.
pub async fn card_admit(
    ledger: &Ledger,
    sale: SaleId,
    payment: PaymentId,
    paid_with: Option<PaidWith>,
) -> Result<CardAdmit, LedgerError> {
    let card = paid_with.as_ref().map(PaidWith::bytes);
    let row = ledger.one(ADMIT, &[&sale.uuid(), &payment.uuid(), &card]).await?;
    match row.try_get(0)? {
        "admitted" => Ok(CardAdmit::Admitted),
        "ask_card" => Ok(CardAdmit::AskCard),
        "limit_reached" => Ok(CardAdmit::LimitReached),
        other => Err(LedgerError::Corrupt(format!("card_admit answered {other}"))),
    }
}

/// Writes down what a payment is made with, if that counts and is not known yet.
///
/// # Errors
/// The database is away or refuses.
pub async fn card_note(
    ledger: &Ledger,
    sale: SaleId,
    payment: PaymentId,
    paid_with: PaidWith,
) -> Result<(), LedgerError> {
    ledger.one(NOTE, &[&sale.uuid(), &payment.uuid(), &paid_with.bytes()]).await.map(drop)
}
