//! Shows the stock, the queues and how long paying takes as gauges.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use domain::SaleId;
use ledger::LedgerError;
use ledger::inbox::inbox_stats;
use ledger::outbox;
use ledger::sales::{TierCounts, sale_stock};
use ledger::waitlist::figures::entries_by_state;

use super::live_sales::LiveSales;
use super::{Sweep, SweepError};
use crate::context::Context;
use crate::{inbox, metrics, reconcilers};

/// Publishes gauges.
pub(crate) struct PublishGauges {
    pub(crate) context: Arc<Context>,
    pub(crate) sales: LiveSales,
}

impl Sweep for PublishGauges {
    const NAME: &'static str = "publish_gauges";
    const EVERY: Duration = Duration::from_secs(2);

    async fn round(&mut self) -> Result<(), SweepError> {
        metrics::set(&gauge!(metrics::MAIL_CONFIGURED), u64::from(self.context.mailer.is_some()));
        self.queues().await?;
        reconcilers::publish(&self.context).await?;
        // It is also what says that this process may write.
        if let Err(error) = self.context.stripe_budget.look().await {
            tracing::debug!(%error, "nobody knows what is left to write to Stripe");
        }
        let sales = self.sales.borrow_and_update().clone();
        for sale in sales.iter() {
            metrics::payments_measured(sale.id, sale.payment_latency);
            self.stock(sale.id).await?;
            self.waitlist(sale.id).await?;
        }
        Ok(())
    }
}

impl PublishGauges {
    async fn queues(&self) -> Result<(), LedgerError> {
        let events = inbox_stats(&self.context.ledger).await?;
        metrics::set(&gauge!(metrics::INBOX_PENDING), events.pending);
        metrics::set(&gauge!(metrics::INBOX_OLDEST_AGE), events.oldest_age_s);
        let dead = events.parked + events.quarantined;
        metrics::set(&metrics::queue_gauge(metrics::DEAD_LETTERS, inbox::QUEUE), dead);
        for queue in outbox::stats(&self.context.ledger).await? {
            let name = crate::outbox::name(queue.queue);
            metrics::set(&metrics::queue_gauge(metrics::JOBS_PENDING, name), queue.pending);
            metrics::set(&metrics::queue_gauge(metrics::JOBS_OLDEST_AGE, name), queue.oldest_age_s);
            metrics::set(&metrics::queue_gauge(metrics::DEAD_LETTERS, name), queue.parked);
        }
        Ok(())
    }

    async fn stock(&self, sale: SaleId) -> Result<(), LedgerError> {
        for (tier, counts) in sale_stock(&self.context.ledger, sale).await? {
            for (state, count) in by_state(counts) {
                let labels = [("sale", sale.to_string()), ("tier", tier.to_string()), ("state", state.to_owned())];
                metrics::set(&gauge!(metrics::UNITS, &labels), u64::from(count));
            }
        }
        Ok(())
    }

    async fn waitlist(&self, sale: SaleId) -> Result<(), LedgerError> {
        for (state, count) in entries_by_state(&self.context.ledger, sale).await? {
            let gauge = gauge!(metrics::WAITLIST_ENTRIES, "sale" => sale.to_string(), "state" => state.word());
            metrics::set(&gauge, count);
        }
        Ok(())
    }
}

fn by_state(counts: TierCounts) -> [(&'static str, u32); 5] {
    let TierCounts { capacity: _, free, ordered, sold, withheld, offered } = counts;
    [("free", free), ("ordered", ordered), ("sold", sold), ("withheld", withheld), ("offered", offered)]
}
