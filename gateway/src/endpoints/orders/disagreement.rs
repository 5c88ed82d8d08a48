//! Redis held units for a buyer that Postgres does not have free: Postgres is right, nothing is ordered, the hold is over.
//!
//! It is logged with its ids and counted, because it should not happen: Redis came back with an older state, or somebody
//! changed a store by hand. The units in question stay away in Redis, so the next buyer does not meet them; the others of the
//! hold are free at once and are among what the buyer is offered instead.

use std::collections::BTreeSet;
use std::sync::Arc;

use admission::{HeldUnit, HoldView};
use domain::{TierId, UnitNo};
use ledger::holds::{Settle, hold_settle};

use crate::alternatives::{self, Missed};
use crate::app::App;
use crate::metrics;
use crate::problem::{Code, Problem};
use crate::sale::Sale;

/// Ends a hold of which Postgres does not have these units, and says what the buyer is told.
///
/// # Errors
/// A store is away; the sweep ends the hold then. Or the hold has an order by now, and nothing is ended.
pub(super) async fn settle(
    app: &Arc<App>,
    sale: &Arc<Sale>,
    hold: &HoldView,
    lost: Vec<(TierId, UnitNo)>,
) -> Result<Problem, Problem> {
    let lost: Vec<_> = lost.into_iter().map(|(tier, unit)| HeldUnit { tier, unit }).collect();
    let units: Vec<_> = lost.iter().map(|lost| format!("{} {}", lost.tier, lost.unit)).collect();
    metrics::stores_disagreed(sale.id());
    tracing::warn!(sale = %sale.id(), hold = %hold.id, ?units, "Redis held units that Postgres had not free");
    // Its receipt shows a later end: the tombstone keeps it from coming back.
    match hold_settle(&app.ledger, sale.id(), hold.id).await? {
        // The units were free again for another request of the same buyer: asked again, this one finds the order, too.
        Settle::Ordered => return Err(Code::RequestInProgress.into()),
        Settle::Tombstoned | Settle::Withheld => {}
    }
    app.holds.unfreeze_lost(sale.id(), hold.id, &lost).await?;
    Ok(Problem::new(Code::SeatTaken).alternatives(alternatives::look(app, sale, &missed(hold, &lost)).await))
}

/// Of each tier that lacks some: what was held of it.
fn missed(hold: &HoldView, lost: &[HeldUnit]) -> Vec<Missed> {
    let of = |units: &[HeldUnit], tier: &TierId| {
        units.iter().filter(|held| held.tier == *tier).map(|held| held.unit).collect::<Vec<_>>()
    };
    let tiers: BTreeSet<_> = lost.iter().map(|lost| &lost.tier).collect();
    let of_tier = |tier: &TierId| Missed { tier: tier.clone(), units: of(&hold.units, tier), taken: of(lost, tier) };
    tiers.into_iter().map(of_tier).collect()
}
