//! Units kept back, and how many may be gone, as the oracle sees them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use admission::{HeldUnit, NOBODY, Take, UnitsReturn, Withhold, WithholdWish};
use domain::hold::HoldState;
use domain::{HoldId, TierId, UnitNo};

use super::{Oracle, OracleHold, Run, TIERS, snapshot_of};
use crate::onsale::{some_hold, some_request, tier};

impl Oracle {
    pub(super) fn withheld(&self, tier: &TierId) -> usize {
        self.withheld.iter().filter(|unit| unit.tier == *tier).count()
    }

    /// Whether so many more may be gone; of those that are, held ones may come back.
    pub(super) fn may_go(&self, tier: &TierId, quantity: u32, allowed: Option<u32>) -> Result<(), Take> {
        let Some(allowed) = allowed else { return Ok(()) };
        let for_good = self.gone.iter().filter(|unit| unit.tier == *tier).count();
        let (held, quantity, tier) = (self.held(tier), quantity as usize, tier.clone());
        if allowed as usize >= for_good + held + self.free[&tier].len() {
            return Ok(());
        }
        let room = (allowed as usize).saturating_sub(for_good);
        let free = room.saturating_sub(held);
        let count = |units: usize| u32::try_from(units).unwrap();
        if room == 0 {
            Err(Take::AllocationSoldOut { tier })
        } else if quantity > room {
            Err(Take::TooFewLeft { tier, free: count(free), held: count(room - free) })
        } else if quantity > free {
            Err(Take::AllHeld { tier })
        } else {
            Ok(())
        }
    }

    /// The units of a hold are an order's, or kept back.
    pub(super) fn committed(&mut self, id: HoldId) {
        let OracleHold { number, units, .. } = &self.holds[&id];
        let taken = if *number == NOBODY { &mut self.withheld } else { &mut self.gone };
        taken.extend(units.clone());
    }

    /// The units of a wish, or what is in its way.
    fn withhold(&self, tier: &TierId, wish: &WithholdWish) -> Result<Vec<UnitNo>, Withhold> {
        let free = &self.free[tier];
        match wish {
            WithholdWish::Last(quantity) if quantity.get() as usize > free.len() => {
                Err(Withhold::TooFew { free: u32::try_from(free.len()).unwrap() })
            }
            WithholdWish::Last(quantity) => {
                Ok(free.iter().rev().take(quantity.get() as usize).map(|no| UnitNo(*no)).collect())
            }
            WithholdWish::Seats(units) => {
                let taken: Vec<_> = units.iter().copied().filter(|unit| !free.contains(&unit.0)).collect();
                if taken.is_empty() { Ok(units.iter().copied().collect()) } else { Err(Withhold::SeatTaken(taken)) }
            }
        }
    }
}

impl Run {
    /// For some tiers a number that is met now and then.
    pub(super) fn some_allocation(&mut self) -> BTreeMap<TierId, u32> {
        let mut allowed = BTreeMap::new();
        for (name, rows) in TIERS {
            if self.random.below(2) == 0 {
                let capacity = snapshot_of(name, rows).capacity as usize;
                allowed.insert(tier(name), u32::try_from(self.random.below(capacity + 2)).unwrap());
            }
        }
        allowed
    }

    pub(super) async fn withhold(&mut self) {
        let (name, rows) = TIERS[self.random.below(TIERS.len())];
        let (tier, quantity) = (tier(name), u32::try_from(1 + self.random.below(2)).unwrap());
        let wish = match self.random.below(2) {
            0 => WithholdWish::Last(NonZeroU32::new(quantity).unwrap()),
            _ => WithholdWish::Seats((0..quantity).map(|_| UnitNo(self.some_unit(rows))).collect()),
        };
        let (id, request) = (some_hold(), some_request());
        let came_to = self.sale.holds.withhold(self.sale.id, id, request, &tier, &wish).await.unwrap();
        let units = match self.oracle.withhold(&tier, &wish) {
            Ok(units) => units,
            Err(refusal) => return assert_eq!(came_to, refusal, "{wish:?}"),
        };
        let units: Vec<_> = units.into_iter().map(|unit| HeldUnit { tier: tier.clone(), unit }).collect();
        let Withhold::Taken { epoch: 1, hold } = came_to else { panic!("{wish:?}: {came_to:?}") };
        assert_eq!((hold.id, hold.state, hold.number, &hold.units), (id, HoldState::Frozen, NOBODY, &units));
        for held in &units {
            self.oracle.free.get_mut(&tier).unwrap().remove(&held.unit.0);
        }
        let next = self.oracle.now + 1;
        let (state, number) = (HoldState::Frozen, NOBODY);
        let hold = OracleHold { state, number, units, over: next, look: next, extensions: 0 };
        self.oracle.holds.insert(id, hold);
    }

    /// Postgres releases some of what is kept back.
    pub(super) async fn put_on_sale(&mut self) {
        let some = self.random.below(self.oracle.withheld.len() + 1);
        let units = self.oracle.withheld.split_off(some);
        let returned = self.sale.holds.withheld_return(self.sale.id, some_request(), 1, &units).await.unwrap();
        assert_eq!(returned, UnitsReturn::Returned);
        self.oracle.free_again(&units);
    }
}
