//! What is withheld, and what phases may sell, must be of tiers there are.

use std::collections::BTreeSet;

use super::super::{SaleConfig, Seating, TierConfig, Withheld};
use super::Faults;
use crate::ids::TierId;

/// What a tier that is named and not there is told.
const A_TIER: &str = "the id of a tier of the sale";

impl SaleConfig {
    pub(super) fn check_withheld(&self, faults: &mut Faults) {
        for (id, withheld) in &self.withheld {
            let at = format!("/withheld/{id}");
            match (self.tier(id), withheld) {
                (None, _) => faults.require(false, at, A_TIER),
                (Some(tier), Withheld::Number(number)) => {
                    let capacity = tier.capacity();
                    faults.require((1..=capacity).contains(number), at, format!("1 to {capacity}"));
                }
                (Some(tier), Withheld::Seats(seats)) => check_seats(tier, seats, &at, faults),
            }
        }
    }

    pub(super) fn check_allocations(&self, faults: &mut Faults) {
        for (index, phase) in self.phases.iter().enumerate() {
            for (id, units) in &phase.allocation {
                self.check_allocation(id, *units, &format!("/phases/{index}/allocation/{id}"), faults);
            }
        }
    }

    fn check_allocation(&self, id: &TierId, units: u32, at: &str, faults: &mut Faults) {
        match self.tier(id).map(TierConfig::capacity) {
            None => faults.require(false, at, A_TIER),
            Some(capacity) => faults.require(units <= capacity, at, format!("at most {capacity}")),
        }
    }
}

fn check_seats(tier: &TierConfig, seats: &[String], at: &str, faults: &mut Faults) {
    let Some(seating) = Seating::of(tier) else {
        return faults.require(false, at, "a number, where there are no rows");
    };
    faults.require(!seats.is_empty(), at, "a number or at least one seat");
    let mut seen = BTreeSet::new();
    for (index, seat) in seats.iter().enumerate() {
        faults.require(seating.unit(seat).is_some(), format!("{at}/{index}"), "a seat of the tier");
        faults.require(seen.insert(seat), format!("{at}/{index}"), "different from the other seats");
    }
}
