//! Ends orders whose clock ran out: their units are free again, and a job tells Redis.

use std::sync::Arc;
use std::time::Duration;

use domain::order::OrderState;
use ledger::orders::orders_expire_due;

use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;

/// Orders ended by one call: a short transaction, so that payments of the same sale do not wait for it.
const ORDERS_MAX: u32 = 100;

/// Calls of one round: what is left after them is for the next tick, and for other workers.
const CALLS_MAX: u32 = 50;

/// Ends orders.
pub(crate) struct ExpireOrders(pub(crate) Arc<Context>);

impl Sweep for ExpireOrders {
    const NAME: &'static str = "expire_orders";
    const EVERY: Duration = Duration::from_millis(500);

    async fn round(&mut self) -> Result<(), SweepError> {
        for _ in 0..CALLS_MAX {
            let expired = orders_expire_due(&self.0.ledger, ORDERS_MAX).await?;
            for order in &expired {
                metrics::order_reached(order.sale, OrderState::Expired);
            }
            if expired.len() < ORDERS_MAX as usize {
                break;
            }
        }
        Ok(())
    }
}
