//! The onsale command: one binary for both long-running processes, for what operators do, and for the demo.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to the person who typed it")]

mod admin;
mod audit;
mod cli;
mod command;
mod config;
mod demo;
mod metrics;
mod preflight;
mod process;
mod rehearse;
mod servers;
mod spans;
mod start;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::usage(&error),
    };
    match command::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
