//! Keeping units back, step by step: each is repeated safely by whoever repeats the request, and by the sweep.

use std::sync::Arc;

use admission::{HeldUnit, HoldView, RequestId, WithholdWish};
use domain::sale::StoredState;
use domain::{HoldId, UnitNo};
use ledger::sales::SaleRow;
use ledger::withholdings::{StockAct, Withhold, units_withhold, withholding_find};
use uuid::Uuid;

use super::super::conflict;
use super::{DoneBody, named};
use crate::app::App;
use crate::problem::{Code, Problem};

/// Times that units are looked for anew: a second one is needed when Redis had lost writes, or a sweep was faster.
const ATTEMPTS_MAX: u32 = 3;

/// An act of keeping units back.
pub(super) struct Keeper {
    pub(super) app: Arc<App>,
    pub(super) act: StockAct,
    pub(super) sale: SaleRow,
    pub(super) wish: WithholdWish,
    /// The seats that were named, as the body names them.
    pub(super) seats: Option<Vec<String>>,
}

impl Keeper {
    /// Goes through the steps until it is done, or says what is in the way.
    pub(super) async fn keep(&self) -> Result<DoneBody, Problem> {
        let sale = self.act.sale;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(Withhold::Withheld { hold, units }) =
                withholding_find(&self.app.ledger, sale, self.act.request).await?
            {
                return Ok(self.kept(hold, units).await);
            }
            self.require_live()?;
            let taken = self.take().await?;
            if let Some(done) = self.decide(taken.epoch, &taken.hold).await? {
                return Ok(done);
            }
        }
        Err(Code::StoreUnavailable.into())
    }

    fn require_live(&self) -> Result<(), Problem> {
        match self.sale.state {
            StoredState::Published | StoredState::Paused => Ok(()),
            state => Err(conflict(state)),
        }
    }

    /// Takes the units off sale, for nobody yet.
    async fn take(&self) -> Result<Taken, Problem> {
        let (sale, tier) = (self.act.sale, &self.act.tier);
        let hold = HoldId::from_uuid(Uuid::now_v7());
        match self.app.holds.withhold(sale, hold, RequestId(self.act.request), tier, &self.wish).await? {
            admission::Withhold::Taken { epoch, hold } => Ok(Taken { epoch, hold }),
            admission::Withhold::TooFew { free } => {
                Err(Problem::new(Code::TooFewFree).detail(format!("{free} of {tier} are free.")))
            }
            admission::Withhold::SeatTaken(units) => {
                let errors = named(&self.sale.config, tier, self.seats.as_deref(), &units, "is not free");
                Err(Problem::new(Code::SeatTaken)
                    .detail(format!("Not all of these are free in {tier}."))
                    .errors(errors))
            }
            admission::Withhold::Reclaiming { left_s } => Err(Problem::new(Code::StoreUnavailable)
                .detail("After a failure, holds of before are given back first.")
                .retry_after_s(left_s)),
        }
    }

    /// Has Postgres decide about a hold of nobody's; nothing when it had to be given up and another may do.
    async fn decide(&self, epoch: u32, hold: &HoldView) -> Result<Option<DoneBody>, Problem> {
        let units: Vec<_> = hold.units.iter().map(|held| held.unit).collect();
        let lost = match units_withhold(&self.app.ledger, &self.act, hold.id, epoch, &units).await? {
            Withhold::Withheld { hold: keeper, units } if keeper == hold.id => {
                return Ok(Some(self.kept(keeper, units).await));
            }
            Withhold::Withheld { .. } | Withhold::Tombstoned | Withhold::EpochStale => Vec::new(),
            Withhold::UnitsLost(units) => units,
            Withhold::NotLive => {
                self.give_up(hold.id, &[]).await;
                return Err(conflict(self.sale.state));
            }
        };
        self.give_up(hold.id, &lost).await;
        Ok(None)
    }

    /// Tells Redis that the units of a hold are gone. Whatever becomes of that, the sweep says it too.
    async fn kept(&self, hold: HoldId, mut units: Vec<UnitNo>) -> DoneBody {
        if let Err(error) = self.app.holds.commit(self.act.sale, hold).await {
            tracing::info!(sale = %self.act.sale, %hold, %error, "that units are withheld is left to the sweep to tell");
        }
        units.sort_unstable();
        DoneBody::of(&self.sale.config, self.act.tier.clone(), units)
    }

    /// Frees the units of a hold that has its tombstone, save those that Postgres does not have.
    async fn give_up(&self, hold: HoldId, lost: &[UnitNo]) {
        let unit = |unit: &UnitNo| HeldUnit { tier: self.act.tier.clone(), unit: *unit };
        let lost: Vec<_> = lost.iter().map(unit).collect();
        if let Err(error) = self.app.holds.unfreeze_lost(self.act.sale, hold, &lost).await {
            tracing::info!(sale = %self.act.sale, %hold, %error, "that units stay on sale is left to the sweep to tell");
        }
    }
}

struct Taken {
    epoch: u32,
    hold: HoldView,
}
