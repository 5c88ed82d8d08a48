//! Seals what was posted, and shows how far behind the seals are.
//!
//! Any number of workers may seal: one does at a time, the others find it busy and leave it to them.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use ledger::seals::{SEAL_TRANSFERS_MAX, Sealing, seal_lag, seal_next};

use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;

/// Seals.
pub(crate) struct SealBooks(pub(crate) Arc<Context>);

impl Sweep for SealBooks {
    const NAME: &'static str = "seal_books";
    // What is not sealed yet is what could still be changed unseen, but a block a tick is what a quiet sale makes of it.
    const EVERY: Duration = Duration::from_secs(1);

    async fn round(&mut self) -> Result<(), SweepError> {
        let ledger = &self.0.ledger;
        loop {
            match seal_next(ledger).await? {
                Sealing::Sealed(head, transfers) => {
                    tracing::debug!(%head, transfers, "sealed");
                    if transfers < u64::from(SEAL_TRANSFERS_MAX) {
                        break;
                    }
                }
                Sealing::Nothing | Sealing::Busy => break,
                Sealing::Behind => {
                    tracing::error!("the last seal is ahead of the cluster's transaction ids: nothing is sealed");
                    break;
                }
            }
        }
        gauge!(metrics::SEAL_LAG).set(seal_lag(ledger).await?.as_secs_f64());
        Ok(())
    }
}
