//! Worker pools: payment events, captures, tickets, mail, sweeps.
//!
//! ```text
//!  Stripe's webhook ─► inbox ─► apply ─┬─► units sold, tickets, transfer posted   one call of the ledger
//!                                      ├─► outbox: stripe ─► capture, cancel, refund ─► apply
//!                                      ├─► outbox: stock  ─► units back on sale in Redis
//!                                      └─► outbox: mail   ─► the buyer
//! ```
//!
//! A process runs any number of these pools beside any number of others: work is leased from Postgres, marked under its
//! lease, and harmless when it runs twice. Only workers sweep and rebuild Redis; gateways never do. No network call is
//! made inside a transaction: a job reads, calls, and then tells the ledger in one call what came of it.
//!
//! They also hold the draws of the prequeue: `sweeps::hold_draws`.
//!
//! Reading order: [`Workers`]; `runner`, which knows nothing of what it runs; `together`, by which jobs share a call; `inbox` and `outbox`, where the work comes
//! from; `jobs`, what it is; `stripe_turn`, when a job may write to Stripe; `sweeps`, the clocks; `reconcilers`, which look
//! again.
//!
//! What it does not do: answer anybody. The admin address belongs to the process; [`Workers::ready`] tells it what to say.

mod workers;

mod context;
mod ready;

pub mod points;

mod bells;
mod inbox;
mod jobs;
mod outbox;
mod reconcilers;
mod runner;
mod stripe_turn;
mod sweeps;
mod together;
mod trace;

mod beacon;
mod mail;
mod preview;

pub mod metrics;
pub mod recovery;
pub mod stock;

pub use beacon::{BadBeaconUrl, BeaconUrl, beacon_round};
pub use mail::{BadMailConfig, MailConfig, MailLine, Reach};
pub use preview::{Reader, preview};
pub use reconcilers::ReconcilePace;
pub use runner::PoolSize;
pub use workers::{Drained, Workers, WorkersConfig, WorkersParts};
