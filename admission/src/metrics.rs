//! The metrics of the scripts. What the queue and the holds look like is exported by who reads the [`crate::View`].

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::scripts;
use crate::{AdmissionError, WriteClass};

/// Duration of script calls, round trip included, by script.
pub const SCRIPT_DURATION: &str = "onsale_redis_script_duration_seconds";
/// Script calls that failed, by script and error (`not_loaded`, `unavailable`, `script`).
pub const SCRIPT_ERRORS: &str = "onsale_redis_script_errors_total";
/// 1 when Redis answered the last look of this process, 0 when it did not in time.
pub const UP: &str = "onsale_redis_up";
/// Writes to Stripe that could be made at this moment, by all processes together.
pub const STRIPE_BUDGET_REMAINING: &str = "onsale_stripe_budget_remaining";
/// The share of the limit that is spent: below 1 after Stripe answered 429, until it has recovered.
pub const STRIPE_BUDGET_FACTOR: &str = "onsale_stripe_budget_factor";
/// Who asked to write to Stripe, by class and result: `granted` by Redis, `alone` out of the local share while Redis is away,
/// `refused` when the wait was too long.
pub const STRIPE_BUDGET: &str = "onsale_stripe_budget_total";
/// Answers of Stripe that slowed everybody down.
pub const STRIPE_BUDGET_SLOWED: &str = "onsale_stripe_budget_slowed_total";

/// What becomes of who asks to write to Stripe.
const BUDGET_RESULTS: [&str; 3] = ["granted", "alone", "refused"];

/// Tells the recorder what the metrics mean, and starts its counters at zero. Call once, after the recorder is installed.
pub fn describe() {
    describe_histogram!(SCRIPT_DURATION, Unit::Seconds, "Duration of script calls, round trip included, by script.");
    describe_counter!(SCRIPT_ERRORS, "Script calls that failed, by script and error.");
    describe_gauge!(UP, "1 when Redis answered the last look of this process, 0 when it did not.");
    describe_gauge!(STRIPE_BUDGET_REMAINING, "Writes to Stripe that could be made now, by all processes together.");
    describe_gauge!(STRIPE_BUDGET_FACTOR, "Share of Stripe's limit that is spent; below 1 after a 429.");
    describe_counter!(STRIPE_BUDGET, "Who asked to write to Stripe, by class and result: granted, alone or refused.");
    describe_counter!(STRIPE_BUDGET_SLOWED, "Answers of Stripe that slowed everybody down.");
    begin();
}

/// An alert on the rise of a counter would not see the first of what it waits for, were there no zero before.
fn begin() {
    for script in scripts::ALL {
        for error in AdmissionError::WORDS {
            counter!(SCRIPT_ERRORS, "script" => script.name, "error" => error).increment(0);
        }
    }
    for class in WriteClass::ALL {
        for result in BUDGET_RESULTS {
            counter!(STRIPE_BUDGET, "class" => class.word(), "result" => result).increment(0);
        }
    }
    counter!(STRIPE_BUDGET_SLOWED).increment(0);
}

pub(crate) fn answered<T>(answer: &Result<T, AdmissionError>) {
    gauge!(UP).set(f64::from(u8::from(answer.is_ok())));
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
