//! The ledger against a real Postgres.

mod world;

mod acts;
mod audits;
mod balances;
mod batches;
mod books;
mod dead_letters;
mod dice;
mod disputes;
mod draws;
mod forbidden;
mod intent_claims;
mod limits;
mod migrations;
mod money_model;
mod money_page;
mod orders;
mod outages;
mod partitions;
mod payment_batches;
mod payment_latency;
mod payments;
mod queues;
mod races;
mod recent_audits;
mod reconciliations;
mod refund_asks;
mod refunds;
mod registrations;
mod sales;
mod seals;
mod soak;
mod storm;
mod withholdings;
mod work;
