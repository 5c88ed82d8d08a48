//! The process's metrics: one recorder, rendered on the admin address.
//!
//! Each crate declares its metrics once; here they meet the exporter, and the process adds what is true of any process. Histograms
//! are classic ones, with buckets by what the name ends in; the exporter would make summaries of them otherwise. All of them are
//! in the table of `docs/metrics.md`, which a test compares with what is declared.

use std::time::Duration;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::process::Started;
use self::runtime::RuntimeWatch;
use crate::spans;

mod process;
mod runtime;

/// How often the exporter drains its histograms; without it they grow until somebody scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// For what a machine does: OpenTelemetry's buckets for HTTP servers, and three finer ones for scripts and statements.
const DURATION_BUCKETS_S: [f64; 17] =
    [0.000_25, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// For what takes a person or a bank: from a tenth of a second to a quarter of an hour.
const LATENCY_BUCKETS_S: [f64; 13] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0];

/// Which version runs: always 1.
const BUILD_INFO: &str = "onsale_build_info";
/// The commit it was built from, when whoever built it said so. The compiler knows that it depends on the variable.
const COMMIT: &str = match option_env!("ONSALE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// What a scrape reads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Exporter {
    handle: PrometheusHandle,
    runtime: RuntimeWatch,
    started: Started,
}

impl Exporter {
    /// Installs the recorder of this process and describes every metric. Within the runtime that is to be watched.
    ///
    /// # Errors
    /// The process already has one.
    pub(crate) fn install() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .with_recommended_naming(true)
            .set_buckets_for_metric(
                Matcher::Full(gateway::metrics::REQUEST_DURATION.to_owned()),
                &gateway::metrics::REQUEST_DURATION_BUCKETS_S,
            )?
            .set_buckets_for_metric(
                Matcher::Full(gateway::metrics::JOIN_BATCH_SIZE.to_owned()),
                &gateway::metrics::JOIN_BATCH_SIZE_BUCKETS,
            )?
            .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &DURATION_BUCKETS_S)?
            .set_buckets_for_metric(Matcher::Suffix("_latency_seconds".to_owned()), &LATENCY_BUCKETS_S)?
            .install_recorder()?;
        describe();
        spans::begin();
        gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION"), "commit" => COMMIT).set(1.0);
        Ok(Self { handle, runtime: RuntimeWatch::begin(), started: Started::now() })
    }

    /// Everything, as Prometheus reads it.
    pub(crate) fn render(&self) -> String {
        self.runtime.look();
        let mut text = self.handle.render();
        process::write(&mut text, self.started);
        text
    }

    /// Keeps the exporter's memory bounded until shutdown.
    pub(crate) fn keep_up(&self, tasks: &TaskTracker, shutdown: CancellationToken) {
        let handle = self.handle.clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP_EVERY);
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    _ = ticks.tick() => handle.run_upkeep(),
                }
            }
        });
    }
}

/// Describes the metrics of all crates.
fn describe() {
    describe_gauge!(BUILD_INFO, "Which version runs, and the commit it was built from; always 1.");
    runtime::describe();
    spans::describe();
    admission::metrics::describe();
    ledger::metrics::describe();
    payments::metrics::describe();
    gateway::metrics::describe();
    workers::metrics::describe();
}

#[cfg(test)]
mod tests;
