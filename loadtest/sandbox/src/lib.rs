//! Private Postgres and Redis, fake Stripe, mail sink and fault proxy for demo, tests and benches.
//!
//! Everything here is a real server on a free loopback port, speaks the real protocol, and is gone when its owner is,
//! however the owner ends. Nothing here imports another crate of ours: whoever wants a migrated database passes the
//! migration. Reading order:
//!
//! - [`Postgres`], [`Template`], [`Database`]: a throw-away cluster, and a migrated database per test in milliseconds.
//! - [`Redis`]: a throw-away Redis.
//! - [`RedisSentinel`], [`RedisCluster`]: several of them, of which one may be lost.
//! - [`shared()`]: one of each per process, for a test binary.
//! - [`FakeStripe`]: payments without money, with faults on request and books to audit against.
//! - [`MailSink`]: mail that goes nowhere, for tests and for people.
//! - [`FakeBeacon`]: a public randomness beacon that can be foretold.
//! - [`actors`]: people, as a gateway sees them from outside.
//! - [`figures`]: what benches print.
//! - [`processor`]: what a process has used of the processor, for benches and rehearsals.
//! - [`open_files`]: as many as this process may have.
//! - [`Random`]: repeatable randomness from a seed.
//! - [`strangers`]: programs of others, to check what we write.
//! - [`FaultProxy`]: outages, stalls and lost replies between a client and a server.

pub mod actors;
pub mod figures;
pub mod open_files;
pub mod processor;
pub mod strangers;

mod account;
mod clock;
mod error;
mod guardian;
mod http;
mod listen;
mod ports;
mod programs;
mod random;
mod server;

mod beacon;
mod mail;
mod postgres;
mod proxy;
mod redis;
mod shared;
mod stripe;

pub use beacon::{BeaconClock, BeaconFault, FakeBeacon, FakeBeaconOptions};
pub use error::SandboxError;
pub use mail::{Attachment, Mail, MailFault, MailSink, MailSinkOptions};
pub use ports::free_port;
pub use postgres::{Database, Durability, Postgres, PostgresOptions, Template};
pub use proxy::{FaultProxy, LostReplies};
pub use random::Random;
pub use redis::{Persistence, Redis, RedisCluster, RedisOptions, RedisSentinel, SlotMove};
pub use shared::{Shared, shared};
pub use stripe::{
    Account, Authentication, Availability, BankAnswer, BankPace, CallFault, DisputeKind, DisputeStep, EventSummary,
    FakeStripe, FakeStripeOptions, Fees, IntentSnapshot, IntentStatus, Latency, Limits, Mode, Movement, MovementKind,
    Operation, RefundOutcome, RefundPace, Refused, Tally, Webhook, WebhookEndpoint, WebhookFault, sign_webhook,
};
