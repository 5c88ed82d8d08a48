//! Looks where in each queue the first waits, so that claims begin there.
//!
//! Each process for itself, as its claims are its own. Until the first look, claims begin at the beginning; while looks fail, where the
//! last one said, which is slow and never wrong. What came to be due behind it is found after the next look, so within a second and a
//! poll ([`ledger::starts`]).

use std::sync::Arc;
use std::time::Duration;

use ledger::starts::{Starts, starts};
use tokio::sync::watch;

use super::{Sweep, SweepError};
use crate::context::Context;

/// Where claims begin, as it was at most a second ago.
pub(crate) type QueueStarts = watch::Receiver<Starts>;

/// Looks.
pub(crate) struct FindQueueStarts {
    context: Arc<Context>,
    found: watch::Sender<Starts>,
}

impl FindQueueStarts {
    /// The one who looks, and what was found.
    pub(crate) fn new(context: Arc<Context>) -> (Self, QueueStarts) {
        let (found, readers) = watch::channel(Starts::default());
        (Self { context, found }, readers)
    }
}

impl Sweep for FindQueueStarts {
    const NAME: &'static str = "queue_starts";
    const EVERY: Duration = Duration::from_secs(1);

    async fn round(&mut self) -> Result<(), SweepError> {
        self.found.send_replace(starts(&self.context.ledger).await?);
        Ok(())
    }
}
