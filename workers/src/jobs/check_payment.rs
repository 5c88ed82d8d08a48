//! Fetches an intent and applies what it says: the truth, where an event would be a hint.

use ledger::outbox::IntentCall;

use super::payment_news;
use crate::context::Context;
use crate::runner::Outcome;

/// Fetches, and applies the answer.
pub(crate) async fn run(context: &Context, call: &IntentCall) -> Outcome {
    match context.stripe.fetch(&call.intent).await {
        Ok(intent) => payment_news::settle(context, &intent).await,
        Err(error) => error.into(),
    }
}
