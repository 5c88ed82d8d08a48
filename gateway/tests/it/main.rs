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

mod access_codes;
mod after_a_no;
mod allocations;
mod alternatives;
mod bad_holds;
mod bad_input;
mod buyer_limits;
mod called_off;
mod challenge;
mod changes;
mod clocks;
mod door;
mod drain;
mod drawing;
mod events;
mod extending;
mod fairness;
mod going_on;
mod hold_ttl;
mod holds;
mod idempotency;
mod incidents;
mod inside;
mod limits;
mod live;
mod odds;
mod orders;
mod organizer;
mod organizer_queue;
mod outages;
mod pages;
mod pay;
mod phases;
mod plain;
mod prequeue;
mod queue;
mod reclaiming;
mod refunds;
mod refusals;
mod reports;
mod rush;
mod sales;
mod seat_map;
mod seats;
mod sockets;
mod stripe_budget;
mod stripe_webhook;
mod tickets;
mod traces;
mod variants;
mod waitlist;
mod waitlist_live;
mod withholding;
