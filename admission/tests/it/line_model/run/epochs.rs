//! What workers and organizers do: pauses, bypasses, draws, epochs.

use super::*;

impl Run {
    pub(super) async fn pause(&mut self) {
        let pause = !self.oracle.organizer.0 && self.random.below(2) == 0;
        let older = self.random.below(4) == 0;
        self.version += u64::from(!older);
        let version = if older { self.version - 1 } else { self.version };
        let word = if pause { Pause::Paused } else { Pause::Running };
        self.sale.loader.set_paused(self.sale.id, word, version).await.unwrap();
        let was = self.oracle.organizer.0;
        self.oracle.pause(word, version);
        self.seen.saw(Sight::Paused, u64::from(!was && self.oracle.organizer.0));
    }

    pub(super) async fn bypass(&mut self, at: &str) {
        let numbers: Vec<_> = self.oracle.spots.keys().copied().collect();
        let Some(number) = self.random.of(&numbers).copied() else { return };
        let bypass = self.sale.queue.bypass(self.sale.id, PlaceNumber(number)).await.unwrap();
        let expected = match self.oracle.bypass(number) {
            None => Bypass::NotWaiting,
            Some(true) => Bypass::Granted,
            Some(false) => Bypass::Full,
        };
        assert_eq!(bypass, expected, "{at}");
        self.seen.saw(Sight::Bypassed, u64::from(bypass == Bypass::Granted));
    }

    pub(super) async fn draw(&mut self) {
        if self.oracle.opened == self.oracle.cohorts && self.random.below(8) > 0 {
            return;
        }
        let first = self.oracle.reserved + 1;
        let last = self.oracle.reserved + self.random.below(5) as u64;
        self.sale.queue.cohort(self.sale.id, self.oracle.cohorts + 1, first, last).await.unwrap();
        if last >= first {
            self.oracle.place_cohort(first, last);
        } else {
            self.oracle.place_nobody();
        }
        self.sale.queue.cohort(self.sale.id, self.oracle.cohorts, first, last).await.unwrap();
        self.seen.saw(Sight::Drawn, 1);
    }

    pub(super) async fn new_epoch(&mut self) {
        self.keep_charges();
        let is_lost = self.random.below(2) == 0;
        if is_lost {
            self.sale.loses_redis().await;
            self.known.clear();
        }
        let (epoch, now, reserved) = (self.oracle.epoch + 1, self.oracle.now, self.oracle.reserved);
        let spots = self.books.spots(now, BOUND_MS);
        let cohorts = self.oracle.cohorts;
        let free: Vec<_> = (0..CAPACITY).map(UnitNo).filter(|unit| !self.sold.contains(unit)).collect();
        let snapshot = Snapshot { reserved_number: reserved, cohorts, ..self.snapshot(epoch, &spots, &free) };
        assert_eq!(self.sale.loader.load(&snapshot).await.unwrap(), Load::Loaded);
        let mut oracle = Oracle::loaded(now, epoch, reserved, cohorts, spots, u32::try_from(free.len()).unwrap());
        if !is_lost {
            oracle.patient = std::mem::take(&mut self.oracle.patient);
            oracle.organizer = self.oracle.organizer;
            oracle.paused_since = oracle.organizer.0.then_some(now);
        }
        self.oracle = oracle;
        self.hold_ids.clear();
        self.seen.saw(Sight::Epoch, 1);
    }

    fn snapshot(&self, epoch: u32, spots: &BTreeMap<u64, Spot>, free: &[UnitNo]) -> Snapshot {
        let mut snapshot = self.sale.snapshot(epoch, &[("ga", CAPACITY)]);
        snapshot.tiers[0].free = free.to_vec();
        for (number, spot) in spots {
            let until = match spot {
                Spot::Shopping { due } => *due,
                Spot::Gone => 0,
                _ => {
                    snapshot.left.push(PlaceNumber(*number));
                    continue;
                }
            };
            let until = Timestamp::from_millisecond(until).unwrap();
            snapshot.grants.push(GrantRow { number: PlaceNumber(*number), until });
        }
        snapshot
    }
}
