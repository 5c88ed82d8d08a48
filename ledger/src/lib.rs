//! Money, seats, orders, tickets and queues of work, in Postgres.
//!
//! The final authority: Redis is never asked whether a seat was sold. Every business act is *one* autocommitted call of
//! an SQL function that locks, checks, changes and answers what it did; a lost answer is repaired by calling again.
//! Refusals are values of enums, [`LedgerError`] is for failures only.
//!
//! What it guarantees: a unit belongs to one buyer (I1), per tier the states of units add up to the capacity and to the
//! seats in the books (I2), every transfer sums to zero and is never changed (I3), a Stripe event takes effect once (I4),
//! a captured payment has its tickets or its refund (I5), one ticket a payment reference and unit (I6), refunded ≤
//! captured ≤ authorised (I12), the waitlist is first come, first served (I11). [`audit`] proves it on a running system,
//! and by [`seals`] that nobody changed the books past all rules.
//!
//! Order of locks, in every function: the gate of the sale (an advisory lock, shared; only [`epochs`] takes it alone), the
//! claim of the hold, the order's row, the payment's row, the tickets, the waitlist's door and line (advisory locks), the buyer, the units
//! by tier and number; and for the queue, behind the gate:
//! the draw, the numbers (advisory locks), the sale's row, the admission log (another). Who changes a sale has its row behind the
//! waitlist's line and before the tier's row and its new units. Bounds: every statement,
//! every wait for a lock and every wait for a connection ends by itself ([`PoolConfig`]).
//!
//! What it does not do: no Redis, no Stripe, no HTTP, no mail; those are jobs in [`outbox`].

mod documents;
mod error;
mod hosts;
pub mod metrics;
mod numbers;
mod pool;
mod role;
mod wakeups;

pub mod migration;

pub mod organizers;
pub mod sales;

pub mod access_codes;
pub mod draws;
pub mod epochs;
pub mod notices;
pub mod queue;
pub mod rebuild;
pub mod registrations;

pub mod checkins;
pub mod disputes;
pub mod holds;
pub mod orders;
pub mod payments;
pub mod refunds;
pub mod tickets;
pub mod units;
pub mod waitlist;
pub mod withholdings;

pub mod balance_transactions;
pub mod balances;

pub mod dead_letters;
pub mod idempotency;
pub mod inbox;
pub mod intent_claims;
pub mod outbox;
pub mod pruning;
pub mod reconciliations;
pub mod recovery;
pub mod starts;

pub mod audit;
pub mod seals;
pub mod server;
pub mod statements;

pub use error::LedgerError;
pub use migration::{Migrated, migrate};
pub use pool::{Ledger, PoolConfig, PoolStatus};
pub use role::Role;
pub use wakeups::{Wakeup, Wakeups};
