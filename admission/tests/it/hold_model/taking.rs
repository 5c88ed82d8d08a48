//! Units taken, by one request or by several in one call, as the oracle sees it: one after the other.

use std::num::NonZeroU32;

use admission::{Take, TakeHold, UnitsWish};
use domain::UnitNo;
use domain::hold::HoldState;

use super::{FLOOR, FOREVER_S, LIMIT, Run, STEP_S, TIERS};
use crate::onsale::wish_for;

impl Run {
    pub(super) async fn take(&mut self) {
        let wishes = self.some_wishes();
        let takes = self.sale.holds.take_many(self.sale.id, &wishes).await.unwrap();
        assert_eq!(takes.len(), wishes.len());
        for (wish, took) in wishes.into_iter().zip(takes) {
            self.took(wish, took.unwrap());
        }
    }

    /// Half of the time one; else several, who get in each other's way and of whom one may be another, or an earlier one,
    /// once more.
    fn some_wishes(&mut self) -> Vec<TakeHold> {
        let mut wishes = Vec::new();
        for _ in 0..[1, 1, 1, 2, 3, 6][self.random.below(6)] {
            let again = match self.random.below(12) {
                0 | 1 => self.random.of(&wishes).cloned(),
                2 => self.random.of(&self.requests).cloned(),
                _ => None,
            };
            wishes.push(again.unwrap_or_else(|| self.some_wish()));
        }
        wishes
    }

    fn some_wish(&mut self) -> TakeHold {
        let number = *self.random.of(&self.buyers).unwrap();
        let items: Vec<_> = (0..=self.random.below(2)).map(|_| self.some_item()).collect();
        let ttl_s = STEP_S * u32::try_from(1 + self.random.below(3)).unwrap();
        let allowed = self.some_allocation();
        TakeHold { allowed, ttl_s, per_buyer_limit: LIMIT, session_s: FOREVER_S, ..wish_for(number, &items) }
    }

    fn took(&mut self, wish: TakeHold, took: Take) {
        if self.oracle.holds.contains_key(&wish.hold) {
            return self.replayed(&wish, &took);
        }
        match self.oracle.take(&wish) {
            Ok(units) => {
                let Take::Taken(hold) = took else { panic!("{wish:?}: {took:?}") };
                assert_eq!((hold.id, hold.state, hold.units), (wish.hold, HoldState::Held, units));
                self.requests.push(wish);
            }
            Err(refusal) => assert_eq!(took, refusal, "{wish:?}"),
        }
    }

    fn replayed(&self, request: &TakeHold, took: &Take) {
        let Take::Replayed(hold) = took else { panic!("{request:?}: {took:?}") };
        let known = &self.oracle.holds[&hold.id];
        assert_eq!((hold.id, hold.state, &hold.units), (request.hold, known.state, &known.units));
    }

    fn some_item(&mut self) -> (&'static str, UnitsWish) {
        let (name, rows) = TIERS[self.random.below(TIERS.len())];
        let quantity = [1, 1, 2, 3][self.random.below(4)] + u32::from(self.random.below(6) == 0);
        let many = NonZeroU32::new(quantity).unwrap();
        let wish = match self.random.below(if rows.is_empty() { 2 } else { 5 }) {
            0 => UnitsWish::Any(many),
            1 => UnitsWish::Seats((0..quantity).map(|_| UnitNo(self.some_unit(rows))).collect()),
            2 => UnitsWish::TogetherOrAny(many),
            _ => UnitsWish::Together(many),
        };
        (name, wish)
    }

    /// Sometimes one that the tier does not have.
    pub(super) fn some_unit(&mut self, rows: &[u32]) -> u32 {
        let capacity = if rows.is_empty() { FLOOR } else { rows.iter().sum() };
        u32::try_from(self.random.below(capacity as usize + 1)).unwrap()
    }

    pub(super) async fn repeat_take(&mut self) {
        let Some(request) = self.random.of(&self.requests) else { return };
        let took = self.sale.holds.take(self.sale.id, request).await.unwrap();
        self.replayed(request, &took);
    }
}
