use super::*;

#[test]
fn what_is_left_is_told_in_a_word() {
    let level = |free, held| Availability::of(TierStock { free, held }, 100).level;
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
    let held = BTreeMap::from([(tier.clone(), TierStock { free: 0, held: 3 })]);
    assert_eq!(Availability::of(held[&tier], 3).remaining, 0);
    assert_eq!(stock(&held), Stock::Left);
    assert_eq!(stock(&BTreeMap::from([(tier, TierStock::default())])), Stock::Gone);
}
