//! The client and the webhook against a fake Stripe over real HTTP.

mod account;
mod calls;
mod contract;
mod events;
mod faults;
mod localstripe;
mod till;
