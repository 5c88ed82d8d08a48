//! The time as the fakes stamp it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, the unit of every Stripe timestamp.
pub(crate) fn unix_s() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "stands in for the clock of somebody else's server")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set to a year after 1970");
    i64::try_from(since.as_secs()).expect("seconds of this age fit")
}
