//! Deletes what is old and over, a little at a time.
//!
//! Small batches, each a transaction of its own, and at most so many a round: what is deleted is dead until vacuum comes, and
//! queues are claimed from the same tables. Any number of workers may prune at once; each row is deleted by one.

use std::sync::Arc;
use std::time::Duration;

use ledger::pruning::{Prunable, prune};

use super::{Sweep, SweepError};
use crate::context::Context;

/// Prunes.
pub(crate) struct Prune(pub(crate) Arc<Context>);

/// Rows of a batch.
const BATCH: u32 = 500;
/// Batches of a kind in one round: 10,000 rows a minute and worker, three times what a sale at Stripe's limit writes.
const BATCHES_MAX: u32 = 20;

impl Sweep for Prune {
    const NAME: &'static str = "prune";
    const EVERY: Duration = Duration::from_secs(60);

    async fn round(&mut self) -> Result<(), SweepError> {
        for what in Prunable::ALL {
            let mut gone = 0;
            for _ in 0..BATCHES_MAX {
                let batch = prune(&self.0.ledger, what, BATCH).await?;
                gone += batch;
                if batch < u64::from(BATCH) {
                    break;
                }
            }
            if gone > 0 {
                tracing::debug!(?what, gone, "pruned");
            }
        }
        Ok(())
    }
}
