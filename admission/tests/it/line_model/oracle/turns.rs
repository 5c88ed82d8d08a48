//! What becomes of turns, and what that costs.

use super::*;

impl Oracle {
    pub(in super::super) fn confirm(&mut self, number: u64, granted_at: i64, window: i64, times: i64) -> bool {
        if self.spots.get(&number) != Some(&Spot::Granted { at: granted_at }) {
            return false;
        }
        let times = if self.patient.contains(&number) { times } else { 1 };
        let due = self.clock() + window * times;
        self.spots.insert(number, Spot::Turn { due });
        true
    }

    pub(in super::super) fn forget_return(&mut self, at: i64) {
        if self.told.is_some_and(|(told, _)| told.at == at) {
            self.told = None;
        }
    }

    pub(in super::super) fn bypass(&mut self, number: u64) -> Option<bool> {
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

    pub(super) fn let_in(&mut self, number: u64, what: What) {
        let cost = self.cost();
        self.charge(cost, what);
        self.unused.insert(number, cost);
        self.spots.insert(number, Spot::Granted { at: self.now });
        self.admitted += 1;
    }

    pub(super) fn cost(&self) -> i64 {
        if self.resolved < 20 { TURN } else { TURN - self.no_show.min(900_000) }
    }

    /// Granted, and not used yet.
    pub(super) fn turns_out(&self) -> i64 {
        let unused = self.numbers(|spot| matches!(spot, Spot::Granted { .. } | Spot::Turn { .. }));
        i64::try_from(unused.len()).unwrap()
    }

    /// The first hold of a turn, or another one of a session.
    pub(in super::super) fn take(&mut self, number: u64, units: u32, ttl: i64, session: i64) {
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

    fn charge(&mut self, micro_turns: i64, what: What) {
        match what {
            What::Grant => self.bucket -= micro_turns,
            What::Settlement if micro_turns < 0 => self.regained -= micro_turns,
            What::Settlement => self.owed += micro_turns,
        }
        self.charges.push(Charge { at: self.now, micro_turns, what });
    }

    pub(super) fn resolve(&mut self, number: u64, fate: Fate) {
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

    pub(in super::super) fn leave(&mut self, number: u64) -> bool {
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

    pub(in super::super) fn end(&mut self, number: u64) {
        match self.spots[&number] {
            Spot::Turn { .. } => self.resolve(number, Fate::NotUsed),
            Spot::Shopping { .. } => {}
            Spot::Waiting | Spot::Granted { .. } | Spot::Left | Spot::Gone => return,
        }
        self.spots.insert(number, Spot::Gone);
        self.expired += 1;
        self.record(EventKind::Ended, number);
    }

    pub(super) fn record(&mut self, kind: EventKind, number: u64) {
        self.events.push((self.now, kind, number));
        self.events.sort_by_key(|(at, kind, number)| (*at, kind.word(), number.to_string()));
    }
}
