//! `onsale config check`

use clap::CommandFactory as _;

use crate::cli::{CheckConfig, Cli, Configured};
use crate::command::Failure;
use crate::config::{self, DatabaseSettings, Faults, GatewaySettings, WorkersSettings};

pub(super) fn check(wanted: &CheckConfig) -> Result<(), Failure> {
    let mut faults = Faults::default();
    for name in config::unknown(&Cli::command(), std::env::vars_os().map(|(name, _)| name)) {
        faults.add(&name, "nothing reads it");
    }
    let commands = wanted.of.map_or(vec![Configured::Gateway, Configured::Workers], |of| vec![of]);
    let mut shown = Vec::with_capacity(commands.len());
    for command in commands {
        match shown_of(command, wanted) {
            Ok(text) => shown.push(text),
            Err(found) => faults.merge(found),
        }
    }
    if !faults.is_empty() {
        return Err(faults.into());
    }
    println!("{}", shown.join("\n"));
    Ok(())
}

/// What one command would use, without what must stay secret.
fn shown_of(command: Configured, wanted: &CheckConfig) -> Result<String, Faults> {
    let variables = &wanted.variables;
    Ok(match command {
        Configured::Gateway => format!("gateway\n{}", GatewaySettings::read(variables)?.without_secrets()),
        Configured::Workers => format!("workers\n{}", WorkersSettings::read(variables)?.without_secrets()),
        Configured::Migrate => {
            DatabaseSettings::read(variables).map(|_| "migrate\n  Postgres         named".to_owned())?
        }
    })
}
