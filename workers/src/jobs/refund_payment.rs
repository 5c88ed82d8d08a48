//! Sends money back, and books that it went.
//!
//! Money goes back once. A refund that was made meanwhile, or is not to be made any more, is left alone, however often people
//! try its job again; one whose key Stripe may have forgotten is looked for before it is sent. A refund that Stripe will never
//! make (the money went back already, or the bank took it) is owed no more: that is written down, and the job is left to
//! people, as is one that fails later. Every other refusal says nothing of what is owed and changes nothing.

use std::time::Duration;

use ::payments::{KEY_LIFE_S, Refund, RefundIntent, RefundStatus, StripeError};
use domain::{Money, RefundId, SaleId};
use ledger::outbox::IntentCall;
use ledger::payments::{self, RefundApplied, RefundFacts, refund_apply};
use ledger::refunds::{refund_refused, refund_unmade_for};

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
    match refund_unmade_for(&context.ledger, sale, refund).await {
        Ok(None) => Outcome::Done("made before, or given up"),
        Ok(Some(waiting)) if waiting < Duration::from_secs(KEY_LIFE_S) => make(context, call, &request).await,
        Ok(Some(_)) => match context.stripe.find_refund(&call.intent, refund).await {
            Ok(Some(made)) => book(context, refund, call, &made).await,
            Ok(None) => make(context, call, &request).await,
            Err(error) => error.into(),
        },
        Err(error) => error.into(),
    }
}

async fn make(context: &Context, call: &IntentCall, request: &RefundIntent) -> Outcome {
    match context.stripe.refund(request, &call.key).await {
        Ok(made) => book(context, request.id, call, &made).await,
        Err(error) if is_final(&error) => give_up(context, call, request, error).await,
        Err(error) => error.into(),
    }
}

/// Codes that speak of the charge, and of which nobody expects another answer tomorrow: all of it or too much of it went back,
/// or its holder disputes it.
const FINAL: [&str; 5] = [
    "charge_already_refunded",
    "charge_disputed",
    "refund_disputed_payment",
    "amount_too_large",
    "parameter_invalid_integer",
];

fn is_final(error: &StripeError) -> bool {
    matches!(error, StripeError::Refused { code, .. } if FINAL.contains(&code.as_str()))
}

/// What went back already may be this very refund, when the answer to an earlier call was lost.
async fn give_up(context: &Context, call: &IntentCall, request: &RefundIntent, refused: StripeError) -> Outcome {
    match context.stripe.find_refund(&request.intent, request.id).await {
        Ok(Some(made)) => return book(context, request.id, call, &made).await,
        Ok(None) => {}
        Err(error) => return error.into(),
    }
    match refund_refused(&context.ledger, request.sale, request.id).await {
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
            Outcome::Park("the ledger does not know the payment of its own job, or it went back already".to_owned())
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
