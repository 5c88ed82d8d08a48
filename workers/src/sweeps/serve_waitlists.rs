//! Ends offers whose time ran out and does what time does to a waitlist: whoever is next has an offer within a second.
//!
//! What is freed is offered in the transaction that frees it; this is for what nobody frees: a clock that runs out, a pause that is
//! over, a line that may be served at last, a sale that ends.

use std::sync::Arc;
use std::time::Duration;

use ledger::waitlist::tending::{offers_lapse_due, waitlist_sales, waitlist_tend};

use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;

/// Offers ended by one call.
const OFFERS_MAX: u32 = 100;

/// Calls of one round: what is left after them is for the next tick, and for other workers.
const CALLS_MAX: u32 = 20;

/// Serves lines.
pub(crate) struct ServeWaitlists(pub(crate) Arc<Context>);

impl Sweep for ServeWaitlists {
    const NAME: &'static str = "serve_waitlists";
    const EVERY: Duration = Duration::from_millis(500);

    async fn round(&mut self) -> Result<(), SweepError> {
        let ledger = &self.0.ledger;
        for _ in 0..CALLS_MAX {
            let lapsed = offers_lapse_due(ledger, OFFERS_MAX).await?;
            metrics::offers_lapsed(lapsed.len());
            if lapsed.len() < OFFERS_MAX as usize {
                break;
            }
        }
        let mut failed = None;
        for sale in waitlist_sales(ledger).await? {
            // One line that cannot be served must not keep the others waiting.
            if let Err(error) = waitlist_tend(ledger, sale).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}
