//! Rebuilds a sale that Redis does not have: a new sale, an emptied Redis, one restored from the past.
//!
//! ```text
//! no epoch in Redis, or an older one ─► the turn at rebuilding, if no other worker has it; look again
//!                                    ─► epoch_begin in Postgres: epoch + 1 and the snapshot, in one transaction
//!                                    ─► load into Redis: one script, unless it has that epoch already; holds of before
//!                                       come back on their receipts in the window that begins here
//!                                    ─► told once an epoch: every frozen cohort, and whether the sale is paused
//! ```
//!
//! Any number of workers may find the loss at once: one has the turn until Redis has the sale, and whoever has it next
//! looks again first, so nobody rebuilds over what is in use. A worker that dies in between gives its turn back and leaves
//! an epoch that was never loaded; the next one begins another. A sale that ended is unloaded. A draw frozen between snapshot and load is not in what
//! was loaded, which is why cohorts are told afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use admission::{GrantRow, Pause, Snapshot, TierSnapshot};
use domain::SaleId;
use domain::sale::{SaleConfig, StoredState, TierConfig};
use ledger::epochs::{EpochBegin, EpochSnapshot, TierUnits, epoch_begin};
use ledger::rebuild::rebuild_turn;
use ledger::sales::{SaleName, SaleRow, sale_fetch};

use super::hold_draws::tell_cohorts;
use super::live_sales::LiveSales;
use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;
use crate::points::Point;

/// Rebuilds sales, and keeps their pause the same in Redis as in Postgres.
pub(crate) struct LoadRedis {
    context: Arc<Context>,
    sales: LiveSales,
    /// What Redis was last told of each sale.
    told: HashMap<SaleId, Told>,
}

/// What Redis was told of a sale. A Redis of another epoch was told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    epoch: u32,
    pause: Pause,
    version: u64,
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
        let mut worst = self.unload_ended(&sales).await;
        for sale in sales.iter() {
            if let Err(error) = self.sale(sale).await {
                worst = Err(error);
            }
        }
        worst
    }
}

impl LoadRedis {
    /// Lets go of the sales that ended since the last round. One that ended while no worker watched stays until Redis is
    /// lost: it costs memory, and nothing else.
    async fn unload_ended(&mut self, sales: &[SaleRow]) -> Result<(), SweepError> {
        let is_live = |sale: &SaleId| sales.iter().any(|live| live.id == *sale);
        let ended: Vec<SaleId> = self.told.keys().copied().filter(|sale| !is_live(sale)).collect();
        for sale in ended {
            self.context.loader.unload(sale).await?;
            self.told.remove(&sale);
            metrics::set(&gauge!(metrics::REDIS_EPOCH, "sale" => sale.to_string()), 0);
            tracing::info!(%sale, "the sale ended: Redis lets go of it");
        }
        Ok(())
    }

    async fn sale(&mut self, sale: &SaleRow) -> Result<(), SweepError> {
        let loaded = match self.loaded(sale).await? {
            Some(epoch) => Some(epoch),
            None => self.rebuild(sale.id).await?,
        };
        metrics::set(&gauge!(metrics::REDIS_EPOCH, "sale" => sale.id.to_string()), u64::from(loaded.unwrap_or(0)));
        match loaded {
            Some(epoch) => self.tell(sale, epoch).await,
            None => Ok(()),
        }
    }

    /// The epoch that Redis has, if it is not older than Postgres'.
    async fn loaded(&self, sale: &SaleRow) -> Result<Option<u32>, SweepError> {
        let loaded = self.context.loader.loaded_epoch(sale.id).await?;
        Ok(loaded.filter(|epoch| *epoch >= sale.epoch && *epoch > 0))
    }

    /// The epoch that Redis has now; none when another worker is at it.
    async fn rebuild(&self, sale: SaleId) -> Result<Option<u32>, SweepError> {
        let Some(_turn) = rebuild_turn(&self.context.ledger, sale).await? else { return Ok(None) };
        let Some(sale) = sale_fetch(&self.context.ledger, SaleName::Id(sale)).await? else { return Ok(None) };
        // Whoever had the turn before may have done it.
        if let Some(epoch) = self.loaded(&sale).await? {
            return Ok(Some(epoch));
        }
        match epoch_begin(&self.context.ledger, sale.id, Some(sale.epoch)).await? {
            EpochBegin::Begun(snapshot) => {
                self.context.points.pass(Self::NAME, Point::Between).await;
                let snapshot = snapshot_of(snapshot, &sale.config);
                let load = self.context.loader.load(&snapshot).await?;
                match snapshot.epoch {
                    1 => tracing::info!(sale = %sale.id, ?load, "Redis has a new sale"),
                    epoch => tracing::warn!(
                        sale = %sale.id, epoch, ?load, reclaim_window_s = snapshot.reclaim_window_s, "Redis was rebuilt"
                    ),
                }
                Ok(Some(snapshot.epoch))
            }
            EpochBegin::Busy | EpochBegin::NotFound => Ok(None),
        }
    }

    async fn tell(&mut self, sale: &SaleRow, epoch: u32) -> Result<(), SweepError> {
        let pause = if sale.state == StoredState::Paused { Pause::Paused } else { Pause::Running };
        let now = Told { epoch, pause, version: sale.version };
        let before = self.told.get(&sale.id);
        if before.is_none_or(|before| before.epoch != epoch) && has_a_draw(sale) {
            tell_cohorts(&self.context, sale.id).await?;
        }
        if before != Some(&now) {
            self.context.loader.set_paused(sale.id, pause, sale.version).await?;
            self.told.insert(sale.id, now);
        }
        Ok(())
    }
}

fn has_a_draw(sale: &SaleRow) -> bool {
    let published_at = sale.published_at;
    sale.config.phases().iter().any(|phase| published_at.is_some_and(|published_at| phase.has_prequeue(published_at)))
}

fn snapshot_of(snapshot: EpochSnapshot, config: &SaleConfig) -> Snapshot {
    let EpochSnapshot { sale, epoch, reserved_number, grants, left, cohorts, tiers, reclaim_window_s, receipts_from } =
        snapshot;
    Snapshot {
        sale,
        epoch,
        reserved_number,
        grants: grants.into_iter().map(|grant| GrantRow { number: grant.number, until: grant.until }).collect(),
        left,
        cohorts,
        tiers: tiers.into_iter().map(|tier| tier_of(tier, config)).collect(),
        reclaim_window_s,
        receipts_from,
    }
}

fn tier_of(tier: TierUnits, config: &SaleConfig) -> TierSnapshot {
    let rows = config.tier(&tier.tier).map(TierConfig::row_sizes).unwrap_or_default();
    let TierUnits { tier, capacity, withheld, free } = tier;
    TierSnapshot { tier, capacity, withheld, free, rows }
}
