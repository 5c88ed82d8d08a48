//! Gateways tick, confirm, forget to, or do so much later.

use super::*;

impl Run {
    pub(super) async fn tick(&mut self, at: &str) {
        let (pace, pulse) = (self.pace(), self.pulse());
        let tick = self.ticks(at, &pace, &pulse).await;
        match self.random.below(10) {
            0 => {}
            1 => self.books.record(&tick),
            2 => self.slept.push((tick, pace)),
            _ => {
                self.books.record(&tick);
                self.confirms(at, &tick, &pace).await;
            }
        }
    }

    fn pace(&mut self) -> Pace {
        Pace {
            rate_per_s: [1, 3, MOST_RATE][self.random.below(3)],
            burst: [1, MOST_BURST][self.random.below(2)],
            max_shoppers: u32::try_from(self.random.below(16)).unwrap(),
            overbook: u32::try_from(self.random.below(8)).unwrap(),
            budget_shoppers: if self.random.below(4) == 0 { 5 } else { 1_000 },
            cohorts: self.oracle.opened,
            claim_window_s: CLAIM_S,
            session_s: SESSION_S,
            state: if self.random.below(6) == 0 { PaceState::Paused } else { PaceState::Admitting },
        }
    }

    /// What a gateway sees; trouble lasts for a while, or nothing would come of it.
    fn pulse(&mut self) -> Pulse {
        if self.random.below(12) == 0 {
            self.mood = [Mood::Well, Mood::Well, Mood::SomeBad, Mood::AllBad, Mood::PostgresAway, Mood::Any]
                [self.random.below(6)];
        }
        let gateway = Uuid::from_u128(self.random.below(3) as u128);
        let payments = u32::try_from(self.random.below(12)).unwrap();
        let any = [Health::Answers, Health::Unknown, Health::Away];
        let (bad, stripe, postgres) = match self.mood {
            Mood::Well => (0, Health::Answers, Health::Answers),
            Mood::SomeBad => (payments / 2, Health::Unknown, Health::Answers),
            Mood::AllBad => (payments, Health::Away, Health::Answers),
            Mood::PostgresAway => (0, Health::Unknown, Health::Away),
            Mood::Any => (payments / 3, any[self.random.below(3)], any[self.random.below(3)]),
        };
        Pulse { gateway, payments, bad, sum_ms: 77, postgres, stripe }
    }

    /// A tick on both, compared.
    async fn ticks(&mut self, at: &str, pace: &Pace, pulse: &Pulse) -> Admission {
        let (stood, factor) = (self.oracle.standstill(), self.oracle.pacer.factor);
        let tick = self.sale.queue.admit(self.sale.id, pace, pulse).await.unwrap();
        let expected = self.oracle.tick(pace, pulse);
        assert_eq!((tick.ended, tick.lapsed), (expected.ended, expected.lapsed), "{at}");
        let unconfirmed: Vec<_> = tick
            .unconfirmed
            .iter()
            .map(|grant| (grant.granted_at.as_millisecond(), grant.number.0, grant.allowance == Allowance::MoreTime))
            .collect();
        assert_eq!(unconfirmed, self.unconfirmed(), "{at}");
        let events: Vec<_> =
            tick.events.iter().map(|event| (event.at.as_millisecond(), event.kind, event.number.0)).collect();
        assert_eq!(events, self.oracle.events, "{at}");
        let stops: Vec<_> = tick.stops.iter().map(|stop| (stop.at.as_millisecond(), stop.why)).collect();
        assert_eq!(stops, self.oracle.stops, "{at}");
        let returned = tick.returned.map(|returned| Came {
            at: returned.at.as_millisecond(),
            count: returned.count,
            lowest: returned.lowest.0,
        });
        assert_eq!(returned, expected.returned, "{at}");
        assert_eq!(tick.standstill, self.oracle.standstill(), "{at}");
        assert_eq!(i64::from(tick.factor_milli), self.oracle.pacer.factor / 1_000, "{at}");
        self.seen.saw(Sight::Lapsed, u64::from(tick.lapsed));
        self.seen.saw(Sight::Returned, u64::from(tick.returned.is_some()));
        self.seen.saw(Sight::Standstill, u64::from(stood.is_none() && tick.standstill.is_some()));
        self.seen.saw(Sight::Cut, u64::from(self.oracle.pacer.factor < factor));
        tick
    }

    fn unconfirmed(&self) -> Vec<(i64, u64, bool)> {
        let granted = self.oracle.spots.iter().filter_map(|(number, spot)| match spot {
            Spot::Granted { at } => Some((*at, *number, self.oracle.patient.contains(number))),
            _ => None,
        });
        let mut granted: Vec<_> = granted.collect();
        granted.sort_unstable();
        granted
    }

    async fn confirms(&mut self, at: &str, tick: &Admission, pace: &Pace) {
        let began = self.sale.queue.confirm(self.sale.id, tick, pace).await.unwrap();
        if tick.epoch != self.oracle.epoch {
            assert_eq!(began, 0, "{at}: of an earlier epoch");
            return;
        }
        let window = i64::from(CLAIM_S) * 1_000;
        let grants = tick.unconfirmed.iter();
        let expected = grants
            .filter(|grant| self.oracle.confirm(grant.number.0, grant.granted_at.as_millisecond(), window, 3))
            .count();
        assert_eq!(began, expected as u64, "{at}");
        let confirmed: Vec<_> = tick.events.iter().map(|e| (e.at.as_millisecond(), e.kind, e.number.0)).collect();
        self.oracle.events.retain(|event| !confirmed.contains(event));
        let confirmed: Vec<_> = tick.stops.iter().map(|stop| (stop.at.as_millisecond(), stop.why)).collect();
        self.oracle.stops.retain(|stop| !confirmed.contains(stop));
        if let Some(returned) = tick.returned {
            self.oracle.forget_return(returned.at.as_millisecond());
        }
    }

    /// A gateway wakes up and goes on where it fell asleep.
    pub(super) async fn wake(&mut self, at: &str) {
        if self.slept.is_empty() {
            return;
        }
        let (tick, pace) = self.slept.swap_remove(self.random.below(self.slept.len()));
        if tick.epoch == self.oracle.epoch {
            self.books.record(&tick);
        }
        self.confirms(at, &tick, &pace).await;
        self.seen.saw(Sight::Slept, 1);
    }

    /// A good time: everyone is heard, payments and stores are well, and so it goes on for a while.
    pub(super) async fn everybody_is_here(&mut self, at: &str) {
        for _ in 0..self.random.below(12) {
            let everyone = self.oracle.spots.keys().copied().collect();
            self.hears(everyone).await;
            self.advances(1_000).await;
            let pace = Pace { cohorts: self.oracle.opened, ..PLENTY };
            let tick = self.ticks(at, &pace, &Pulse::calm(Uuid::from_u128(0))).await;
            self.books.record(&tick);
            self.confirms(at, &tick, &pace).await;
        }
    }

    pub(super) async fn half_an_hour(&mut self, at: &str) {
        let loyal: Vec<_> = self.oracle.spots.keys().copied().filter(|_| self.random.below(2) == 0).collect();
        for _ in 0..31 * 60 / 4 {
            self.advances(4_000).await;
            self.hears(loyal.clone()).await;
            let closed = Pace { state: PaceState::Paused, ..PLENTY };
            let tick = self.ticks(at, &closed, &Pulse::calm(Uuid::from_u128(0))).await;
            self.books.record(&tick);
            self.confirms(at, &tick, &closed).await;
        }
    }
}
