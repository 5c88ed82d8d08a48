//! `redis-benchmark`, which comes with Redis: the reference.

use sandbox::Redis;
use tokio::process::Command;

/// A word that is another one in each call.
pub(crate) const ANYBODY: &str = "__rand_int__";
/// Of how many.
const ANYBODY_OF: &str = "1000000000";

/// Calls a second over so many connections, one after the other on each, so often in all.
pub(crate) async fn calls_per_s(redis: &Redis, call: &[String], connections: u64, calls: u64) -> f64 {
    let output = Command::new("redis-benchmark")
        .args(["-p", &redis.port().to_string(), "-c", &connections.to_string(), "-n", &calls.to_string()])
        .args(["-r", ANYBODY_OF, "-q"])
        .args(call)
        .kill_on_drop(true)
        .output()
        .await
        .expect("redis-benchmark is installed with Redis");
    let printed = String::from_utf8_lossy(&output.stdout);
    // Its last line is `… : 12345.67 requests per second, p50=…`, behind others that a carriage return wiped away.
    let rate = printed.split(" requests per second").next().and_then(|before| before.rsplit(' ').next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("redis-benchmark says no rate:\n{printed}"))
}
