//! Stripe's webhook: what arrived, and is it from Stripe?
//!
//! Two steps that never mix. [`verify`] proves the raw bytes, whatever they say; only then [`envelope`] reads as much as
//! storing needs, and later, in a worker, [`parse`] reads the whole event. A body that verifies and does not parse is
//! therefore kept and looked at, where `async-stripe`'s own function, which verifies and parses at once, would lose it.

mod event;
mod plain;
mod signature;

pub use event::{Envelope, Event, EventObject, NEEDED, Unreadable, Version, envelope, parse};
pub use signature::{BadSignature, TOLERANCE_S, verify};
