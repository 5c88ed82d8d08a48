//! Admission against a real Redis. Each test has a sale of its own, and moves the clock of that sale alone.

#![cfg(test)]

mod onsale;

mod abandon;
mod allocation;
mod arrivals;
mod batch;
mod bypass;
mod cluster;
mod crowd;
mod draw;
mod event;
mod expiry;
mod extend;
mod fault;
mod gap;
mod ghosts;
mod hold;
mod incident;
mod line;
mod liveness;
mod loss;
mod lost_reply;
mod more_time;
mod order;
mod pace;
mod pause;
mod paying;
mod reclaim;
mod seats;
mod sentinel;
mod turn;

mod hold_model;
mod line_model;
mod random;
mod reclaim_model;
mod rush;
mod soak;
mod stripe_budget;
mod window;
mod withhold;
