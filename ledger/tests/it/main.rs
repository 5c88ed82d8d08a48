//! The ledger against a real Postgres.

mod world;

mod audits;
mod books;
mod migrations;
mod orders;
mod outages;
mod payments;
mod queues;
mod races;
mod refunds;
mod sales;
mod work;
