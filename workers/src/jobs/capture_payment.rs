//! Takes an authorised amount, once the units are pinned to the order and its card is counted ([`card_limit`]).
//!
//! Always the whole amount. The answer is applied at once, so the buyer's tickets do not wait for the event, which then
//! is old news. *Already captured* is success: the intent as it is now decides, and so it does after every refusal.
//!
//! | Stripe says | the intent is | then |
//! |---|---|---|
//! | captured, now or before | `succeeded` | tickets |
//! | 400 or 402, any code | `canceled`, `requires_payment_method` | the order is over, its units are free, its buyer is told |
//! | 402, a reason that passes ([`PASSING`]) | `requires_capture` | again, [`DECLINES_MAX`] times; then as the next |
//! | 402, any other reason; 400 with a code of [`OVER`] | `requires_capture` | it is given up: cancelled at Stripe, and then as above |
//! | 400 with another code, 401, 403, 404 | whatever | people: the request is wrong, and says nothing of the money |
//! | 409, 429, 5xx, no answer | – | again, under a key of its own |
//!
//! Giving up is a cancellation, and its answer decides: should the money have been taken all the same, by a call whose answer was
//! lost, the buyer has the tickets. So nobody is charged without a seat, and no order hangs on a promise that a bank took back.

use domain::payment::IntentStatus;
use ledger::outbox::IntentCall;
use payments::StripeError;

use super::{cancel_payment, card_limit, check_payment, payment_news};
use crate::context::Context;
use crate::points::Point;
use crate::runner::Outcome;
use crate::stripe_turn::Turn;

/// Its kind in the queue.
pub(crate) const KIND: &str = "payment_capture";

/// Reasons of a bank that may be gone the next time (<https://docs.stripe.com/declines/codes>).
const PASSING: [&str; 5] =
    ["issuer_not_available", "processing_error", "reenter_transaction", "try_again_later", "approve_with_id"];

/// How often a job is begun until a reason that passes has not passed: about a minute.
const DECLINES_MAX: u32 = 6;

/// Codes with which Stripe says that an authorisation is worth nothing any more (<https://docs.stripe.com/error-codes>).
const OVER: [&str; 4] = [
    "capture_charge_authorization_expired",
    "capture_unauthorized_payment",
    "charge_expired_for_capture",
    "payment_intent_payment_attempt_expired",
];

/// A call of a job, and which try of that job it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try<'a> {
    pub(crate) turn: Turn<'a>,
    /// The key of this try alone.
    pub(crate) key: &'a str,
    pub(crate) number: u32,
}

/// Captures, and applies the answer.
pub(crate) async fn run(context: &Context, call: &IntentCall, this: Try<'_>) -> Outcome {
    if let Err(outcome) = card_limit::admit(context, this.turn.sale, call).await {
        return outcome;
    }
    let answer = match this.turn.write(context, context.stripe.capture(&call.intent, this.key)).await {
        Err(outcome) => return outcome,
        Ok(answer) => answer,
    };
    context.points.pass(KIND, Point::Between).await;
    match answer {
        Ok(intent) => payment_news::settle(context, &intent).await,
        Err(StripeError::UnexpectedState(_)) => check_payment::run(context, call).await,
        Err(StripeError::Declined { code, decline_code, .. }) => {
            let why = decline_code.unwrap_or(code);
            let passes = PASSING.contains(&why.as_str()) && this.number < DECLINES_MAX;
            refused(context, call, this, &why, if passes { Promise::MayStand } else { Promise::Broken }).await
        }
        Err(StripeError::Refused { code, .. }) if OVER.contains(&code.as_str()) => {
            refused(context, call, this, &code, Promise::Broken).await
        }
        Err(error) => error.into(),
    }
}

/// What a refusal means for the bank's promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    MayStand,
    Broken,
}

/// A capture that is refused leaves an intent that tells what became of the authorisation.
async fn refused(context: &Context, call: &IntentCall, this: Try<'_>, why: &str, promise: Promise) -> Outcome {
    match context.stripe.fetch(&call.intent).await {
        Ok(intent) if intent.status != IntentStatus::RequiresCapture => payment_news::settle(context, &intent).await,
        Ok(_) if promise == Promise::MayStand => Outcome::Retry(format!("the capture was declined: {why}")),
        Ok(_) => {
            tracing::warn!(intent = call.intent, why, "a capture is given up");
            cancel_payment::run(context, call, this.turn, &format!("{}:give_up", this.key)).await
        }
        Err(error) => error.into(),
    }
}
