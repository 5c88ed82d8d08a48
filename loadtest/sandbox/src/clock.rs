//! The time as the fakes stamp it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970, the unit of every Stripe timestamp.
pub(crate) fn unix_s() -> i64 {
    i64::try_from(since_1970().as_secs()).expect("seconds of this age fit")
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    i64::try_from(since_1970().as_millis()).expect("milliseconds of this age fit")
}

fn since_1970() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "stands in for the clock of somebody else's server")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is set to a year after 1970")
}
