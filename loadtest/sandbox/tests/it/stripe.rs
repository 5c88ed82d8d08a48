//! The fake Stripe, seen from a seller's server, a browser and a webhook endpoint.

mod balance;
mod browser;
mod disputes;
mod faults;
mod idempotency;
mod later;
mod limits;
mod lists;
mod payments;
mod seller;
mod webhooks;
