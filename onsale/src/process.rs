//! What every long-running process does: log, export, wait for the signal, drain, end.
//!
//! Two steps lead to the end. *Draining*: the gateway or the workers finish what they began, the admin address answers and
//! says not ready. *Stopped*: nothing is left to watch, the admin address goes too.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::CommandFactory as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::admin::{Admin, Ready};
use crate::cli::Cli;
use crate::command::Failure;
use crate::config::{self, ProcessSettings};
use crate::metrics::Exporter;
use crate::spans;

/// What is logged unless `RUST_LOG` says otherwise.
const LOG_FILTER: &str = "info,fred=warn";
/// The same where a person watches what is printed.
const QUIET_FILTER: &str = "error";
/// How long the admin address may take to finish a scrape at the very end, and the last spans to be sent.
const LAST_TASKS_MAX: Duration = Duration::from_secs(2);

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For collectors.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

/// Logs to standard error from now on. Once a process.
pub(crate) fn log(format: LogFormat) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(LOG_FILTER))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// The same, and makes spans for the collector if one is named: what sends them is to be given to [`Process::exports`].
pub(crate) fn log_and_record(settings: &ProcessSettings, service: &'static str) -> Option<spans::Exporter> {
    let piped = settings.spans.as_ref().and_then(|to| spans::pipe(to, service));
    let Some((record, exporter)) = piped else {
        log(settings.log_format);
        return None;
    };
    let lines = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    registry().with(lines.with_filter(filter(LOG_FILTER))).with(record.with_filter(spans::filter())).init();
    Some(exporter)
}

/// Logs failures only, to standard error. Once a process.
pub(crate) fn log_quietly() {
    tracing_subscriber::fmt().with_env_filter(filter(QUIET_FILTER)).with_writer(std::io::stderr).init();
}

/// Says which variables are given and read by nothing. For processes that go on all the same.
pub(crate) fn warn_of_unknown_variables() {
    for variable in config::unknown(&Cli::command(), std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!(variable, "is given, and nothing reads it");
    }
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}

/// Waits for SIGTERM or Ctrl-C.
pub(crate) async fn asked_to_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// A long-running process.
pub(crate) struct Process {
    metrics: Exporter,
    tasks: TaskTracker,
    draining: CancellationToken,
    stopped: CancellationToken,
}

impl Process {
    /// Begins to export metrics. Once a process.
    pub(crate) fn new() -> Result<Self, Failure> {
        let process = Self {
            metrics: Exporter::install()?,
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
        };
        process.metrics.keep_up(&process.tasks, process.stopped.clone());
        Ok(process)
    }

    /// Sends spans until the very end.
    pub(crate) fn exports(&self, exporter: Option<spans::Exporter>) {
        if let Some(exporter) = exporter {
            self.tasks.spawn(exporter.run(self.stopped.clone()));
        }
    }

    /// Cancelled when the process begins to drain.
    pub(crate) fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Serves the admin address until the very end; gives where it listens.
    pub(crate) async fn serve_admin(&self, listen: SocketAddr, ready: impl Ready) -> Result<SocketAddr, Failure> {
        let admin = Admin::new(ready, self.metrics.clone());
        Ok(admin.start(listen, &self.tasks, self.stopped.clone()).await?)
    }

    /// Waits until the process is asked to end and begins to drain.
    pub(crate) async fn asked_to_drain(&self) -> Result<(), Failure> {
        asked_to_end().await?;
        tracing::info!("draining");
        self.draining.cancel();
        Ok(())
    }

    /// Begins to drain without being asked from outside.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    /// Ends what is left.
    pub(crate) async fn end(self) {
        self.stopped.cancel();
        self.tasks.close();
        if tokio::time::timeout(LAST_TASKS_MAX, self.tasks.wait()).await.is_err() {
            tracing::warn!("the admin address was still at a scrape");
        }
    }
}
