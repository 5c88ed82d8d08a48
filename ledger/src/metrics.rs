//! The metrics of the pool, and whether Postgres answers. What the books and the queues look like is exported by who reads them.

use std::time::Duration;

use metrics::{Unit, describe_gauge, describe_histogram, gauge, histogram};

use crate::{LedgerError, PoolStatus};

/// Connections of this process, by state: `idle` or `busy`.
pub const POOL_CONNECTIONS: &str = "onsale_postgres_pool_connections";
/// The most connections of this process.
pub const POOL_CONNECTIONS_MAX: &str = "onsale_postgres_pool_connections_max";
/// Callers waiting for one.
pub const POOL_WAITING: &str = "onsale_postgres_pool_waiting";
/// How long callers waited for one, a new one included, also when they got none.
pub const WAIT_DURATION: &str = "onsale_postgres_wait_duration_seconds";
/// 1 when Postgres answered the last look of this process, 0 when it did not in time.
pub const UP: &str = "onsale_postgres_up";

/// Tells the recorder what the metrics mean. Call once, after the recorder is installed.
pub fn describe() {
    describe_gauge!(POOL_CONNECTIONS, "Connections of this process to Postgres, by state: idle or busy.");
    describe_gauge!(POOL_CONNECTIONS_MAX, "The most connections of this process to Postgres.");
    describe_gauge!(POOL_WAITING, "Callers of this process waiting for a connection to Postgres.");
    describe_histogram!(WAIT_DURATION, Unit::Seconds, "How long callers waited for a connection to Postgres.");
    describe_gauge!(UP, "1 when Postgres answered the last look of this process, 0 when it did not.");
}

pub(crate) fn waited(took: Duration) {
    histogram!(WAIT_DURATION).record(took.as_secs_f64());
}

/// Shows the pool as it is at this moment.
pub(crate) fn pool_is(status: PoolStatus) {
    let PoolStatus { max, size, available, waiting } = status;
    let busy = size.saturating_sub(available);
    for (state, connections) in [("idle", available), ("busy", busy)] {
        gauge!(POOL_CONNECTIONS, "state" => state).set(number(connections));
    }
    gauge!(POOL_CONNECTIONS_MAX).set(number(max));
    gauge!(POOL_WAITING).set(number(waiting));
}

pub(crate) fn answered<T>(answer: &Result<T, LedgerError>) {
    gauge!(UP).set(f64::from(u8::from(answer.is_ok())));
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
