//! The configuration: flags and environment in, checked settings out, every fault named at once.
//!
//! [`Variables`] is the text as it was given: one field a variable, the flag and the environment variable of the same
//! meaning. Each process reads from it what it needs ([`GatewaySettings`], [`WorkersSettings`], [`DatabaseSettings`]);
//! a [`Faults`] names everything missing or wrong, never a secret's content, and ends the command with exit code 64.
//! What is given and read by nothing is in [`unknown()`]: a fault where the configuration is checked, a warning where a process
//! starts, because a sale is not to stand still for a variable of the version after this one.

mod faults;
mod reader;
mod settings;
mod unknown;
mod variables;

pub(crate) use faults::Faults;
pub(crate) use settings::{
    AdminSettings, AuditSettings, DatabaseSettings, GatewaySettings, PreflightSettings, ProcessSettings,
    StripeSettings, WorkersSettings,
};
pub(crate) use unknown::unknown;
pub(crate) use variables::Variables;

#[cfg(test)]
mod tests;
