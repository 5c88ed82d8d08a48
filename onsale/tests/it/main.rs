//! The command end to end: real processes on real servers, people as actors.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking; the lint knows test functions only"
)]

mod audit;
mod command;
mod faults;
mod forgery;
mod house_rules;
mod metrics;
mod outage;
mod privacy;
mod races;
mod sell_out;
mod shopper;
mod shutdown;
mod world;
