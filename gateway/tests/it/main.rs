//! The gateway from outside: a real one on a port of its own, on real Postgres and Redis and a fake Stripe.
//!
//! Tests mirror the URL tree; people are the sandbox's actors. Only what workers do elsewhere is done by hand here: a sale
//! is loaded into Redis when it is published.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking; the lint knows test functions only"
)]

mod eventually;
mod world;

mod bad_input;
mod drain;
mod holds;
mod idempotency;
mod limits;
mod orders;
mod organizer;
mod outages;
mod pages;
mod pay;
mod queue;
mod sales;
mod sockets;
mod stripe_webhook;
mod tickets;
