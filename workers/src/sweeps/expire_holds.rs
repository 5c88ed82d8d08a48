//! Frees holds whose time is over.
//!
//! A plain hold is Redis' alone and freed in one call. A frozen one has an order, or is getting one, or was refused one.
//! While its own time runs, Postgres is asked whether there is an order, and nothing is decided: the buyer goes on with the
//! time that is left. When it is over, Postgres decides, by its order or by a tombstone that keeps an order from ever
//! coming, and only then Redis is told. So it is with a hold of nobody's, until its units are withheld or go back.

use std::sync::Arc;
use std::time::Duration;

use admission::{AdmissionError, EXPIRE_MAX};
use domain::{HoldId, SaleId};
use ledger::holds::{Settle, hold_settle, hold_verdict};

use super::live_sales::LiveSales;
use super::{Sweep, SweepError};
use crate::context::Context;
use crate::points::Point;

/// Calls for one sale in one round: what is left after them is for the next tick, and for other workers.
const CALLS_MAX: u32 = 20;

/// Frees holds.
pub(crate) struct ExpireHolds {
    pub(crate) context: Arc<Context>,
    pub(crate) sales: LiveSales,
}

impl Sweep for ExpireHolds {
    const NAME: &'static str = "expire_holds";
    const EVERY: Duration = Duration::from_millis(500);

    async fn round(&mut self) -> Result<(), SweepError> {
        let sales = self.sales.borrow_and_update().clone();
        let mut worst = Ok(());
        for sale in sales.iter() {
            match self.sale(sale.id).await {
                // Being rebuilt: what it held went with it.
                Ok(()) | Err(SweepError::Admission(AdmissionError::NotLoaded)) => {}
                Err(error) => worst = Err(error),
            }
        }
        worst
    }
}

impl ExpireHolds {
    async fn sale(&self, sale: SaleId) -> Result<(), SweepError> {
        for _ in 0..CALLS_MAX {
            let expired = self.context.holds.expire_due(sale, EXPIRE_MAX).await?;
            for hold in &expired.frozen_due {
                if let Some(verdict) = hold_verdict(&self.context.ledger, sale, *hold).await? {
                    self.tell(sale, *hold, verdict).await?;
                }
            }
            for hold in &expired.frozen_over {
                let verdict = hold_settle(&self.context.ledger, sale, *hold).await?;
                self.context.points.pass(Self::NAME, Point::Between).await;
                self.tell(sale, *hold, verdict).await?;
            }
            let found = expired.released.len() + expired.frozen_due.len() + expired.frozen_over.len();
            if found < EXPIRE_MAX as usize {
                break;
            }
        }
        Ok(())
    }

    async fn tell(&self, sale: SaleId, hold: HoldId, verdict: Settle) -> Result<(), SweepError> {
        match verdict {
            Settle::Ordered => {
                let committed = self.context.holds.commit(sale, hold).await?;
                tracing::info!(%sale, %hold, ?committed, "a frozen hold has its order");
            }
            Settle::Withheld => {
                let committed = self.context.holds.commit(sale, hold).await?;
                tracing::info!(%sale, %hold, ?committed, "units were withheld, and nobody had told Redis");
            }
            Settle::Tombstoned => {
                let ended = self.context.holds.expire_frozen(sale, hold).await?;
                tracing::info!(%sale, %hold, ?ended, "a frozen hold never got an order");
            }
        }
        Ok(())
    }
}
