use super::*;

#[test]
fn what_is_left_is_told_in_a_word() {
    let level = |free, held| Availability::of(TierStock { free, held, all: 100 }, None).level;
    assert_eq!(level(100, 0), Level::Many);
    assert_eq!(level(21, 0), Level::Many);
    assert_eq!(level(20, 80), Level::Few);
    assert_eq!(level(1, 0), Level::Few);
    assert_eq!(level(0, 1), Level::AllHeld);
    assert_eq!(level(0, 0), Level::None);
}

#[test]
fn held_units_are_not_remaining_but_not_gone() {
    let tier: TierId = "ga".parse().unwrap();
    let held = BTreeMap::from([(tier.clone(), TierStock { free: 0, held: 3, all: 3 })]);
    assert_eq!(Availability::of(held[&tier], None).remaining, 0);
    assert_eq!(stock(&held), Stock::Left);
    assert_eq!(stock(&BTreeMap::from([(tier, TierStock::default())])), Stock::Gone);
}

#[test]
fn of_a_phase_s_allocation_only_what_may_still_go_is_left() {
    let of = |free, held, allowed| {
        let left = Availability::of(TierStock { free, held, all: 100 }, Some(allowed));
        (left.remaining, left.level)
    };
    assert_eq!(of(100, 0, 10), (10, Level::Many));
    assert_eq!(of(98, 2, 10), (8, Level::Many));
    assert_eq!(of(92, 4, 10), (2, Level::Few));
    assert_eq!(of(90, 1, 10), (0, Level::AllHeld));
    assert_eq!(of(90, 0, 10), (0, Level::None), "what is free is for a later phase");
    assert_eq!(of(80, 10, 10), (0, Level::None), "what is held was of a phase that could sell more");
    assert_eq!(of(5, 0, 1_000), (5, Level::Few));
}
