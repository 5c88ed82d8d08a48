//! Sends money back, and books that it went.
//!
//! A refund that Stripe will never make (the money went back already, or the bank took it) is owed no more: that is written
//! down, and the job is left to people, as is one that fails later.

use ::payments::{Refund, RefundIntent, RefundStatus, StripeError};
use domain::{Money, RefundId, SaleId};
use ledger::outbox::IntentCall;
use ledger::payments::{self, RefundApplied, RefundFacts, refund_apply};
use ledger::refunds::refund_refused;

use crate::context::Context;
use crate::runner::Outcome;

/// Refunds, and applies the answer.
pub(crate) async fn run(
    context: &Context,
    sale: SaleId,
    refund: RefundId,
    call: &IntentCall,
    amount: Money,
) -> Outcome {
    let request = RefundIntent { id: refund, intent: call.intent.clone(), sale, order: call.order, amount };
    match context.stripe.refund(&request, &call.key).await {
        Ok(answer) => book(context, refund, call, &answer).await,
        Err(error @ StripeError::Refused { status: BAD_REQUEST, .. }) => give_up(context, sale, refund, error).await,
        Err(error) => error.into(),
    }
}

/// The status that speaks of the refund. Other refusals speak of us (a wrong key, say), and say nothing of what is owed.
const BAD_REQUEST: u16 = 400;

async fn give_up(context: &Context, sale: SaleId, refund: RefundId, refused: StripeError) -> Outcome {
    match refund_refused(&context.ledger, sale, refund).await {
        Ok(true) => Outcome::Park(refused.to_string()),
        Ok(false) => Outcome::Done("made before, or given up"),
        Err(error) => error.into(),
    }
}

async fn book(context: &Context, refund: RefundId, call: &IntentCall, answer: &Refund) -> Outcome {
    let facts = RefundFacts {
        event: None,
        id: answer.id.clone(),
        refund: Some(refund),
        intent: call.intent.clone(),
        amount: answer.amount,
        status: book_status(answer.status),
    };
    match refund_apply(&context.ledger, &facts).await {
        Ok(RefundApplied::Booked) => Outcome::Done("booked"),
        Ok(RefundApplied::Nothing) => Outcome::Done("booked before"),
        Ok(RefundApplied::Failed) => Outcome::Park("the refund failed at Stripe".to_owned()),
        Ok(RefundApplied::Quarantined(reason)) => Outcome::Park(reason),
        Ok(RefundApplied::UnknownPayment | RefundApplied::Early) => {
            Outcome::Park("the ledger does not know the payment of its own job".to_owned())
        }
        Err(error) => error.into(),
    }
}

/// What a refund's status means for the books: money under way counts as gone, so that it is never spent twice.
pub(super) const fn book_status(status: RefundStatus) -> payments::RefundStatus {
    match status {
        RefundStatus::Pending | RefundStatus::RequiresAction => payments::RefundStatus::Pending,
        RefundStatus::Succeeded => payments::RefundStatus::Succeeded,
        RefundStatus::Failed | RefundStatus::Canceled => payments::RefundStatus::Failed,
    }
}
