//! The line as maps that are walked from their beginning every time, and the times as plain numbers.

use std::collections::{BTreeMap, BTreeSet};

use admission::{EventKind, Pace, PaceState, Pause, Pulse, Standstill};

use super::pacer::{ONE, Pacer};
use crate::window::{Charge, TURN, What};

mod standstill;
mod tick;
mod turns;

const SLOT_MS: i64 = 2_500;
const GAP_MS: i64 = 5_000;
const GRACE_MS: i64 = 2_000;
const LOAD_GRACE_MS: i64 = 6_000;
const KEPT_MS: i64 = 30 * 60 * 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Waiting,
    Granted { at: i64 },
    Turn { due: i64 },
    Shopping { due: i64 },
    Left,
    Gone,
}

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Used,
    NotUsed,
}

/// A hold of so many units, live until it is due or ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) units: u32,
    pub(super) due: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) at: i64,
    pub(super) count: u64,
    pub(super) lowest: u64,
}

pub(super) type Event = (i64, EventKind, u64);

/// What a tick answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) ended: u32,
    pub(super) lapsed: u32,
    pub(super) returned: Option<Came>,
}

#[derive(Debug)]
pub(super) struct Oracle {
    pub(super) now: i64,
    pub(super) epoch: u32,
    pub(super) spots: BTreeMap<u64, Spot>,
    pub(super) next: u64,
    pub(super) reserved: u64,
    pub(super) patient: BTreeSet<u64>,
    pub(super) holds: BTreeMap<u64, Hold>,
    pub(super) free: u32,
    pub(super) events: Vec<Event>,
    /// When it stopped and went on, and why.
    pub(super) stops: Vec<(i64, Option<Standstill>)>,
    pub(super) charges: Vec<Charge>,
    pub(super) pacer: Pacer,
    pub(super) paused_since: Option<i64>,
    pub(super) organizer: (bool, u64),
    pub(super) cohorts: u32,
    pub(super) opened: u32,
    pub(super) admitted: u64,
    pub(super) left: u64,
    pub(super) expired: u64,
    pub(super) last_cap: Option<(u32, u32)>,
    slot: i64,
    heard: BTreeMap<u64, i64>,
    kept: BTreeSet<u64>,
    weeded: i64,
    ticked: i64,
    steered: Option<i64>,
    greeted: u32,
    ungreeted_from: Option<u64>,
    quiet_until: i64,
    refilled: i64,
    bucket: i64,
    owed: i64,
    regained: i64,
    unused: BTreeMap<u64, i64>,
    resolved: i64,
    no_show: i64,
    came: Option<(u64, u64)>,
    told: Option<(Came, i64)>,
    told_stop: Option<Standstill>,
    swept: Option<i64>,
    serves: Serves,
}

/// Whom the oracle admits: in a control the wrong ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    TheFirst,
    TheLast,
}

impl Oracle {
    /// A sale that was just loaded: numbers up to `reserved` may be waiting, save for those with another spot.
    pub(super) fn loaded(
        now: i64,
        epoch: u32,
        reserved: u64,
        cohorts: u32,
        known: BTreeMap<u64, Spot>,
        free: u32,
    ) -> Self {
        let mut spots: BTreeMap<_, _> = (1..=reserved).map(|number| (number, Spot::Waiting)).collect();
        spots.extend(known);
        let waiting: BTreeSet<_> = spots.iter().filter(|(_, spot)| **spot == Spot::Waiting).map(|(n, _)| *n).collect();
        let count = |wanted: Spot| spots.values().filter(|spot| **spot == wanted).count() as u64;
        Self {
            now,
            epoch,
            next: reserved,
            reserved,
            patient: BTreeSet::new(),
            holds: BTreeMap::new(),
            free,
            events: Vec::new(),
            stops: Vec::new(),
            charges: Vec::new(),
            pacer: Pacer::new(),
            paused_since: None,
            organizer: (false, 0),
            cohorts,
            opened: cohorts,
            admitted: 0,
            left: count(Spot::Left),
            expired: count(Spot::Gone),
            last_cap: None,
            slot: now / SLOT_MS,
            heard: BTreeMap::new(),
            kept: waiting,
            weeded: now,
            ticked: now,
            steered: None,
            greeted: 0,
            ungreeted_from: None,
            quiet_until: if reserved > 0 { now + LOAD_GRACE_MS } else { 0 },
            refilled: now,
            bucket: 0,
            owed: 0,
            regained: 0,
            unused: BTreeMap::new(),
            resolved: 0,
            no_show: 0,
            came: None,
            told: None,
            told_stop: None,
            swept: None,
            serves: Serves::TheFirst,
            spots,
        }
    }

    pub(super) fn serves(&mut self, serves: Serves) {
        self.serves = serves;
    }

    pub(super) fn live(&self, number: u64) -> bool {
        self.heard.get(&number).is_some_and(|slot| self.slot - slot < 7)
    }

    pub(super) fn live_line(&self) -> impl Iterator<Item = u64> {
        self.spots.iter().filter(|(number, spot)| **spot == Spot::Waiting && self.live(**number)).map(|(n, _)| *n)
    }

    /// Whoever counts as ahead of those behind: who is live, and who of a new draw may be.
    pub(super) fn expected_line(&self) -> Vec<u64> {
        let expected = |number: u64| self.live(number) || self.ungreeted_from.is_some_and(|from| from <= number);
        self.numbers(|spot| *spot == Spot::Waiting).into_iter().filter(|number| expected(*number)).collect()
    }

    pub(super) fn numbers(&self, is: impl Fn(&Spot) -> bool) -> Vec<u64> {
        self.spots.iter().filter(|(_, spot)| is(spot)).map(|(number, _)| *number).collect()
    }

    pub(super) fn inside(&self) -> usize {
        self.numbers(is_inside).len()
    }

    /// The clock of turns, sessions and holds.
    pub(super) fn clock(&self) -> i64 {
        self.paused_since.unwrap_or(self.now - self.gap())
    }

    fn gap(&self) -> i64 {
        let gap = self.now - self.ticked;
        if gap > GAP_MS { gap } else { 0 }
    }

    fn grow_old(&mut self) {
        if self.now / SLOT_MS == self.slot {
            return;
        }
        let live: Vec<_> = self.heard.keys().copied().filter(|number| self.live(*number)).collect();
        self.kept.extend(live);
        self.slot = self.now / SLOT_MS;
    }

    fn hear(&mut self, number: u64) {
        if self.spots[&number] == Spot::Waiting && !self.live(number) {
            let (count, lowest) = self.came.unwrap_or((0, number));
            self.came = Some((count + 1, lowest.min(number)));
        }
        self.heard.insert(number, self.slot);
    }

    pub(super) fn hear_all(&mut self, numbers: &[u64]) {
        self.grow_old();
        numbers.iter().for_each(|number| self.hear(*number));
    }

    /// A batch of joins begins: what had its place before it, is heard by it.
    pub(super) fn begin_joins(&mut self, draws: u32) {
        self.grow_old();
        self.opened = self.opened.max(draws);
    }

    pub(super) fn has_place(&self, number: u64) -> bool {
        self.spots.get(&number).is_some_and(|spot| *spot == Spot::Waiting || is_inside(spot))
    }

    pub(super) fn join_known(&mut self, number: u64) {
        self.hear(number);
    }

    pub(super) fn join_new(&mut self) -> u64 {
        self.next += 1;
        self.spots.insert(self.next, Spot::Waiting);
        self.heard.insert(self.next, self.slot);
        self.next
    }

    pub(super) fn place_cohort(&mut self, first: u64, last: u64) {
        for number in first..=last {
            self.spots.insert(number, Spot::Waiting);
            self.kept.insert(number);
        }
        (self.next, self.reserved) = (last, self.reserved.max(last));
        self.ungreeted_from.get_or_insert(first);
        self.place_nobody();
    }

    /// A draw without registrations.
    pub(super) fn place_nobody(&mut self) {
        self.cohorts += 1;
        self.opened = self.opened.max(self.cohorts);
    }
}

pub(super) fn is_inside(spot: &Spot) -> bool {
    matches!(spot, Spot::Granted { .. } | Spot::Turn { .. } | Spot::Shopping { .. })
}
