//! Lets a payment go that came too late or was given up: nothing is charged.
//!
//! It is done when the intent has come to its end: cancelled now or before, or captured, in which case the ledger starts
//! the refund. Until then it stays to be done, because a payment has one such job: an intent that cannot be cancelled
//! yet, while the bank works on it, may be authorised later.

use domain::payment::IntentStatus;
use ledger::outbox::IntentCall;
use payments::{Intent, StripeError};

use super::payment_news;
use crate::context::Context;
use crate::points::Point;
use crate::runner::Outcome;
use crate::stripe_turn::Turn;

/// Its kind in the queue.
pub(crate) const KIND: &str = "payment_cancel";

/// Cancels under `key`, and applies the answer.
pub(crate) async fn run(context: &Context, call: &IntentCall, turn: Turn<'_>, key: &str) -> Outcome {
    let answer = match turn.write(context, context.stripe.cancel(&call.intent, key)).await {
        Err(outcome) => return outcome,
        Ok(answer) => answer,
    };
    let answer = match answer {
        Err(StripeError::UnexpectedState(_)) => context.stripe.fetch(&call.intent).await,
        answer => answer,
    };
    context.points.pass(KIND, Point::Between).await;
    match answer {
        Ok(intent) => settle(context, &intent).await,
        Err(error) => error.into(),
    }
}

async fn settle(context: &Context, intent: &Intent) -> Outcome {
    let outcome = payment_news::settle(context, intent).await;
    match (intent.status, outcome) {
        (IntentStatus::Canceled | IntentStatus::Succeeded, outcome) => outcome,
        (status, Outcome::Done(_)) => Outcome::Retry(format!("it cannot be cancelled while it is {}", status.word())),
        (_, outcome) => outcome,
    }
}
