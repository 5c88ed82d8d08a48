//! One tick, step by step.

use super::*;

impl Oracle {
    pub(in super::super) fn tick(&mut self, pace: &Pace, pulse: &Pulse) -> Tick {
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
        self.bucket = full.min((self.bucket + self.regained) as f64 + earned).floor() as i64 - self.owed;
        (self.owed, self.regained) = (0, 0);
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
        if self.now < self.quiet_until {
            return true;
        }
        self.ungreeted_from = None;
        false
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
