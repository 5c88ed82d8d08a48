//! The words of Onsale, and the rules that need no IO.
//!
//! Ids, money, the sale's configuration, the state machines of holds, orders and payments, signed tokens and the bytes
//! of a ticket. Everything here is a value or a pure function: time, randomness and ids come in as arguments, so the
//! same input gives the same answer in the gateway, in a worker and in a test.
//!
//! What it does not do: no tokio, no Redis, no Postgres, no HTTP. Each state machine has its table in its module doc
//! and a test of every state × event; the database and the scripts keep the same words.

pub mod ids;
pub mod money;

pub mod price;
pub mod sale;

pub mod email;
pub mod hold;
pub mod order;
pub mod payment;

pub mod keyring;
pub mod memo;
pub mod ticket;
pub mod token;

pub mod fairness;
pub mod proof_of_work;

pub mod clock;
pub mod ready;
pub mod trace;

pub use ids::{
    EntryId, HoldId, KeyId, OfferId, OrderId, OrganizerId, PaymentId, PhaseId, PlaceNumber, RefundId, SaleId, TicketId,
    TierId, TransferId, UnitNo,
};
pub use money::{Currency, Money};
