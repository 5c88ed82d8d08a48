//! Lets a payment go that came too late or was given up: nothing is charged.
//!
//! It is done when the intent has come to its end: cancelled now or before, or captured, in which case the ledger starts
//! the refund. Until then it stays to be done, because a payment has one such job: an intent that cannot be cancelled
//! yet, while the bank works on it, may be authorised later.
//!
//! A job may be older than the news that made its payment good again, so it asks the ledger, in its turn and right before the
//! call, whether it is still wanted (V46, `ledger/src/payments/cancellation.rs`). If not, nothing is called. If so, no promise that
//! is heard meanwhile buys the order's units: whatever comes of the call, and also if its worker dies before it makes it.

use domain::payment::IntentStatus;
use ledger::outbox::IntentCall;
use ledger::payments::{Cancellation, cancellation_begin};
use payments::{Intent, StripeError};

use super::payment_news;
use crate::context::Context;
use crate::points::Point;
use crate::runner::Outcome;
use crate::stripe_turn::Turn;

/// Its kind in the queue.
pub(crate) const KIND: &str = "payment_cancel";

/// The same as [`run`], if the payment is still to be cancelled: for a job that was asked for some time ago.
pub(crate) async fn run_if_wanted(context: &Context, call: &IntentCall, turn: Turn<'_>, key: &str) -> Outcome {
    let asked = async {
        match cancellation_begin(&context.ledger, turn.sale, call.order, call.payment).await {
            Ok(Cancellation::Wanted) => context.stripe.cancel(&call.intent, key).await.map(Ok),
            Ok(Cancellation::NotWanted) => Ok(Err(Outcome::Done("not wanted any more"))),
            Err(error) => Ok(Err(error.into())),
        }
    };
    match turn.write(context, asked).await {
        Ok(Ok(Ok(intent))) => after(context, call, Ok(intent)).await,
        Ok(Err(error)) => after(context, call, Err(error)).await,
        Ok(Ok(Err(outcome))) | Err(outcome) => outcome,
    }
}

/// Cancels under `key`, and applies the answer.
pub(crate) async fn run(context: &Context, call: &IntentCall, turn: Turn<'_>, key: &str) -> Outcome {
    match turn.write(context, context.stripe.cancel(&call.intent, key)).await {
        Ok(answer) => after(context, call, answer).await,
        Err(outcome) => outcome,
    }
}

async fn after(context: &Context, call: &IntentCall, answer: Result<Intent, StripeError>) -> Outcome {
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
