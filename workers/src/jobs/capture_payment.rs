//! Takes an authorised amount, once the units are pinned to the order.
//!
//! Always the whole amount. The answer is applied at once, so the buyer's tickets do not wait for the event, which then
//! is old news. *Already captured* is success: the intent as it is now decides.

use domain::payment::IntentStatus;
use ledger::outbox::IntentCall;
use payments::StripeError;

use super::{check_payment, payment_news};
use crate::context::Context;
use crate::points::Point;
use crate::runner::Outcome;
use crate::stripe_turn::Turn;

/// Its kind in the queue.
pub(crate) const KIND: &str = "payment_capture";

/// Captures under `key`, and applies the answer.
pub(crate) async fn run(context: &Context, call: &IntentCall, turn: Turn<'_>, key: &str) -> Outcome {
    let answer = match turn.write(context, context.stripe.capture(&call.intent, key)).await {
        Err(outcome) => return outcome,
        Ok(answer) => answer,
    };
    context.points.pass(KIND, Point::Between).await;
    match answer {
        Ok(intent) => payment_news::settle(context, &intent).await,
        Err(StripeError::UnexpectedState(_)) => check_payment::run(context, call).await,
        // A capture that the bank refuses leaves an intent that tells what became of the authorisation.
        Err(StripeError::Declined { .. }) => declined(context, call).await,
        Err(error) => error.into(),
    }
}

async fn declined(context: &Context, call: &IntentCall) -> Outcome {
    match context.stripe.fetch(&call.intent).await {
        Ok(intent) if intent.status == IntentStatus::RequiresCapture => {
            Outcome::Retry("the capture was declined and the authorisation stands".to_owned())
        }
        Ok(intent) => payment_news::settle(context, &intent).await,
        Err(error) => error.into(),
    }
}
