//! Adds up what was posted since the last round, so that reading a balance does not grow with the sale.
//!
//! One worker does it at a time: whoever comes meanwhile is done for this tick. A worker that was away for long finds more than
//! one round's worth and goes on until it is through. Nothing waits for it: reads are exact also while it is behind.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use ledger::balances::{ROLL_UP_TRANSFERS_MAX, RollUp, balances_lag, balances_roll_up};

use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;

/// Adds up.
pub(crate) struct RollUpBalances(pub(crate) Arc<Context>);

impl Sweep for RollUpBalances {
    const NAME: &'static str = "roll_up_balances";
    // A read adds up a tail of about this long: a few thousand transfers on a busy day, milliseconds.
    const EVERY: Duration = Duration::from_secs(1);

    async fn round(&mut self) -> Result<(), SweepError> {
        let ledger = &self.0.ledger;
        // Small rounds: each holds the turn for a moment, and what it did stays done.
        // What comes in meanwhile is the next tick's, or a busy sale would never let go.
        while matches!(balances_roll_up(ledger).await?, RollUp::Rolled(rolled) if rolled >= ROLL_UP_TRANSFERS_MAX) {}
        gauge!(metrics::BALANCES_LAG).set(balances_lag(ledger).await?.as_secs_f64());
        Ok(())
    }
}
