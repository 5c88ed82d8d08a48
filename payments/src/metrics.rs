//! The metrics of the line to Stripe.

use std::time::Duration;

use metrics::{Unit, describe_histogram, histogram};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::error::StripeError;

/// Duration of calls to Stripe, by operation and outcome.
pub const CALL_DURATION: &str = "onsale_stripe_call_duration_seconds";

/// Tells the recorder what the metrics mean. Call once, after the recorder is installed.
pub fn describe() {
    describe_histogram!(CALL_DURATION, Unit::Seconds, "Duration of calls to Stripe, by operation and outcome.");
}

pub(crate) fn call_ended<T>(spec: &RequestBuilder, outcome: &Result<T, StripeError>, took: Duration) {
    histogram!(CALL_DURATION, "operation" => operation(spec), "outcome" => word(outcome)).record(took.as_secs_f64());
}

/// The operation without the ids in its path, which would make a label of each payment.
fn operation(spec: &RequestBuilder) -> &'static str {
    let last = spec.path.rsplit('/').next().unwrap_or_default();
    match (spec.method, last) {
        (StripeMethod::Get, "search") => "search",
        (
            StripeMethod::Get,
            "payment_intents"
            | "events"
            | "balance_transactions"
            | "webhook_endpoints"
            | "payment_method_configurations",
        ) => "list",
        (StripeMethod::Get, _) => "fetch",
        (_, "payment_intents") => "create",
        (_, "capture") => "capture",
        (_, "cancel") => "cancel",
        (_, "refunds") => "refund",
        _ => "other",
    }
}

pub(crate) fn word<T>(outcome: &Result<T, StripeError>) -> &'static str {
    match outcome {
        Ok(_) => "done",
        Err(StripeError::Declined { .. }) => "declined",
        Err(StripeError::Refused { .. }) => "refused",
        Err(StripeError::UnexpectedState(_)) => "unexpected_state",
        Err(StripeError::RateLimited { .. }) => "rate_limited",
        Err(StripeError::InUse) => "in_use",
        Err(StripeError::Unknown(_)) => "unknown",
    }
}
