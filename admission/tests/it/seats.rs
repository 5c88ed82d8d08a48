//! Seats by name, and side by side.

use std::num::NonZeroU32;

use admission::{Snapshot, Take, TakeHold, TierSnapshot, UnitsWish};
use domain::{PlaceNumber, UnitNo};

use crate::onsale::{Onsale, any, floor, seats, stalls, taken, tier, together, unit_numbers, wish_for};

impl Onsale {
    async fn wishes(&self, number: PlaceNumber, name: &str, wish: UnitsWish) -> Take {
        self.holds.take(self.id, &wish_for(number, &[(name, wish)])).await.unwrap()
    }

    async fn gets(&self, number: PlaceNumber, wish: UnitsWish) -> Vec<u32> {
        unit_numbers(&taken(self.wishes(number, "stalls", wish).await))
    }
}

#[tokio::test]
async fn named_seats_are_had_all_or_none() {
    let sale = Onsale::of_tiers(vec![stalls("stalls", &[4, 4])]).await;
    let numbers = sale.turns(2).await;
    assert_eq!(sale.gets(numbers[0], seats(&[6, 1])).await, [1, 6]);
    let refused = sale.wishes(numbers[1], "stalls", seats(&[0, 1, 2, 6])).await;
    assert_eq!(refused, Take::SeatTaken { tier: tier("stalls"), units: vec![UnitNo(1), UnitNo(6)] });
    assert_eq!((sale.stock("stalls").await.free, sale.stock("stalls").await.held), (6, 2));
    assert_eq!(sale.gets(numbers[1], seats(&[0, 2])).await, [0, 2]);
}

#[tokio::test]
async fn named_seats_are_taken_however_few_are_left_until_none_is() {
    let sale = Onsale::of_tiers(vec![stalls("stalls", &[2, 2])]).await;
    let numbers = sale.turns(3).await;
    for (buyer, units) in [seats(&[0, 1, 2]), seats(&[3])].into_iter().enumerate() {
        let hold = taken(sale.wishes(numbers[buyer], "stalls", units).await);
        sale.holds.commit(sale.id, hold.id).await.unwrap();
        let refused = sale.wishes(numbers[2], "stalls", seats(&[0, 3])).await;
        let told = match buyer {
            0 => Take::SeatTaken { tier: tier("stalls"), units: vec![UnitNo(0)] },
            _ => Take::SoldOut { tier: tier("stalls") },
        };
        assert_eq!(refused, told);
    }
}

#[tokio::test]
async fn a_unit_beyond_the_tier_is_never_another_tiers() {
    let sale = Onsale::of_tiers(vec![stalls("stalls", &[4]), floor("floor", 4)]).await;
    let number = sale.turns(1).await[0];
    for unit in [4, 131_071, 131_072, 4_000_000_000] {
        let refused = sale.wishes(number, "stalls", seats(&[0, unit])).await;
        assert_eq!(refused, Take::SeatTaken { tier: tier("stalls"), units: vec![UnitNo(unit)] });
    }
}

#[tokio::test]
async fn together_is_the_front_row_that_has_them_nearest_to_its_middle() {
    let sale = Onsale::of_tiers(vec![floor("floor", 3), stalls("stalls", &[6, 9])]).await;
    let numbers = sale.turns(6).await;
    assert_eq!(sale.gets(numbers[0], together(2)).await, [2, 3], "the middle of the first row");
    assert_eq!(sale.gets(numbers[1], together(3)).await, [9, 10, 11], "only the second row has three");
    assert_eq!(sale.gets(numbers[2], together(2)).await, [0, 1], "of two that are as near, the lower");
    assert_eq!(sale.gets(numbers[3], together(1)).await, [4], "one is together too");
    assert_eq!(sale.gets(numbers[4], together(2)).await, [7, 8]);
    let refused = sale.wishes(numbers[5], "stalls", together(4)).await;
    assert_eq!(refused, Take::NoneTogether { tier: tier("stalls") }, "5, 6 and 12 to 14 are free");
    let apart = UnitsWish::TogetherOrAny(NonZeroU32::new(4).unwrap());
    assert_eq!(sale.gets(numbers[5], apart).await, [5, 6, 12, 13]);
}

#[tokio::test]
async fn a_row_is_found_again_when_its_seats_come_back() {
    let sale = Onsale::of_tiers(vec![stalls("stalls", &[5])]).await;
    let numbers = sale.turns(3).await;
    let middle = taken(sale.wishes(numbers[0], "stalls", together(1)).await);
    assert_eq!(unit_numbers(&middle), [2]);
    assert_eq!(sale.wishes(numbers[1], "stalls", together(3)).await, Take::NoneTogether { tier: tier("stalls") });
    sale.holds.release(sale.id, middle.id, numbers[0]).await.unwrap();
    assert_eq!(sale.gets(numbers[1], together(3)).await, [1, 2, 3]);
    assert_eq!(sale.wishes(numbers[2], "stalls", any(3)).await, Take::AllHeld { tier: tier("stalls") });
}

#[tokio::test]
async fn what_a_load_finds_free_is_found_together() {
    let mut tier_of_rows = stalls("stalls", &[4, 6]);
    tier_of_rows.free.retain(|unit| ![1, 6].contains(&unit.0));
    let sale = Onsale::of_tiers(vec![tier_of_rows]).await;
    let numbers = sale.turns(2).await;
    assert_eq!(sale.gets(numbers[0], together(3)).await, [7, 8, 9]);
    assert_eq!(sale.gets(numbers[1], together(2)).await, [2, 3]);
}

#[tokio::test]
async fn every_item_is_had_or_none() {
    let sale = Onsale::of_tiers(vec![floor("floor", 5), stalls("stalls", &[2, 2])]).await;
    let number = sale.turns(1).await[0];
    let refused = wish_for(number, &[("floor", any(2)), ("stalls", together(3))]);
    assert_eq!(sale.holds.take(sale.id, &refused).await.unwrap(), Take::NoneTogether { tier: tier("stalls") });
    assert_eq!(sale.stock("floor").await.free, 5);
    let limited = TakeHold { per_buyer_limit: 3, ..wish_for(number, &[("floor", any(2)), ("stalls", seats(&[0, 3]))]) };
    assert_eq!(sale.holds.take(sale.id, &limited).await.unwrap(), Take::LimitReached { limit: 3 });
    let had = taken(sale.holds.take(sale.id, &TakeHold { per_buyer_limit: 4, ..limited }).await.unwrap());
    assert_eq!(unit_numbers(&had), [0, 1, 0, 3]);
}

#[tokio::test]
async fn rows_that_are_not_the_tiers_units_are_not_loaded() {
    let sale = Onsale::unloaded().await;
    for (capacity, rows) in [(5, vec![3, 3]), (4, vec![5, u32::MAX]), (4_097, vec![1; 4_097])] {
        let tiers = vec![TierSnapshot { rows, ..floor("stalls", capacity) }];
        let snapshot = Snapshot { tiers, ..sale.snapshot(1, &[]) };
        assert!(sale.loader.load(&snapshot).await.is_err());
    }
    assert_eq!(sale.loader.loaded_epoch(sale.id).await.unwrap(), None);
}
