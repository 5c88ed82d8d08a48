//! Cancellations: asked for when an order is over, and asked about once more before Stripe is called.
//!
//! ```text
//!  asked for ─► about to call: still wanted? ── yes ─► sent: no promise buys the order's units any more ─► let go
//!                                  └── no: a late promise took them first ─► over, nothing was called
//! ```
//!
//! Owner: the payment (`cancel_sent_at`), under the lock of its order (V46). The atomic step is the answer: a promise that is heard
//! at the same moment either took the units before, and the answer is no, or hears that a cancellation was sent, and takes itself
//! for cancelled. Where the reply is lost, or whoever heard it died, the same is answered again; what was said to be sent counts
//! as sent for good. A capture that was given up is cancelled without asking: its job knows that it is wanted.

use domain::{OrderId, PaymentId, SaleId};

use crate::{Ledger, LedgerError};

pub(super) const BEGIN: &str = "SELECT cancellation_begin($1, $2, $3)";

/// Whether a payment is to be cancelled at Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// It is, and from now on it counts as sent.
    Wanted,
    /// Its order lives on it.
    NotWanted,
}

/// Asks about a payment that a job is about to cancel.
///
/// # Errors
/// The database is away or refuses.
pub async fn cancellation_begin(
    ledger: &Ledger,
    sale: SaleId,
    order: OrderId,
    payment: PaymentId,
) -> Result<Cancellation, LedgerError> {
    let row = ledger.one(BEGIN, &[&sale.uuid(), &order.uuid(), &payment.uuid()]).await?;
    Ok(if row.try_get(0)? { Cancellation::Wanted } else { Cancellation::NotWanted })
}
