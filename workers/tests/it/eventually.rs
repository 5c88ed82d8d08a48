//! Bounded, level-triggered waiting.

use std::time::{Duration, Instant};

/// Long enough for a busy two-core machine; a healthy one needs milliseconds.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Looks again and again until `holds`; panics with `what` when it never does.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
