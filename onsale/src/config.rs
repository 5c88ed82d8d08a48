//! The configuration: flags and environment in, checked settings out, every fault named at once.
//!
//! [`Variables`] is the text as it was given: one field a variable, the flag and the environment variable of the same
//! meaning. Each process reads from it what it needs ([`GatewaySettings`], [`WorkersSettings`], [`DatabaseSettings`]);
//! a [`Faults`] names everything missing or wrong, never a secret's content, and ends the command with exit code 64.

mod faults;
mod reader;
mod settings;
mod variables;

pub(crate) use faults::Faults;
pub(crate) use settings::{AuditSettings, DatabaseSettings, GatewaySettings, ProcessSettings, WorkersSettings};
pub(crate) use variables::Variables;

#[cfg(test)]
mod tests;
