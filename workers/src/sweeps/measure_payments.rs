//! Measures how long paying takes, for the time of a hold.
//!
//! Postgres counts the attempts of the last half hour, the domain makes a percentile of them, Postgres keeps it with each live
//! sale, and every gateway has read it a second later. A sale with few payments of its own leans on those of all sales, and
//! these, when there are few, on what is assumed ([`ASSUMED_P99`]).
//!
//! Any number of workers may measure: whoever finds no measurement younger than [`FRESH_FOR`] makes one, and two at once
//! make the same. While no worker runs, or Postgres is away, the last measurement stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::SaleId;
use domain::payment::latency::{ASSUMED_P99, PaymentTimes};
use ledger::payments::latency::{payment_latencies_are_fresh, payment_latencies_keep, payment_times};

use super::live_sales::LiveSales;
use super::{Sweep, SweepError};
use crate::context::Context;

/// How long a measurement is good enough: short beside a TTL, and long beside the 0.2 s that reading a busy half hour takes.
const FRESH_FOR: Duration = Duration::from_secs(4);

/// Measures.
pub(crate) struct MeasurePayments {
    pub(crate) context: Arc<Context>,
    pub(crate) sales: LiveSales,
}

impl Sweep for MeasurePayments {
    const NAME: &'static str = "measure_payments";
    const EVERY: Duration = Duration::from_secs(1);

    async fn round(&mut self) -> Result<(), SweepError> {
        let live = self.sales.borrow_and_update().clone();
        let ledger = &self.context.ledger;
        if live.is_empty() || payment_latencies_are_fresh(ledger, FRESH_FOR).await? {
            return Ok(());
        }
        let measured = measured(live.iter().map(|sale| sale.id), &payment_times(ledger).await?);
        Ok(payment_latencies_keep(ledger, &measured).await?)
    }
}

/// For each of these sales the percentile, and how many authorisations of its own it is made of.
fn measured(
    live: impl Iterator<Item = SaleId>,
    times: &BTreeMap<SaleId, PaymentTimes>,
) -> Vec<(SaleId, Duration, u64)> {
    let mut of_all = PaymentTimes::default();
    times.values().for_each(|of_one| of_all.add_all(of_one));
    let usual = of_all.p99(ASSUMED_P99);
    let of =
        |sale: SaleId| times.get(&sale).map_or((sale, usual, 0), |times| (sale, times.p99(usual), times.authorised()));
    live.map(of).collect()
}

#[cfg(test)]
mod tests;
