//! The ledger against a real Postgres.

mod world;

mod acts;
mod audits;
mod books;
mod draws;
mod migrations;
mod orders;
mod outages;
mod payments;
mod queues;
mod races;
mod refunds;
mod registrations;
mod sales;
mod work;
