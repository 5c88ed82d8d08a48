//! Whether the sale stands still, and what that does to its clocks.

use super::*;

impl Oracle {
    pub(in super::super) fn standstill(&self) -> Option<Standstill> {
        if self.organizer.0 { Some(Standstill::Organizer) } else { self.pacer.incident() }
    }

    pub(in super::super) fn pause(&mut self, pause: Pause, version: u64) {
        if version >= self.organizer.1 {
            self.organizer = (pause == Pause::Paused, version);
            self.stand_or_go();
        }
    }

    pub(super) fn stand_or_go(&mut self) {
        let why = self.standstill();
        if why != self.told_stop {
            self.told_stop = why;
            self.tell_stop(why);
        }
        if why.is_some() {
            self.paused_since.get_or_insert(self.now);
        } else if let Some(since) = self.paused_since.take() {
            self.shift(self.now - since);
        }
    }

    /// Of what happens twice at one moment Redis keeps one.
    fn tell_stop(&mut self, why: Option<Standstill>) {
        if !self.stops.contains(&(self.now, why)) {
            self.stops.push((self.now, why));
            self.stops.sort_by_key(|(at, why)| (*at, why.map_or("none", Standstill::word)));
        }
    }

    pub(super) fn shift(&mut self, ms: i64) {
        for spot in self.spots.values_mut() {
            if let Spot::Turn { due } | Spot::Shopping { due } = spot {
                *due += ms;
            }
        }
        for hold in self.holds.values_mut() {
            hold.due += ms;
        }
    }
}
