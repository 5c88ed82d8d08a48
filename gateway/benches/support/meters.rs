//! The recorder of a real gateway: counting is part of what an answer takes.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

/// As in the command.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Counts from now on, for as long as the process lives.
pub(crate) async fn run() {
    let buckets = Matcher::Full(gateway::metrics::REQUEST_DURATION.to_owned());
    let recorder = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(buckets, &gateway::metrics::REQUEST_DURATION_BUCKETS_S)
        .and_then(|builder| builder.set_buckets(&gateway::metrics::REQUEST_DURATION_BUCKETS_S))
        .and_then(PrometheusBuilder::install_recorder)
        .unwrap();
    gateway::metrics::describe();
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    loop {
        ticks.tick().await;
        recorder.run_upkeep();
    }
}
