//! Puts units that an order gave back, or that were withheld, on sale again in Redis.
//!
//! Postgres has them free already. When Redis was rebuilt since, it started from that, and the return is stale: nothing
//! to do. While the hold that the units were freed of lives on there (its commit was lost), the return comes too early: the
//! sweep ends that hold first. Units that are only marked as held, and that no hold has, return all the same: nothing would
//! ever end that, and an audit names such marks as long as nobody returns the units.

use admission::{AdmissionError, HeldUnit, RequestId, UnitsReturn};
use domain::sale::StoredState;
use domain::{SaleId, TierId, UnitNo};
use ledger::outbox::Whose;
use ledger::sales::{SaleName, sale_fetch};

use crate::context::Context;
use crate::points::Point;
use crate::runner::Outcome;

/// Its kind in the queue.
pub(crate) const KIND: &str = "units_return";

/// Returns units to Redis, once for each request.
pub(crate) async fn run(
    context: &Context,
    sale: SaleId,
    request: [u8; 32],
    epoch: u32,
    whose: Whose,
    units: &[(TierId, UnitNo)],
) -> Outcome {
    let units: Vec<_> = units.iter().map(|(tier, unit)| HeldUnit { tier: tier.clone(), unit: *unit }).collect();
    let request = RequestId(request);
    let returned = match whose {
        Whose::Ordered => context.holds.units_return(sale, request, epoch, &units).await,
        Whose::Withheld => context.holds.withheld_return(sale, request, epoch, &units).await,
    };
    context.points.pass(KIND, Point::Between).await;
    match returned {
        Ok(UnitsReturn::Returned) => Outcome::Done("returned"),
        Ok(UnitsReturn::Mended) => {
            tracing::error!(%sale, "units that no live hold had were marked as held in Redis; the marks are gone");
            Outcome::Done("returned")
        }
        Ok(UnitsReturn::AlreadyReturned) => Outcome::Done("returned before"),
        Ok(UnitsReturn::StaleEpoch) => Outcome::Done("Redis was rebuilt since"),
        Ok(UnitsReturn::HeldStill) => Outcome::Early("a live hold has the units".to_owned()),
        Err(AdmissionError::NotLoaded) => wait_or_drop(context, sale).await,
        Err(error) => error.into(),
    }
}

/// A sale that is over is never loaded again, and nothing of it is sold: there is nothing to wait for.
async fn wait_or_drop(context: &Context, sale: SaleId) -> Outcome {
    match sale_fetch(&context.ledger, SaleName::Id(sale)).await {
        Ok(Some(row)) if matches!(row.state, StoredState::Published | StoredState::Paused) => {
            AdmissionError::NotLoaded.into()
        }
        Ok(_) => Outcome::Done("the sale is over"),
        Err(error) => error.into(),
    }
}
