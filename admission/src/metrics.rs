//! The metrics of the scripts. What the queue and the holds look like is exported by who reads the [`crate::View`].

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::AdmissionError;

/// Duration of script calls, round trip included, by script.
pub const SCRIPT_DURATION: &str = "onsale_redis_script_duration_seconds";
/// Script calls that failed, by script and error (`not_loaded`, `unavailable`, `script`).
pub const SCRIPT_ERRORS: &str = "onsale_redis_script_errors_total";
/// Writes to Stripe that could be made at this moment, by all processes together.
pub const STRIPE_BUDGET_REMAINING: &str = "onsale_stripe_budget_remaining";
/// The share of the limit that is spent: below 1 after Stripe answered 429, until it has recovered.
pub const STRIPE_BUDGET_FACTOR: &str = "onsale_stripe_budget_factor";
/// Who asked to write to Stripe, by class and result: `granted` by Redis, `alone` out of the local share while Redis is away,
/// `refused` when the wait was too long.
pub const STRIPE_BUDGET: &str = "onsale_stripe_budget_total";
/// Answers of Stripe that slowed everybody down.
pub const STRIPE_BUDGET_SLOWED: &str = "onsale_stripe_budget_slowed_total";

/// Tells the recorder what the metrics mean. Call once, after the recorder is installed.
pub fn describe() {
    describe_histogram!(SCRIPT_DURATION, Unit::Seconds, "Duration of script calls, round trip included, by script.");
    describe_counter!(SCRIPT_ERRORS, "Script calls that failed, by script and error.");
    describe_gauge!(STRIPE_BUDGET_REMAINING, "Writes to Stripe that could be made now, by all processes together.");
    describe_gauge!(STRIPE_BUDGET_FACTOR, "Share of Stripe's limit that is spent; below 1 after a 429.");
    describe_counter!(STRIPE_BUDGET, "Who asked to write to Stripe, by class and result: granted, alone or refused.");
    describe_counter!(STRIPE_BUDGET_SLOWED, "Answers of Stripe that slowed everybody down.");
}

pub(crate) fn script_ended<T>(script: &'static str, outcome: &Result<T, AdmissionError>, took: Duration) {
    histogram!(SCRIPT_DURATION, "script" => script).record(took.as_secs_f64());
    if let Err(error) = outcome {
        counter!(SCRIPT_ERRORS, "script" => script, "error" => error.word()).increment(1);
    }
}

pub(crate) fn budget_asked(class: &'static str, result: &'static str) {
    counter!(STRIPE_BUDGET, "class" => class, "result" => result).increment(1);
}

pub(crate) fn budget_slowed() {
    counter!(STRIPE_BUDGET_SLOWED).increment(1);
}

pub(crate) fn budget_seen(remaining: u32, factor_millionths: u32) {
    gauge!(STRIPE_BUDGET_REMAINING).set(f64::from(remaining));
    gauge!(STRIPE_BUDGET_FACTOR).set(f64::from(factor_millionths) / 1e6);
}
