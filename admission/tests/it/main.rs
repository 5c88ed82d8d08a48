//! Admission against a real Redis. Each test has a sale of its own, and moves the clock of that sale alone.

#![cfg(test)]

mod onsale;

mod fault;
mod hold;
mod line;
mod liveness;
mod loss;
mod order;
mod pace;
mod pause;
mod turn;

mod hold_model;
mod line_model;
mod random;
mod rush;
