//! The latest map, and what changed since each of the last ones.

use std::collections::VecDeque;
use std::sync::Arc;

use admission::SeatsView;

use super::{SeatMap, SeatsDelta, Version};
use crate::written::Written;

/// Maps that somebody may still have without having to fetch the whole again: a second of ticks that all bring changes, in
/// which a socket may be too busy to be written to.
const EARLIER_MAX: usize = 5;

/// The latest map.
pub(crate) struct SeatMaps {
    latest: Arc<SeatMap>,
    /// Without their text, which nobody asks for any more.
    earlier: VecDeque<Arc<SeatsView>>,
    deltas: Vec<(Version, Written<SeatsDelta>)>,
    anew: Written<SeatsDelta>,
}

impl SeatMaps {
    /// The map that was just read, after those that were there before.
    pub(crate) fn after(last: Option<&Self>, latest: SeatMap) -> Self {
        let mut earlier = last.map(|last| last.earlier.clone()).unwrap_or_default();
        earlier.extend(last.map(|last| Arc::clone(&last.latest.view)));
        earlier.drain(..earlier.len().saturating_sub(EARLIER_MAX));
        let deltas = SeatsDelta::each_to(&latest, earlier.iter().rev().map(|earlier| &**earlier));
        let deltas = deltas.into_iter().filter_map(|delta| Some((delta.from?, Written::new(delta)))).collect();
        let anew = Written::new(SeatsDelta::anew(latest.version()));
        Self { latest: Arc::new(latest), earlier, deltas, anew }
    }

    /// The latest map.
    pub(crate) const fn latest(&self) -> &Arc<SeatMap> {
        &self.latest
    }

    /// What changed since that map; none when nobody knows any more, or it is too much for a frame.
    pub(crate) fn since(&self, version: Version) -> Option<Written<SeatsDelta>> {
        self.deltas.iter().find(|(from, _)| *from == version).map(|(_, delta)| delta.clone())
    }

    /// That the map is to be fetched again.
    pub(crate) fn anew(&self) -> Written<SeatsDelta> {
        self.anew.clone()
    }
}
