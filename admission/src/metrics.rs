//! The metrics of the scripts. What the queue and the holds look like is exported by who reads the [`crate::View`].

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::AdmissionError;

/// Duration of script calls, round trip included, by script.
pub const SCRIPT_DURATION: &str = "onsale_redis_script_duration_seconds";
/// Script calls that failed, by script and error (`not_loaded`, `unavailable`, `script`).
pub const SCRIPT_ERRORS: &str = "onsale_redis_script_errors_total";

/// Tells the recorder what the metrics mean. Call once, after the recorder is installed.
pub fn describe() {
    describe_histogram!(SCRIPT_DURATION, Unit::Seconds, "Duration of script calls, round trip included, by script.");
    describe_counter!(SCRIPT_ERRORS, "Script calls that failed, by script and error.");
}

pub(crate) fn script_ended<T>(script: &'static str, outcome: &Result<T, AdmissionError>, took: Duration) {
    histogram!(SCRIPT_DURATION, "script" => script).record(took.as_secs_f64());
    if let Err(error) = outcome {
        counter!(SCRIPT_ERRORS, "script" => script, "error" => error.word()).increment(1);
    }
}
