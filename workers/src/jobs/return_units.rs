//! Puts units that an order gave back on sale again in Redis.
//!
//! Postgres has them free already. When Redis was rebuilt since, it started from that, and the return is stale: nothing
//! to do.

use admission::{HeldUnit, RequestId, UnitsReturn};
use domain::{SaleId, TierId, UnitNo};

use crate::context::Context;
use crate::runner::Outcome;

/// Returns units to Redis, once for each request.
pub(crate) async fn run(
    context: &Context,
    sale: SaleId,
    request: [u8; 32],
    epoch: u32,
    units: &[(TierId, UnitNo)],
) -> Outcome {
    let units: Vec<_> = units.iter().map(|(tier, unit)| HeldUnit { tier: tier.clone(), unit: *unit }).collect();
    match context.holds.units_return(sale, RequestId(request), epoch, &units).await {
        Ok(UnitsReturn::Returned) => Outcome::Done("returned"),
        Ok(UnitsReturn::AlreadyReturned) => Outcome::Done("returned before"),
        Ok(UnitsReturn::StaleEpoch) => Outcome::Done("Redis was rebuilt since"),
        Err(error) => error.into(),
    }
}
