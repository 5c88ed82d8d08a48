//! Fetches an intent and applies what it says: the truth, where an event would be a hint.

use ledger::outbox::IntentCall;

use super::payment_news;
use crate::context::Context;
use crate::points::Point;
use crate::runner::Outcome;

/// Its kind in the queue.
pub(crate) const KIND: &str = "payment_check";

/// Fetches, and applies the answer.
pub(crate) async fn run(context: &Context, call: &IntentCall) -> Outcome {
    let answer = context.stripe.fetch(&call.intent).await;
    context.points.pass(KIND, Point::Between).await;
    match answer {
        Ok(intent) => payment_news::settle(context, &intent).await,
        Err(error) => error.into(),
    }
}
