//! The metrics of the line: where its places are, and how fast it moves and why.

use admission::{Standstill, View};
use domain::SaleId;
use metrics::{Unit, describe_gauge, gauge};

const PLACES: &str = "onsale_queue_places";
const FACTOR: &str = "onsale_admission_factor";
const STANDSTILL: &str = "onsale_standstill";
const NO_SHOWS: &str = "onsale_no_show_ratio";
const PULSE_CALLS: &str = "onsale_payment_pulse_calls";
const PULSE_MEAN: &str = "onsale_payment_pulse_mean_seconds";

/// Every state of a place that is counted.
const STATES: [&str; 5] = ["joined", "in_line", "inside", "left", "expired"];

pub(super) fn describe() {
    describe_gauge!(
        PLACES,
        "Places by sale and state: joined is all that were given, and at every moment in_line + inside + left + expired."
    );
    describe_gauge!(
        FACTOR,
        "The share of the configured rate at which the line moves, by sale; 1 when paying is well."
    );
    describe_gauge!(STANDSTILL, "1 while a sale stands still for that reason: organizer, stripe or postgres.");
    describe_gauge!(NO_SHOWS, "The share of turns that nobody uses, by sale, as admission reckons with it.");
    describe_gauge!(
        PULSE_CALLS,
        "Payment calls of the last seconds, of all gateways, by sale and outcome (good, bad)."
    );
    describe_gauge!(PULSE_MEAN, Unit::Seconds, "How long those calls took on average, by sale.");
}

pub(super) fn seen(sale: SaleId, view: &View) {
    let counts = [view.joined_total, view.in_line(), u64::from(view.shoppers()), view.left_total, view.expired_total];
    for (state, count) in STATES.into_iter().zip(counts) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; 2^53 places are more than there are people"
        )]
        gauge!(PLACES, "sale" => sale.to_string(), "state" => state).set(count as f64);
    }
    stands_still(sale, view.standstill);
    gauge!(FACTOR, "sale" => sale.to_string()).set(f64::from(view.factor_milli) / 1_000.0);
    let pacing = &view.pacing;
    gauge!(NO_SHOWS, "sale" => sale.to_string()).set(f64::from(pacing.no_show_milli) / 1_000.0);
    let good = pacing.payments.saturating_sub(pacing.bad);
    for (outcome, calls) in [("good", good), ("bad", pacing.bad)] {
        gauge!(PULSE_CALLS, "sale" => sale.to_string(), "outcome" => outcome).set(f64::from(calls));
    }
    let mean_ms = u32::try_from(pacing.mean_ms).unwrap_or(u32::MAX);
    gauge!(PULSE_MEAN, "sale" => sale.to_string()).set(f64::from(mean_ms) / 1_000.0);
}

pub(super) fn ended(sale: SaleId) {
    STATES.iter().for_each(|state| gauge!(PLACES, "sale" => sale.to_string(), "state" => *state).set(0.0));
    stands_still(sale, None);
    for name in [FACTOR, NO_SHOWS, PULSE_MEAN] {
        gauge!(name, "sale" => sale.to_string()).set(0.0);
    }
    for outcome in ["good", "bad"] {
        gauge!(PULSE_CALLS, "sale" => sale.to_string(), "outcome" => outcome).set(0.0);
    }
}

fn stands_still(sale: SaleId, why: Option<Standstill>) {
    for reason in Standstill::ALL {
        let is_why = f64::from(u8::from(why == Some(reason)));
        gauge!(STANDSTILL, "sale" => sale.to_string(), "reason" => reason.word()).set(is_why);
    }
}
