//! What is done again and again: the clocks that nobody watches but the workers.
//!
//! | sweep | every | does |
//! |---|---|---|
//! | [`live_sales`] | 500 ms | keeps the list of sales that the other sweeps go through |
//! | [`expire_holds`] | 500 ms | frees holds whose time is over; frozen ones only with Postgres' word |
//! | [`expire_orders`] | 500 ms | ends orders whose clock ran out |
//! | [`find_payments`] | 1 s | looks for attempts to pay that nobody heard of, ends those that were never made |
//! | [`load_redis`] | 250 ms | rebuilds a sale that Redis does not have, in a new epoch |
//! | [`hold_draws`] | 200 ms | turns the registrations of a prequeue into numbers when its phase opens |
//! | [`measure_payments`] | 1 s | how long paying takes, for the time of a hold |
//! | [`serve_waitlists`] | 500 ms | ends offers whose clock ran out, and offers what may be offered by now |
//! | [`wind_up_sales`] | 500 ms | ends and gives back the orders of sales that were called off |
//! | [`queue_starts`] | 1 s | where in each queue the first waits, so that claims begin there |
//! | [`roll_up_balances`] | 1 s | adds up what was posted, so that reading a balance stays quick |
//! | [`publish_gauges`] | 2 s | stock and queues as gauges |
//! | [`seal_books`] | 1 s | chains what was posted in sealed blocks |
//! | [`prune`] | 60 s | deletes what is old and over |
//! | [`audit_books`] | 60 s | the invariants of what is new, and now and then of everything, as gauges |
//!
//! Any number of workers may sweep at once: each step is one atomic call that answers what it did. A round that fails is
//! told once and tried again at the next tick; a failure of one sale does not stop the others.

use std::time::Duration;

use admission::AdmissionError;
use ledger::LedgerError;
use payments::StripeError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::points::{Point, Points};

pub(crate) mod audit_books;
pub(crate) mod expire_holds;
pub(crate) mod expire_orders;
pub(crate) mod find_payments;
pub(crate) mod hold_draws;
pub(crate) mod live_sales;
pub(crate) mod load_redis;
pub(crate) mod measure_payments;
pub(crate) mod prune;
pub(crate) mod publish_gauges;
pub(crate) mod queue_starts;
pub(crate) mod roll_up_balances;
pub(crate) mod seal_books;
pub(crate) mod serve_waitlists;
pub(crate) mod wind_up_sales;

/// One thing that is done again and again.
pub(crate) trait Sweep: Send + 'static {
    /// Its name in logs and metrics.
    const NAME: &'static str;
    /// How often.
    const EVERY: Duration;

    /// One round.
    fn round(&mut self) -> impl Future<Output = Result<(), SweepError>> + Send;
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    /// Postgres.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Redis.
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    /// Stripe.
    #[error(transparent)]
    Stripe(#[from] StripeError),
}

/// Sweeps until `stop`. A round under way is dropped then: whatever it was about to do, the next worker does.
pub(crate) async fn repeat<S: Sweep>(mut sweep: S, points: Points, stop: CancellationToken) {
    metrics::sweep_begins(S::NAME);
    let mut ticks = tokio::time::interval(S::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut health = Health::Well;
    let rounds = async {
        loop {
            ticks.tick().await;
            points.pass(S::NAME, Point::Begun).await;
            health = health.after(S::NAME, sweep.round().await);
            points.pass(S::NAME, Point::Ended).await;
        }
    };
    stop.run_until_cancelled(rounds).await;
}

/// Whether the last round failed: an outage is one line in the log, not two a second.
#[derive(Debug, Clone, Copy)]
enum Health {
    Well,
    Failing,
}

impl Health {
    fn after(self, sweep: &'static str, round: Result<(), SweepError>) -> Self {
        match (self, round) {
            (Self::Well, Ok(())) => Self::Well,
            (Self::Failing, Ok(())) => {
                tracing::info!(sweep, "works again");
                Self::Well
            }
            (before, Err(error)) => {
                metrics::sweep_failed(sweep);
                if matches!(before, Self::Well) {
                    tracing::warn!(sweep, %error, "failed; trying again at every tick");
                }
                Self::Failing
            }
        }
    }
}
