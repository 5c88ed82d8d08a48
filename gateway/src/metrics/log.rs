//! The metrics of joining and of the admission log: what came in, and how far behind Postgres is with writing it down.

use std::time::Duration;

use domain::SaleId;
use ledger::queue::TickRecord;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// How many asks go to a store together.
pub(super) const BATCH: &str = "onsale_join_batch_size";
const JOINS: &str = "onsale_joins_total";
const EVENTS: &str = "onsale_queue_events_total";
const LAG: &str = "onsale_admission_log_lag_seconds";

pub(super) fn describe() {
    describe_counter!(
        JOINS,
        "Joins by sale and outcome: number or registration (new ones), known, or the code of the refusal."
    );
    describe_histogram!(BATCH, "Joins in one call to a store, by what they ask for: numbers, registrations, lookups.");
    describe_counter!(
        EVENTS,
        "What happened to places, by sale and kind: returned, lapsed, left, ended, bypassed; counted once logged."
    );
    describe_gauge!(LAG, Unit::Seconds, "Age of the oldest line of the admission log that is not in Postgres yet.");
}

pub(crate) fn join_ended(sale: SaleId, outcome: &'static str) {
    counter!(JOINS, "sale" => sale.to_string(), "outcome" => outcome).increment(1);
}

pub(crate) fn joins_gathered(what: &'static str, asks: usize) {
    histogram!(BATCH, "what" => what).record(f64::from(u32::try_from(asks).unwrap_or(u32::MAX)));
}

pub(crate) fn tick_logged(sale: SaleId, record: &TickRecord) {
    if let Some(returned) = record.returned {
        counter!(EVENTS, "sale" => sale.to_string(), "kind" => "returned").increment(returned.count.into());
    }
    for event in &record.events {
        counter!(EVENTS, "sale" => sale.to_string(), "kind" => event.kind.word()).increment(1);
    }
}

pub(crate) fn log_is_behind(sale: SaleId, by: Duration) {
    gauge!(LAG, "sale" => sale.to_string()).set(by.as_secs_f64());
}

pub(super) fn ended(sale: SaleId) {
    gauge!(LAG, "sale" => sale.to_string()).set(0.0);
}
