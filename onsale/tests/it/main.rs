//! The command end to end: real processes on real servers, people as actors.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking; the lint knows test functions only"
)]

mod a_script;
mod archive;
mod audit;
mod balancer;
mod border;
mod command;
mod compose;
mod dashboards;
mod dead_letters;
mod disagreement;
mod disaster;
mod door;
mod drain;
mod expiring;
mod failover;
mod faults;
mod forgery;
mod growth;
mod healthcheck;
mod hold_ttl;
mod holders;
mod hostile;
mod house_rules;
mod incidents;
mod line;
mod log;
mod losses;
mod lost_gateway;
mod lost_redis;
mod lost_replies;
mod metrics;
mod one_address;
mod opening;
#[cfg(feature = "otlp")]
mod otlp;
mod outage;
mod pacing;
mod partition;
mod preflight;
mod privacy;
mod races;
mod reclaim;
mod reconcile;
mod refunds;
mod rehearse;
mod rolling;
mod scale;
mod seat_map;
mod seats;
mod sell_out;
mod sent_again;
mod shopper;
mod shutdown;
mod signing_keys;
mod stock;
mod stripe_budget;
mod stuck_redis;
mod ticket_format;
mod totals;
mod traces;
mod verify_shuffle;
mod waiting_room;
mod waitlist;
mod withholding;
mod world;
