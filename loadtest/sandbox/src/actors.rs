//! People, as the gateway sees them from outside: visitors, buyers, an organizer.
//!
//! Actors speak HTTP and WebSocket to a gateway and know nothing else of it: the demo, the end-to-end tests and the
//! benches use the same ones, and what they do is what the public API allows. They are honest clients: every wait is
//! bounded, every creating request carries an idempotency key, and an unexpected answer is an error that quotes it.
//!
//! - [`Edge`]: a gateway's address and a pooled connection to it; [`Answer`]: what it said.
//! - [`Visitor`] registers or joins, watches by [`LiveSocket`], [`EventStream`] or polls, leaves; when its turn comes it is
//!   a [`Buyer`], who holds, orders, pays.
//! - [`Organizer`] sets up sales and runs them: notices, rates, access codes, bypasses.

mod buyer;
mod edge;
mod event_stream;
mod frames;
mod organizer;
mod puzzle;
mod socket;
mod visitor;

pub use buyer::{Buyer, Card, Hold, Order};
pub use edge::{ActorError, Answer, Edge};
pub use event_stream::{Event, EventStream};
pub use frames::Incoming;
pub use organizer::Organizer;
pub use socket::LiveSocket;
pub use visitor::{Turn, Visitor};
