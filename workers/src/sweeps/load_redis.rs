//! Rebuilds a sale that Redis does not have: a new sale, an emptied Redis, one restored from the past.
//!
//! ```text
//! no epoch in Redis, or an older one ─► epoch_begin in Postgres: epoch + 1 and the snapshot, in one transaction
//!                                    ─► load into Redis: one script, unless it has that epoch already
//! ```
//!
//! Any number of workers may find the loss at once: one of them begins the epoch, the others are told *busy* and look
//! again. A worker that dies in between leaves an epoch that was never loaded; the next one begins another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use admission::{GrantRow, Pause, Snapshot, TierSnapshot};
use domain::SaleId;
use domain::sale::StoredState;
use ledger::epochs::{EpochBegin, EpochSnapshot, epoch_begin};
use ledger::sales::SaleRow;

use super::live_sales::LiveSales;
use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;

/// Rebuilds sales, and keeps their pause the same in Redis as in Postgres.
pub(crate) struct LoadRedis {
    context: Arc<Context>,
    sales: LiveSales,
    /// What Redis was last told of each sale: its epoch and whether it is paused.
    told: HashMap<SaleId, (u32, Pause)>,
}

impl LoadRedis {
    pub(crate) fn new(context: Arc<Context>, sales: LiveSales) -> Self {
        Self { context, sales, told: HashMap::new() }
    }
}

impl Sweep for LoadRedis {
    const NAME: &'static str = "load_redis";
    const EVERY: Duration = Duration::from_millis(250);

    async fn round(&mut self) -> Result<(), SweepError> {
        let sales = self.sales.borrow_and_update().clone();
        self.told.retain(|told, _| sales.iter().any(|sale| sale.id == *told));
        let mut worst = Ok(());
        for sale in sales.iter() {
            if let Err(error) = self.sale(sale).await {
                worst = Err(error);
            }
        }
        worst
    }
}

impl LoadRedis {
    async fn sale(&mut self, sale: &SaleRow) -> Result<(), SweepError> {
        let loaded = self.context.loader.loaded_epoch(sale.id).await?;
        let loaded = match loaded {
            Some(epoch) if epoch >= sale.epoch && epoch > 0 => Some(epoch),
            _ => self.rebuild(sale).await?,
        };
        metrics::set(&gauge!(metrics::REDIS_EPOCH, "sale" => sale.id.to_string()), u64::from(loaded.unwrap_or(0)));
        match loaded {
            Some(epoch) => self.tell_pause(sale, epoch).await,
            None => Ok(()),
        }
    }

    /// The epoch that Redis has now; none when another worker is at it.
    async fn rebuild(&self, sale: &SaleRow) -> Result<Option<u32>, SweepError> {
        match epoch_begin(&self.context.ledger, sale.id, Some(sale.epoch)).await? {
            EpochBegin::Begun(snapshot) => {
                let snapshot = snapshot_of(snapshot);
                let load = self.context.loader.load(&snapshot).await?;
                tracing::warn!(sale = %sale.id, epoch = snapshot.epoch, ?load, "Redis was rebuilt");
                Ok(Some(snapshot.epoch))
            }
            EpochBegin::Busy | EpochBegin::NotFound => Ok(None),
        }
    }

    async fn tell_pause(&mut self, sale: &SaleRow, epoch: u32) -> Result<(), SweepError> {
        let pause = if sale.state == StoredState::Paused { Pause::Paused } else { Pause::Running };
        if self.told.get(&sale.id) != Some(&(epoch, pause)) {
            self.context.loader.set_paused(sale.id, pause).await?;
            self.told.insert(sale.id, (epoch, pause));
        }
        Ok(())
    }
}

fn snapshot_of(snapshot: EpochSnapshot) -> Snapshot {
    let EpochSnapshot { sale, epoch, reserved_number, grants, tiers } = snapshot;
    Snapshot {
        sale,
        epoch,
        reserved_number,
        grants: grants.into_iter().map(|grant| GrantRow { number: grant.number, until: grant.until }).collect(),
        tiers: tiers
            .into_iter()
            .map(|tier| TierSnapshot { tier: tier.tier, capacity: tier.capacity, free: tier.free })
            .collect(),
    }
}
