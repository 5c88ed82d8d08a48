//! Turns become sessions, with holds that end in one way or another.

use super::*;

impl Run {
    pub(super) async fn take(&mut self, at: &str) {
        let usable = self.oracle.numbers(|spot| matches!(spot, Spot::Turn { .. } | Spot::Shopping { .. }));
        let Some(number) = self.random.of(&usable).copied() else { return };
        let units = 1 + u32::try_from(self.random.below(2)).unwrap();
        let mut wish = wish(PlaceNumber(number), &[("ga", units)]);
        (wish.ttl_s, wish.session_s) = (5, SESSION_S);
        let took = self.sale.holds.take(self.sale.id, &wish).await.unwrap();
        let expected = self.refusal(number, units);
        if let Some(refusal) = expected {
            assert_eq!(took, refusal, "{at}: {number} {:?}", self.oracle.spots[&number]);
            return;
        }
        assert!(matches!(took, Take::Taken(_)), "{at}: {took:?}");
        let is_first = matches!(self.oracle.spots[&number], Spot::Turn { .. });
        self.seen.saw(Sight::Claimed, u64::from(is_first));
        self.oracle.take(number, units, 5_000, i64::from(SESSION_S) * 1_000);
        self.hold_ids.insert(number, wish.hold);
    }

    fn refusal(&self, number: u64, units: u32) -> Option<Take> {
        let (Spot::Turn { due } | Spot::Shopping { due }) = self.oracle.spots[&number] else {
            unreachable!("it is usable")
        };
        let held: u32 = self.oracle.holds.values().map(|hold| hold.units).sum();
        match () {
            () if self.oracle.paused_since.is_some() => Some(Take::Paused),
            () if due <= self.oracle.clock() => Some(Take::PassExpired),
            () if self.oracle.holds.contains_key(&number) => Some(Take::PassInUse),
            () if self.oracle.free + held == 0 => Some(Take::SoldOut { tier: tier("ga") }),
            () if units > self.oracle.free + held => {
                Some(Take::TooFewLeft { tier: tier("ga"), free: self.oracle.free, held })
            }
            () if units > self.oracle.free => Some(Take::AllHeld { tier: tier("ga") }),
            () => None,
        }
    }

    /// A hold is given back, or becomes an order.
    pub(super) async fn end_hold(&mut self) {
        let holders: Vec<_> = self.oracle.holds.keys().copied().collect();
        let Some(number) = self.random.of(&holders).copied() else { return };
        let (id, hold) = (self.hold_ids[&number], self.oracle.holds.remove(&number).unwrap());
        if self.random.below(3) > 0 {
            self.sale.holds.release(self.sale.id, id, PlaceNumber(number)).await.unwrap();
            self.oracle.free += hold.units;
        } else {
            let view = self.sale.holds.look(self.sale.id, id).await.unwrap().unwrap();
            self.sold.extend(view.units.iter().map(|held| held.unit));
            self.sale.holds.commit(self.sale.id, id).await.unwrap();
        }
    }

    pub(super) async fn sweep(&mut self, at: &str) {
        let swept = self.sale.holds.expire_due(self.sale.id, 100).await.unwrap();
        let runs = self.oracle.clock() == self.oracle.now;
        let due: Vec<_> =
            self.oracle.holds.iter().filter(|(_, hold)| runs && hold.due <= self.oracle.now).map(|(n, _)| *n).collect();
        let mut released: Vec<_> = due.iter().map(|number| self.hold_ids[number]).collect();
        let mut swept = swept.released;
        released.sort_unstable();
        swept.sort_unstable();
        assert_eq!(swept, released, "{at}");
        for number in due {
            self.oracle.free += self.oracle.holds.remove(&number).unwrap().units;
        }
    }

    pub(super) async fn end_session(&mut self) {
        let numbers = self.oracle.numbers(is_inside);
        let Some(number) = self.random.of(&numbers).copied() else { return };
        self.sale.queue.end_session(self.sale.id, PlaceNumber(number)).await.unwrap();
        self.oracle.end(number);
    }
}
