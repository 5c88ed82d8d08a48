//! The metrics of what a sale is and how it was configured: alerts are gated on them, and figures are read against them.
//!
//! Who writes: the task that ticks the sale, also while its stores are away, and at the very end.

use domain::SaleId;
use domain::sale::{HoldConfig, SaleState};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::sale::Sale;

const STATE: &str = "onsale_sale_state";
const OPENS: &str = "onsale_sale_opens_timestamp_seconds";
const RATE: &str = "onsale_admission_rate";
const TICKS: &str = "onsale_admission_ticks_total";
const HOLD_TTL_MIN: &str = "onsale_hold_ttl_min_seconds";
const HOLD_TTL_MAX: &str = "onsale_hold_ttl_max_seconds";

/// The states of a sale that is live; in any other it has no visitors.
const STATES: [SaleState; 6] = [
    SaleState::Scheduled,
    SaleState::Prequeue,
    SaleState::Open,
    SaleState::Paused,
    SaleState::SoldOut,
    SaleState::Closed,
];

pub(super) fn describe() {
    describe_gauge!(STATE, "1 for the state in which visitors see the sale, 0 for the others, by sale and state.");
    describe_gauge!(OPENS, Unit::Seconds, "When the first phase opens, in seconds since 1970, by sale.");
    describe_gauge!(RATE, "Turns a second, as configured, by sale.");
    describe_counter!(TICKS, "Ticks of this gateway that Redis answered, by sale.");
    describe_gauge!(HOLD_TTL_MIN, Unit::Seconds, "The shortest that a hold may last, as configured, by sale.");
    describe_gauge!(HOLD_TTL_MAX, Unit::Seconds, "The longest that a hold may last, as configured, by sale.");
}

pub(super) fn begins(sale: SaleId) {
    counter!(TICKS, "sale" => sale.to_string()).increment(0);
}

pub(crate) fn sale_stands(sale: &Sale, state: SaleState) {
    is_in(sale.id(), Some(state));
    let HoldConfig { min_ttl_s, max_ttl_s, .. } = sale.config().hold;
    let configured = [
        (OPENS, sale.opens_at().as_duration().as_secs_f64()),
        (RATE, f64::from(sale.config().admission.rate_per_s)),
        (HOLD_TTL_MIN, f64::from(min_ttl_s)),
        (HOLD_TTL_MAX, f64::from(max_ttl_s)),
    ];
    for (name, value) in configured {
        gauge!(name, "sale" => sale.id().to_string()).set(value);
    }
}

pub(super) fn ended(sale: SaleId) {
    is_in(sale, None);
    for name in [OPENS, RATE, HOLD_TTL_MIN, HOLD_TTL_MAX] {
        gauge!(name, "sale" => sale.to_string()).set(0.0);
    }
}

pub(crate) fn admission_ticked(sale: SaleId) {
    counter!(TICKS, "sale" => sale.to_string()).increment(1);
}

fn is_in(sale: SaleId, state: Option<SaleState>) {
    for possible in STATES {
        let is_state = f64::from(u8::from(state == Some(possible)));
        gauge!(STATE, "sale" => sale.to_string(), "state" => possible.word()).set(is_state);
    }
}
