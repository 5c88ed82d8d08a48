//! The stock three ways: units in Postgres, seats in the books, and what Redis has free or held.
//!
//! Units and seats are read in one snapshot, so one look is enough: where they differ no rebuild helps, and people are told. Redis
//! and Postgres are read one after the other while units move, so a difference counts when three looks, seconds apart, show the same
//! one. Then Redis is wrong, because Postgres has the last word: the sale begins a new epoch in Postgres, and the sweep that loads what
//! Redis does not have rebuilds it; who has a receipt has the same units again.
//!
//! A rebuild interrupts a sale for seconds. So one an hour is made by itself; a difference that comes back before is for people.

use std::sync::Arc;
use std::time::Duration;

use admission::Holds;
use domain::SaleId;
use ledger::epochs::{EpochBegin, epoch_begin};
use ledger::reconciliations::{Findings, mended_within};
use ledger::sales::sales_live;
use ledger::units::seats_amiss;

use super::{ReconcileError, Reconciler};
use crate::context::Context;
use crate::stock::{Disagreement, disagreements};

/// The reconciler.
pub(crate) struct Stock(pub(crate) Arc<Context>);

/// One rebuild by itself in so much time.
const REBUILD_EVERY_S: u32 = 3_600;
/// Differences of a sale that are told.
const TOLD_MAX: usize = 3;

impl Reconciler for Stock {
    const NAME: &'static str = "stock";
    // Every unit of every live sale is read twice.
    const EVERY: Duration = Duration::from_secs(600);

    async fn round(&self, _resume: Option<&str>, found: &mut Findings) -> Result<(), ReconcileError> {
        let ledger = &self.0.ledger;
        let mut amiss: Vec<SaleId> = Vec::new();
        for sale in sales_live(ledger).await? {
            for told in seats_amiss(ledger, sale.id).await? {
                found.found += 1;
                found.alerted += 1;
                found.told.push(format!("sale {}: {told}", sale.id));
                amiss.push(sale.id);
            }
        }
        let (units, disagreements) = disagreements(ledger, &Holds::new(self.0.store.clone())).await?;
        found.looked_at += units;
        for disagreement in disagreements {
            self.sees_to(disagreement, &amiss, found).await?;
        }
        Ok(())
    }
}

impl Stock {
    async fn sees_to(
        &self,
        disagreement: Disagreement,
        amiss: &[SaleId],
        found: &mut Findings,
    ) -> Result<(), ReconcileError> {
        let Disagreement { sale, told } = disagreement;
        found.found += 1;
        found.told.extend(told.iter().take(TOLD_MAX).map(|told| format!("sale {sale}: {told}")));
        let rebuilt_lately = found.mended > 0 || mended_within(&self.0.ledger, Self::NAME, REBUILD_EVERY_S).await?;
        if rebuilt_lately || amiss.contains(&sale) {
            found.alerted += 1;
            return Ok(());
        }
        tracing::warn!(%sale, ?told, "Redis is wrong about the stock: it is rebuilt");
        if let EpochBegin::Begun(_) = epoch_begin(&self.0.ledger, sale, None).await? {
            found.mended += 1;
        }
        Ok(())
    }
}
