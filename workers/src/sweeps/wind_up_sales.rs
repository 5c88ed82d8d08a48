//! Winds up sales that were called off: each order is ended or given back, one by one, and those that wait for a bank are met again.
//!
//! Any number of workers may do so; of one sale one walks at a time. What a worker that dies leaves, the next one goes on with: where
//! the walk is stands in the database. The refunds themselves are jobs, paced by what Stripe takes.

use std::sync::Arc;
use std::time::Duration;

use ledger::sales::cancelling::{MetAs, WindUp, called_off_settle_next, sale_wind_up_next};

use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;
use crate::points::Point;

/// Orders of one round: what is left after them is for the next tick, and for other workers.
const ORDERS_MAX: u32 = 500;

/// Winds up.
pub(crate) struct WindUpSales(pub(crate) Arc<Context>);

impl Sweep for WindUpSales {
    const NAME: &'static str = "wind_up_sales";
    const EVERY: Duration = Duration::from_millis(500);

    async fn round(&mut self) -> Result<(), SweepError> {
        for _ in 0..ORDERS_MAX {
            let Some(step) = sale_wind_up_next(&self.0.ledger).await? else { break };
            self.0.points.pass(Self::NAME, Point::Between).await;
            tell(step);
        }
        for _ in 0..ORDERS_MAX {
            let Some(step) = called_off_settle_next(&self.0.ledger).await? else { break };
            tell(step);
        }
        Ok(())
    }
}

fn tell(step: WindUp) {
    match step {
        WindUp::Over(sale) => tracing::info!(%sale, "every order of the sale that was called off was met"),
        WindUp::Met { sale, order, met_as } => {
            metrics::called_off_order_met(met_as);
            if met_as == MetAs::Stuck {
                tracing::error!(%sale, %order, "an order of a sale that was called off cannot be wound up: people must look");
            }
        }
    }
}
