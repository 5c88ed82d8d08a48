//! The seat map of a sale: who may have which seat, the same for everybody.
//!
//! ```text
//! tick ── changes? ──► Redis, one read ──► SeatMap ─┬─► GET …/seats, written once, by whoever asks first
//!                                                   └─► SeatMaps: what changed since each of the last maps ──► sockets
//! ```
//!
//! A map is of one moment in Redis and has a [`Version`]: the epoch, and how often seats changed hands in it. Who has a map
//! that this gateway read and hears of each change has the map of now; who missed one is told to fetch the map again. A change
//! says what a seat is and not what became of it, so hearing it twice does no harm. Who has a map that another gateway read
//! between two reads of this one has the map of now, too, save for seats that changed and changed back between the two: a
//! client that may have one fetches the map again, once, within some seconds.
//!
//! Bounds: one read of Redis in a tick in which a seat changed hands, however many look on; [`EARLIER_MAX`](maps) maps of
//! two bits a seat, and the latest; a letter a seat of JSON, and its gzip, for the latest map when somebody asked for it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use admission::{SeatBits, SeatState, SeatsView};
use bytes::Bytes;
use domain::sale::TierConfig;
use domain::{TierId, UnitNo};
use serde::Serialize;
use utoipa::ToSchema;

use crate::assets::Encoded;
use crate::sale::Sale;

mod delta;
mod maps;
mod text;
mod version;

pub(crate) use delta::SeatsDelta;
pub(crate) use maps::SeatMaps;
pub(crate) use version::Version;

/// The seats of a sale at one moment.
pub(crate) struct SeatMap {
    sale: Arc<Sale>,
    view: Arc<SeatsView>,
    text: OnceLock<Text>,
}

/// A map as it is sent.
pub(crate) struct Text {
    /// As it is.
    pub(crate) whole: Encoded,
    /// Compressed.
    pub(crate) gzip: Encoded,
}

/// The seats of a sale.
#[derive(Serialize, ToSchema)]
#[schema(as = SeatMap)]
pub(crate) struct SeatMapBody {
    /// Which map it is: `epoch-changes`, by which the changes that sockets tell are put in order.
    #[schema(value_type = String, example = "12-40")]
    version: Version,
    /// Every tier with rows, in the order of the sale.
    tiers: Vec<SeatTierBody>,
}

/// The seats of a tier.
#[derive(Serialize, ToSchema)]
#[schema(as = SeatMapTier)]
pub(crate) struct SeatTierBody {
    /// The tier.
    #[schema(value_type = String)]
    tier: TierId,
    /// Its rows, the best first.
    rows: Vec<SeatRowBody>,
}

/// The seats of a row.
#[derive(Serialize, ToSchema)]
#[schema(as = SeatMapRow)]
pub(crate) struct SeatRowBody {
    /// The row; its seats are called `A-1`, `A-2` and so on.
    #[schema(example = "A")]
    row: String,
    /// A letter a seat, from seat 1: `f` free, `h` held by somebody, so that it may come back, `s` not to be had.
    #[schema(example = "ffhs")]
    states: String,
}

/// The letter of a state.
const fn letter(state: SeatState) -> char {
    match state {
        SeatState::Free => 'f',
        SeatState::Held => 'h',
        SeatState::Gone => 's',
    }
}

/// The tiers of a sale that have seats, with how many.
pub(crate) fn seated_tiers(sale: &Sale) -> Vec<(TierId, u32)> {
    rows_of(sale).map(|tier| (tier.id.clone(), tier.capacity())).collect()
}

fn rows_of(sale: &Sale) -> impl Iterator<Item = &TierConfig> {
    sale.config().tiers.iter().filter(|tier| !tier.rows.is_empty())
}

impl SeatMap {
    /// The seats of a sale as Redis has them.
    pub(crate) fn new(sale: Arc<Sale>, view: SeatsView) -> Self {
        Self { sale, view: Arc::new(view), text: OnceLock::new() }
    }

    /// The map of a sale in which nobody chooses a seat.
    pub(crate) fn empty(sale: Arc<Sale>, epoch: u32) -> Self {
        Self::new(sale, SeatsView { epoch, changes: 0, tiers: BTreeMap::new() })
    }

    /// Which map it is.
    pub(crate) fn version(&self) -> Version {
        Version::of(&self.view)
    }

    /// The seats of a tier; none when it has no rows.
    pub(crate) fn of_tier(&self, tier: &TierId) -> Option<&SeatBits> {
        self.view.tiers.get(tier)
    }

    /// Whether there are no seats to choose.
    pub(crate) fn is_empty(&self) -> bool {
        self.view.tiers.is_empty()
    }

    /// The map as it is sent, written when it is first asked for.
    pub(crate) fn text(&self) -> &Text {
        self.text.get_or_init(|| text::write(self))
    }

    fn body(&self) -> SeatMapBody {
        SeatMapBody { version: self.version(), tiers: rows_of(&self.sale).map(|tier| self.tier(tier)).collect() }
    }

    fn tier(&self, tier: &TierConfig) -> SeatTierBody {
        let seats = self.view.tiers.get(&tier.id);
        let mut units = (0..).map(UnitNo);
        let mut state = || {
            let unit = units.next().expect("units are numbered without end");
            letter(seats.map_or(SeatState::Gone, |seats| seats.state(unit)))
        };
        let row = |row: &domain::sale::RowConfig| SeatRowBody {
            row: row.row.clone(),
            states: (0..row.seats).map(|_| state()).collect(),
        };
        SeatTierBody { tier: tier.id.clone(), rows: tier.rows.iter().map(row).collect() }
    }
}

#[cfg(test)]
pub(crate) mod tests;
