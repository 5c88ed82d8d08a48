//! What Redis knows and Postgres has forgotten: the epoch, numbers and turns. And what is counted as lost.

use admission::{AdmissionError, PlaceView};
use domain::PlaceNumber;
use ledger::recovery::{KnownToRedis, numbers_reserved, recovery_of_redis};
use ledger::sales::SaleRow;

use super::{Mode, Recovery, RecoveryError};

impl Recovery {
    /// What Redis knows of a sale goes into Postgres before it is loaded anew.
    pub(super) async fn hears_redis(&mut self, sale: &SaleRow) -> Result<(), RecoveryError> {
        self.report.sales += 1;
        let admission = &sale.config.admission;
        let mut known = KnownToRedis {
            sale: sale.id,
            epoch: 0,
            highest_number: 0,
            bound_s: admission.claim_window_s.saturating_add(admission.session_s),
            inside: Vec::new(),
            ended: Vec::new(),
            left: Vec::new(),
        };
        match self.context.queue.view(sale.id).await {
            Ok(view) => {
                known.epoch = view.epoch;
                known.highest_number = view.next_number.saturating_sub(1);
                for number in (1..view.next_number).map(PlaceNumber) {
                    match view.place(number) {
                        PlaceView::Turn { .. } | PlaceView::Shopping { .. } => known.inside.push(number),
                        PlaceView::Expired => known.ended.push(number),
                        PlaceView::Left => known.left.push(number),
                        PlaceView::Waiting { .. } | PlaceView::Unknown => {}
                    }
                }
                let inventory = self.context.holds.inventory(sale.id).await?;
                self.report.holds_lost += u64::try_from(inventory.holds.len()).unwrap_or(u64::MAX);
                let held = inventory.holds.iter().flat_map(|hold| hold.units.iter());
                let units = inventory.free.iter().chain(held).map(|held| (held.tier.clone(), held.unit)).collect();
                self.before.insert(sale.id, units);
            }
            Err(AdmissionError::NotLoaded) => {
                self.report.not_in_redis += 1;
                known.highest_number = self.jump(sale).await?;
            }
            Err(error) => return Err(error.into()),
        }
        if self.wanted.mode == Mode::Recover {
            self.report.places += recovery_of_redis(&self.context.ledger, &known).await?;
        }
        Ok(())
    }

    /// Nobody knows how far the numbers came: far above all that are reserved.
    async fn jump(&self, sale: &SaleRow) -> Result<u64, RecoveryError> {
        let reserved = numbers_reserved(&self.context.ledger, sale.id).await?;
        Ok(if reserved == 0 { 0 } else { reserved + u64::from(self.wanted.numbers_ahead) })
    }
}
