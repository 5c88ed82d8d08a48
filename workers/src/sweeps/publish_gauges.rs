//! Shows the stock, the queues, what was sold and how long paying takes as gauges.
//!
//! What a sale has here is set to zero when the sale is not live any more, and what another process left behind is its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Gauge, gauge};
use domain::SaleId;
use ledger::LedgerError;
use ledger::audit::audit_good_age;
use ledger::balances::{AccountBalance, balances_read};
use ledger::inbox::inbox_stats;
use ledger::outbox;
use ledger::payments::latency::PaymentLatency;
use ledger::sales::{SaleRow, TierCounts, sale_stock};
use ledger::waitlist::figures::entries_by_state;

use super::live_sales::LiveSales;
use super::{Sweep, SweepError};
use crate::context::Context;
use crate::{inbox, metrics, reconcilers};

/// Publishes gauges.
pub(crate) struct PublishGauges {
    context: Arc<Context>,
    sales: LiveSales,
    /// The gauges of each sale.
    shown: BTreeMap<SaleId, Vec<Gauge>>,
}

impl Sweep for PublishGauges {
    const NAME: &'static str = "publish_gauges";
    const EVERY: Duration = Duration::from_secs(2);

    async fn round(&mut self) -> Result<(), SweepError> {
        metrics::set(&gauge!(metrics::MAIL_CONFIGURED), u64::from(self.context.mailer.is_some()));
        self.queues().await?;
        reconcilers::publish(&self.context).await?;
        gauge!(metrics::AUDIT_GOOD_AGE).set(audit_good_age(&self.context.ledger).await?.as_secs_f64());
        // It is also what says that this process may write.
        if let Err(error) = self.context.stripe_budget.look().await {
            tracing::debug!(%error, "nobody knows what is left to write to Stripe");
        }
        let sales = self.sales.borrow_and_update().clone();
        self.shown.retain(|sale, gauges| {
            let is_live = sales.iter().any(|live| live.id == *sale);
            if !is_live {
                gauges.iter().for_each(|gauge| gauge.set(0.0));
            }
            is_live
        });
        for sale in sales.iter() {
            let gauges = self.sale(sale).await?;
            self.shown.insert(sale.id, gauges);
        }
        Ok(())
    }
}

impl PublishGauges {
    pub(crate) const fn new(context: Arc<Context>, sales: LiveSales) -> Self {
        Self { context, sales, shown: BTreeMap::new() }
    }

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

    /// Shows a sale, and says by which gauges.
    async fn sale(&self, sale: &SaleRow) -> Result<Vec<Gauge>, LedgerError> {
        let ledger = &self.context.ledger;
        let id = sale.id.to_string();
        let mut gauges = Vec::new();
        let mut show = |gauge: Gauge, value: f64| {
            gauge.set(value);
            gauges.push(gauge);
        };
        if let Some(PaymentLatency { p99, authorised, measured_at: _ }) = sale.payment_latency {
            show(gauge!(metrics::PAYMENT_P99, "sale" => id.clone()), p99.as_secs_f64());
            show(gauge!(metrics::PAYMENT_AUTHORISATIONS, "sale" => id.clone()), metrics::number(authorised));
        }
        for (tier, counts) in sale_stock(ledger, sale.id).await? {
            for (state, count) in by_state(counts) {
                let labels = [("sale", id.clone()), ("tier", tier.to_string()), ("state", state.to_owned())];
                show(gauge!(metrics::UNITS, &labels), f64::from(count));
            }
        }
        for (state, count) in entries_by_state(ledger, sale.id).await? {
            let gauge = gauge!(metrics::WAITLIST_ENTRIES, "sale" => id.clone(), "state" => state.word());
            show(gauge, metrics::number(count));
        }
        let currency = sale.config.currency.as_str();
        let sold = sold(&balances_read(ledger, sale.id).await?.accounts, currency);
        show(gauge!(metrics::SALES_AMOUNT, "sale" => id.clone(), "currency" => currency.to_owned()), sold);
        Ok(gauges)
    }
}

/// What was captured and stays, in minor units: it is owed to the organizer and to the state, or is the platform's.
#[expect(clippy::cast_precision_loss, reason = "a gauge is an f64, and no sale takes 2^53 cents")]
fn sold(accounts: &[AccountBalance], currency: &str) -> f64 {
    let kept = accounts.iter().filter(|account| {
        account.unit_of_account == currency
            && ["organizer_payable", "platform_fee", "tax_payable"].contains(&account.account.as_str())
    });
    -kept.map(AccountBalance::balance).sum::<i64>() as f64
}

fn by_state(counts: TierCounts) -> [(&'static str, u32); 5] {
    let TierCounts { capacity: _, free, ordered, sold, withheld, offered } = counts;
    [("free", free), ("ordered", ordered), ("sold", sold), ("withheld", withheld), ("offered", offered)]
}
