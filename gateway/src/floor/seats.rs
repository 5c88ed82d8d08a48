//! The seats of a sale, read in a tick in which they changed.

use std::sync::Arc;
use std::time::Instant;

use admission::{AdmissionError, View};

use super::{Floor, STALE_MAX};
use crate::app::App;
use crate::metrics;
use crate::sale::Sale;
use crate::seat_map::{SeatMap, SeatMaps, Version, seated_tiers};

/// The seats as they were seen.
#[derive(Clone)]
pub(crate) struct SeatsSeen {
    maps: Arc<SeatMaps>,
    /// When nobody could know of anything newer.
    at: Instant,
}

impl SeatsSeen {
    /// The maps, unless they are too old to be shown.
    pub(super) fn maps(&self) -> Option<&Arc<SeatMaps>> {
        Some(&self.maps).filter(|_| self.at.elapsed() < STALE_MAX)
    }
}

/// The seats as a view needs them. When they cannot be read the last ones go on to be shown, for as long as any view may.
pub(super) async fn look(app: &App, floor: &Floor, sale: &Arc<Sale>, view: &View) -> Option<SeatsSeen> {
    let last = floor.last().and_then(|seen| seen.seats.clone());
    let at = Instant::now();
    if let Some(last) = &last
        && last.maps.latest().version() == Version::at(view)
    {
        return Some(SeatsSeen { maps: Arc::clone(&last.maps), at });
    }
    match read(app, sale, view).await {
        Ok(map) => {
            let maps = Arc::new(SeatMaps::after(last.as_ref().map(|last| &*last.maps), map));
            Some(SeatsSeen { maps, at })
        }
        Err(error) => {
            metrics::store_failed("redis");
            tracing::debug!(sale = %sale.id(), %error, "the seats are left to the next tick");
            last
        }
    }
}

async fn read(app: &App, sale: &Arc<Sale>, view: &View) -> Result<SeatMap, AdmissionError> {
    let tiers = seated_tiers(sale);
    if tiers.is_empty() {
        return Ok(SeatMap::empty(Arc::clone(sale), view.epoch));
    }
    Ok(SeatMap::new(Arc::clone(sale), app.holds.seats(sale.id(), &tiers).await?))
}
