//! The line as maps that are walked from their beginning every time, and the times as plain numbers.

use std::collections::{BTreeMap, BTreeSet};

use admission::{EventKind, Pace, PaceState, Pause, Pulse, Standstill};

use super::pacer::{ONE, Pacer};
use crate::window::{Charge, TURN, What};

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
    quiet_until: i64,
    refilled: i64,
    bucket: i64,
    unused: BTreeMap<u64, i64>,
    resolved: i64,
    no_show: i64,
    came: Option<(u64, u64)>,
    told: Option<(Came, i64)>,
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
            quiet_until: if reserved > 0 { now + LOAD_GRACE_MS } else { 0 },
            refilled: now,
            bucket: 0,
            unused: BTreeMap::new(),
            resolved: 0,
            no_show: 0,
            came: None,
            told: None,
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

    pub(super) fn numbers(&self, is: impl Fn(&Spot) -> bool) -> Vec<u64> {
        self.spots.iter().filter(|(_, spot)| is(spot)).map(|(number, _)| *number).collect()
    }

    pub(super) fn inside(&self) -> usize {
        self.numbers(is_inside).len()
    }

    pub(super) fn standstill(&self) -> Option<Standstill> {
        if self.organizer.0 { Some(Standstill::Organizer) } else { self.pacer.incident() }
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
        self.place_nobody();
    }

    /// A draw without registrations.
    pub(super) fn place_nobody(&mut self) {
        self.cohorts += 1;
        self.opened = self.opened.max(self.cohorts);
    }

    pub(super) fn pause(&mut self, pause: Pause, version: u64) {
        if version >= self.organizer.1 {
            self.organizer = (pause == Pause::Paused, version);
            self.stand_or_go();
        }
    }

    fn stand_or_go(&mut self) {
        if self.standstill().is_some() {
            self.paused_since.get_or_insert(self.now);
        } else if let Some(since) = self.paused_since.take() {
            self.shift(self.now - since);
        }
    }

    fn shift(&mut self, ms: i64) {
        for spot in self.spots.values_mut() {
            if let Spot::Turn { due } | Spot::Shopping { due } = spot {
                *due += ms;
            }
        }
        for hold in self.holds.values_mut() {
            hold.due += ms;
        }
    }

    fn record(&mut self, kind: EventKind, number: u64) {
        self.events.push((self.now, kind, number));
        self.events.sort_by_key(|(at, kind, number)| (*at, kind.word(), number.to_string()));
    }

    fn charge(&mut self, micro_turns: i64, what: What) {
        self.bucket -= micro_turns;
        self.charges.push(Charge { at: self.now, micro_turns, what });
    }

    fn resolve(&mut self, number: u64, fate: Fate) {
        let paid = self.unused.remove(&number).expect("a turn was paid for");
        let no_show = fate == Fate::NotUsed;
        self.charge(if no_show { -paid } else { TURN - paid }, What::Settlement);
        self.resolved += 1;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "millionths, as a script reckons"
        )]
        {
            let target = if no_show { TURN as f64 } else { 0.0 };
            let step = (target - self.no_show as f64) / self.resolved.min(64) as f64;
            self.no_show = (self.no_show as f64 + step + 0.5).floor() as i64;
        }
    }

    pub(super) fn leave(&mut self, number: u64) -> bool {
        match self.spots[&number] {
            Spot::Left => return true,
            Spot::Gone => return false,
            Spot::Granted { .. } | Spot::Turn { .. } => self.resolve(number, Fate::NotUsed),
            Spot::Waiting | Spot::Shopping { .. } => {}
        }
        self.spots.insert(number, Spot::Left);
        self.left += 1;
        self.record(EventKind::Left, number);
        true
    }

    pub(super) fn end(&mut self, number: u64) {
        match self.spots[&number] {
            Spot::Turn { .. } => self.resolve(number, Fate::NotUsed),
            Spot::Shopping { .. } => {}
            Spot::Waiting | Spot::Granted { .. } | Spot::Left | Spot::Gone => return,
        }
        self.spots.insert(number, Spot::Gone);
        self.expired += 1;
        self.record(EventKind::Ended, number);
    }

    /// The first hold of a turn, or another one of a session.
    pub(super) fn take(&mut self, number: u64, units: u32, ttl: i64, session: i64) {
        let due = self.now + ttl;
        let session_end = match self.spots[&number] {
            Spot::Turn { .. } => {
                self.resolve(number, Fate::Used);
                self.now + session
            }
            Spot::Shopping { due } => due,
            other => panic!("{number} is {other:?} and holds"),
        };
        self.spots.insert(number, Spot::Shopping { due: session_end.max(due) });
        self.holds.insert(number, Hold { units, due });
        self.free -= units;
    }

    pub(super) fn confirm(&mut self, number: u64, granted_at: i64, window: i64, times: i64) -> bool {
        if self.spots.get(&number) != Some(&Spot::Granted { at: granted_at }) {
            return false;
        }
        let times = if self.patient.contains(&number) { times } else { 1 };
        let due = self.clock() + window * times;
        self.spots.insert(number, Spot::Turn { due });
        true
    }

    pub(super) fn forget_return(&mut self, at: i64) {
        if self.told.is_some_and(|(told, _)| told.at == at) {
            self.told = None;
        }
    }

    pub(super) fn bypass(&mut self, number: u64) -> Option<bool> {
        if self.spots.get(&number) != Some(&Spot::Waiting) {
            return None;
        }
        let has_room = self.last_cap.is_some_and(|(cap, overbook)| {
            self.inside() < cap as usize && self.free > 0 && self.turns_out() < i64::from(self.free + overbook)
        });
        if !has_room || self.paused_since.is_some() {
            return Some(false);
        }
        self.let_in(number, What::Settlement);
        self.record(EventKind::Bypassed, number);
        Some(true)
    }

    fn let_in(&mut self, number: u64, what: What) {
        let cost = self.cost();
        self.charge(cost, what);
        self.unused.insert(number, cost);
        self.spots.insert(number, Spot::Granted { at: self.now });
        self.admitted += 1;
    }

    fn cost(&self) -> i64 {
        if self.resolved < 20 { TURN } else { TURN - self.no_show.min(900_000) }
    }

    /// Granted, and not used yet.
    fn turns_out(&self) -> i64 {
        let unused = self.numbers(|spot| matches!(spot, Spot::Granted { .. } | Spot::Turn { .. }));
        i64::try_from(unused.len()).unwrap()
    }

    pub(super) fn tick(&mut self, pace: &Pace, pulse: &Pulse) -> Tick {
        let gap = self.gap();
        if gap > 0 {
            self.pass_over(gap);
        }
        let since = self.now - self.steered.unwrap_or(self.now);
        (self.ticked, self.steered) = (self.now, Some(self.now));
        self.grow_old();
        self.weed();
        let elapsed = since.min(1_000);
        self.pacer.hear(self.now, elapsed, pulse);
        self.stand_or_go();
        let mut tick = Tick::default();
        if self.standstill().is_some() {
            self.refilled += if gap > 0 { 0 } else { since };
        } else {
            tick.ended = self.end_due();
            tick.lapsed = self.lapse();
            self.pacer.steer(self.now, elapsed);
            if pace.state == PaceState::Admitting {
                self.admit(pace);
            }
        }
        tick.returned = self.tell_return();
        tick
    }

    fn pass_over(&mut self, gap: i64) {
        if self.paused_since.is_none() {
            self.shift(gap);
        }
        (self.weeded, self.refilled, self.quiet_until) =
            (self.weeded + gap, self.refilled + gap, self.quiet_until + gap);
        let slots = self.now / SLOT_MS - self.slot;
        self.heard.values_mut().for_each(|slot| *slot += slots);
        self.slot += slots;
    }

    fn weed(&mut self) {
        if self.now - self.weeded < KEPT_MS {
            return;
        }
        let live: Vec<_> = self.heard.keys().copied().filter(|number| self.live(*number)).collect();
        self.kept.extend(&live);
        for number in self.numbers(|spot| *spot == Spot::Waiting) {
            if !self.kept.contains(&number) {
                self.spots.insert(number, Spot::Gone);
                self.expired += 1;
            }
        }
        (self.kept, self.weeded) = (live.into_iter().collect(), self.now);
    }

    fn end_due(&mut self) -> u32 {
        let over = self.numbers(|spot| matches!(spot, Spot::Shopping { due } if *due <= self.now));
        over.iter().for_each(|number| self.end(*number));
        u32::try_from(over.len()).unwrap()
    }

    fn lapse(&mut self) -> u32 {
        let over = self.numbers(|spot| matches!(spot, Spot::Turn { due } if *due <= self.now));
        let silent = self.numbers(|spot| matches!(spot, Spot::Turn { due } if *due > self.now));
        let looks = self.swept.replace(self.slot) != Some(self.slot);
        let silent: Vec<_> = silent.into_iter().filter(|number| looks && !self.live(*number)).collect();
        for number in over.iter().chain(&silent) {
            self.resolve(*number, Fate::NotUsed);
            self.spots.insert(*number, Spot::Waiting);
            self.kept.insert(*number);
            self.record(EventKind::Lapsed, *number);
        }
        self.heard.retain(|number, _| !over.contains(number));
        u32::try_from(over.len() + silent.len()).unwrap()
    }

    fn admit(&mut self, pace: &Pace) {
        let (cap, overbook) = (pace.max_shoppers.min(pace.budget_shoppers), pace.overbook);
        self.last_cap = Some((cap, overbook));
        self.refill(pace);
        let waits = self.must_wait(pace.cohorts);
        let granted = self.numbers(|spot| matches!(spot, Spot::Granted { .. })).len();
        let cost = self.cost();
        let shown = i64::from(pace.burst) * TURN / cost - i64::try_from(granted).unwrap();
        let inside = i64::try_from(self.inside()).unwrap();
        let units = i64::from(self.free + overbook) - self.turns_out();
        let room =
            [500, self.bucket.div_euclid(cost), i64::from(cap) - inside, units, shown].into_iter().min().unwrap();
        if waits || self.free == 0 || room <= 0 {
            return;
        }
        let mut line: Vec<_> = self.live_line().collect();
        if self.serves == Serves::TheLast {
            line.reverse();
        }
        let next: Vec<_> = line.into_iter().take(usize::try_from(room).unwrap()).collect();
        next.into_iter().for_each(|number| self.let_in(number, What::Grant));
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "millionths, as a script reckons")]
    fn refill(&mut self, pace: &Pace) {
        let (rate, burst, factor) = (f64::from(pace.rate_per_s), f64::from(pace.burst), self.pacer.factor as f64);
        let (turn, one) = (TURN as f64, ONE as f64);
        let earned = ((self.now - self.refilled).max(0) as f64 * rate * turn / 1_000.0 * factor / one).floor();
        let full = (burst * turn).min(turn.max(burst * turn * factor / one));
        self.bucket = full.min(self.bucket as f64 + earned).floor() as i64;
        self.refilled = self.now;
    }

    fn must_wait(&mut self, draws: u32) -> bool {
        self.opened = self.opened.max(draws);
        if self.cohorts < self.opened {
            return true;
        }
        if self.greeted < self.cohorts {
            (self.greeted, self.quiet_until) = (self.cohorts, self.quiet_until.max(self.now + GRACE_MS));
        }
        self.now < self.quiet_until
    }

    fn tell_return(&mut self) -> Option<Came> {
        match self.told {
            Some((_, told_at)) if self.now - told_at < 1_000 => return None,
            Some((came, _)) => self.told = Some((came, self.now)),
            None => {
                let (count, lowest) = self.came.take()?;
                self.told = Some((Came { at: self.now, count, lowest }, self.now));
            }
        }
        self.told.map(|(came, _)| came)
    }
}

pub(super) fn is_inside(spot: &Spot) -> bool {
    matches!(spot, Spot::Granted { .. } | Spot::Turn { .. } | Spot::Shopping { .. })
}
