//! Counts a payment by its card before it is captured: one card is one buyer, where the sale says so.
//!
//! Beyond the limit nothing is captured, the order is over, and the ledger has written the jobs that let the authorisation go and
//! tell the buyer. Mostly the ledger knows the card and has counted it; where an event told it of the authorisation, it does not,
//! and Stripe is asked. That is a read, and spends no write. Repeated, it is answered the same.

use domain::SaleId;
use domain::payment::PaidWith;
use ledger::LedgerError;
use ledger::outbox::IntentCall;
use ledger::payments::{CardAdmit, card_admit};

use crate::context::Context;
use crate::runner::Outcome;

/// Counts it. The outcome says why it is not captured.
pub(super) async fn admit(context: &Context, sale: SaleId, call: &IntentCall) -> Result<(), Outcome> {
    let count = async |paid_with| -> Result<CardAdmit, LedgerError> {
        card_admit(&context.ledger, sale, call.payment, paid_with).await
    };
    let admitted = match count(None).await? {
        CardAdmit::AskCard => {
            let intent = context.stripe.fetch(&call.intent).await?;
            // What is not authorised any more has nothing to count; its capture will hear what became of it.
            count(Some(intent.paid_with.unwrap_or(PaidWith::Other))).await?
        }
        admitted => admitted,
    };
    match admitted {
        CardAdmit::Admitted => Ok(()),
        CardAdmit::LimitReached => Err(Outcome::Done("its card has reached the limit: to be cancelled")),
        CardAdmit::AskCard => Err(Outcome::Retry("it is not known what pays".to_owned())),
    }
}
