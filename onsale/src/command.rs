//! The commands, one file each, and how they end.

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{Cli, Command, Config, EX_USAGE, Keys, Letters};
use crate::config::Faults;

mod audit;
mod config;
mod dead_letters;
mod gateway;
mod healthcheck;
mod keys;
mod letters;
mod migrate;
mod openapi;
mod preflight;
mod reconciliations;
mod recover;
mod sandbox;
mod stripe;
mod verify_shuffle;
mod workers;

pub(crate) use audit::as_text as report_as_text;
pub(crate) use keys::fresh_key;

/// How long the end of a command waits for threads that block.
const BLOCKED_MAX: Duration = Duration::from_secs(1);

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration cannot be used.
    Configuration(Faults),
    /// What it was given to read cannot be read.
    Unreadable(Box<dyn std::error::Error + Send + Sync>),
    /// It was tried and did not work.
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// It worked, and what it found is bad; it has been printed.
    Breach,
}

impl Failure {
    /// Says why on standard error and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Configuration(faults) => {
                eprintln!("onsale: {faults}");
                ExitCode::from(EX_USAGE)
            }
            Self::Unreadable(error) => {
                eprintln!("onsale: {}", with_causes(&*error));
                ExitCode::from(EX_USAGE)
            }
            Self::Failed(error) => {
                eprintln!("onsale: {}", with_causes(&*error));
                ExitCode::FAILURE
            }
            Self::Breach => ExitCode::FAILURE,
        }
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Configuration(faults)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Runs a command's future on a runtime of its own. What still blocks a thread at its end, like the lookup of a name that nobody
/// answers, is left after [`BLOCKED_MAX`].
pub(crate) fn block_on<F: Future<Output = Result<(), Failure>>>(future: F) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    runtime.shutdown_timeout(BLOCKED_MAX);
    result
}

/// Runs a command to its end.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Gateway(variables) => gateway::run(&variables),
        Command::Workers(variables) => workers::run(&variables),
        Command::Migrate(variables) => migrate::run(&variables),
        Command::Audit(audit) => audit::run(&audit),
        Command::Preflight(wanted) => preflight::run(&wanted),
        Command::Stripe(wanted) => stripe::run(&wanted),
        Command::VerifyShuffle(verify) => verify_shuffle::run(&verify),
        Command::DeadLetters(letters) => dead_letters::run(&letters),
        Command::Reconciliations(wanted) => reconciliations::run(&wanted),
        Command::Recover(wanted) => recover::run(&wanted),
        Command::Letters(Letters::Preview(wanted)) => letters::preview(&wanted),
        Command::Keys(Keys::Create(create)) => keys::create(&create),
        Command::Keys(Keys::Generate { purpose }) => keys::generate(purpose),
        Command::Demo(demo) => crate::demo::run(&demo),
        Command::Rehearse(rehearse) => crate::rehearse::run(&rehearse),
        Command::Sandbox(sandbox) => sandbox::run(sandbox),
        Command::Config(Config::Check(wanted)) => config::check(&wanted),
        Command::Healthcheck(wanted) => healthcheck::run(&wanted),
        Command::Openapi => openapi::run(),
    }
}
