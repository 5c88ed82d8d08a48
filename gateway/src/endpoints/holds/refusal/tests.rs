use std::num::NonZeroU32;

use super::*;

fn told(free: u32, held: u32, wish: &UnitsWish) -> Option<&'static str> {
    let tier = "ga".parse().unwrap();
    refused(TierStock { free, held, ..TierStock::default() }, &tier, wish).map(|refusal| match refusal {
        Take::SoldOut { .. } => "sold_out",
        Take::TooFewLeft { free: told_free, held: told_held, .. } => {
            assert_eq!((told_free, told_held), (free, held));
            "too_few_left"
        }
        Take::AllHeld { .. } => "all_held",
        other => panic!("{other:?} is not for a view to say"),
    })
}

#[test]
fn what_is_free_decides_and_what_is_held_says_how() {
    let two = NonZeroU32::new(2).unwrap();
    for wish in [UnitsWish::Any(two), UnitsWish::Together(two), UnitsWish::TogetherOrAny(two)] {
        for (free, held, refusal) in [
            (0, 0, Some("sold_out")),
            (1, 0, Some("too_few_left")),
            (0, 1, Some("too_few_left")),
            (1, 1, Some("all_held")),
            (0, 2, Some("all_held")),
            (0, u32::MAX, Some("all_held")),
            (2, 0, None),
            (2, 5, None),
            (u32::MAX, u32::MAX, None),
        ] {
            assert_eq!(told(free, held, &wish), refusal, "{free} free, {held} held, {wish:?}");
        }
    }
}

#[test]
fn named_seats_are_refused_only_where_no_seat_could_be_had() {
    let wish = UnitsWish::Seats([3, 4].map(domain::UnitNo).into());
    for (free, held, refusal) in [(0, 0, Some("sold_out")), (1, 0, None), (0, 1, None), (0, 2, None), (1, 1, None)] {
        assert_eq!(told(free, held, &wish), refusal, "{free} free, {held} held");
    }
}
