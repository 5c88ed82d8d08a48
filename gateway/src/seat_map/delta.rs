//! What changed from one map to a later one, short enough for a frame.

use std::collections::BTreeSet;

use admission::SeatsView;
use domain::{TierId, UnitNo};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{SeatMap, Version, letter};

/// The longest JSON of a delta: with what a frame and an event have around it, less than 1 KiB.
const DELTA_MAX_BYTES: usize = 850;
/// More changes never fit: the shortest has as many bytes as `["a","1",1,"f"],`.
const CHANGES_MAX: usize = DELTA_MAX_BYTES / 16;

/// Seats that changed hands: all that are not alike in the maps from `from` to `to` that this gateway read, so a seat, too,
/// that changed and changed back. Who has one of those maps puts each seat to the state it has here and has the map `to`; who
/// has that one already passes it over; anybody else fetches the map again, and who has a map between the two that another
/// gateway read may do it at leisure: a seat may be missing here that changed and changed back between two reads.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SeatsDelta {
    /// From which map on it says everything; null when the map is to be fetched again.
    #[schema(value_type = Option<String>, example = "12-40")]
    pub(super) from: Option<Version>,
    /// Which map one has afterwards.
    #[schema(value_type = String, example = "12-51")]
    pub(super) to: Version,
    /// Seats and what they are now: tier, row, number in the row, and the letter as in the map; null when the map is to be
    /// fetched again.
    #[schema(value_type = Option<Vec<Vec<serde_json::Value>>>, example = json!([["stalls", "A", 3, "h"]]))]
    pub(super) changes: Option<Vec<SeatChange>>,
}

/// What a seat is now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeatChange {
    tier: TierId,
    row: String,
    number: u32,
    state: char,
}

impl SeatsDelta {
    /// That the map is to be fetched again, by whoever has an older one.
    pub(super) const fn anew(to: Version) -> Self {
        Self { from: None, to, changes: None }
    }

    /// To a map from each of those before it, which come with the last one first: as far back as the epoch is the same and
    /// it is short enough.
    pub(super) fn each_to<'a>(map: &'a SeatMap, before: impl Iterator<Item = &'a SeatsView>) -> Vec<Self> {
        let (mut later, mut touched, mut deltas) = (&*map.view, BTreeSet::new(), Vec::new());
        for earlier in before.take_while(|earlier| earlier.epoch == map.view.epoch) {
            touched.extend(unlike(earlier, later).take(CHANGES_MAX + 1));
            let changes = touched.iter().filter_map(|(tier, unit)| SeatChange::of(map, tier, *unit)).collect();
            let delta = Self { from: Some(Version::of(earlier)), to: map.version(), changes: Some(changes) };
            if touched.len() > CHANGES_MAX || !delta.fits() {
                break;
            }
            deltas.push(delta);
            later = earlier;
        }
        deltas
    }

    fn fits(&self) -> bool {
        let json = serde_json::to_vec(self).expect("a delta has string keys");
        json.len() <= DELTA_MAX_BYTES
    }
}

impl SeatChange {
    /// What a unit's seat is in a map.
    fn of(map: &SeatMap, tier: &TierId, unit: UnitNo) -> Option<Self> {
        let (row, number) = map.sale.seating(tier)?.row_and_number(unit)?;
        let state = letter(map.of_tier(tier)?.state(unit));
        Some(Self { tier: tier.clone(), row: row.to_owned(), number, state })
    }
}

/// The units whose seats are not alike in two maps.
fn unlike<'a>(earlier: &'a SeatsView, later: &'a SeatsView) -> impl Iterator<Item = (&'a TierId, UnitNo)> {
    let both = later.tiers.iter().filter_map(|(tier, after)| Some((tier, earlier.tiers.get(tier)?, after)));
    both.flat_map(|(tier, before, after)| after.unlike(before).map(move |unit| (tier, unit)))
}

impl Serialize for SeatChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.tier, &self.row, self.number, self.state).serialize(serializer)
    }
}
