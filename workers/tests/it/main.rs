//! The workers over real servers: Postgres, Redis, a fake Stripe, a mail sink.

mod eventually;
mod world;

mod draws;
mod figures;
mod letters;
mod payments;
mod pools;
mod refunds;
mod sweeps;
mod withholding;
