use super::{Aim, Card, Device, Drawing, TierOnSale};
use crate::rehearse::crowd::Crowd;

fn drawing(seed: u64) -> Drawing {
    let tier = |id: &str, units| TierOnSale { id: id.to_owned(), units, seated: false };
    let tiers = vec![tier("stalls", 300), tier("balcony", 100)];
    Drawing { crowd: Crowd::default(), tiers, per_buyer_limit: 3, seed }
}

#[test]
fn the_same_seed_is_the_same_fans_in_any_order_and_another_seed_is_others() {
    let (one, same, other) = (drawing(7), drawing(7), drawing(8));
    let forwards: Vec<_> = (0..500).map(|fan| one.plan(fan)).collect();
    let backwards: Vec<_> = (0..500).rev().map(|fan| same.plan(fan)).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    assert!(forwards.iter().zip(0..).all(|(plan, fan)| *plan != other.plan(fan)));
    assert_eq!(one.counts(500), same.counts(500));
    assert_ne!(one.counts(500)["fingerprint"], other.counts(500)["fingerprint"]);
    assert!(one.plan(0) != one.plan(1));
}

#[test]
fn the_shares_of_a_crowd_are_those_it_says() {
    let (drawing, fans) = (drawing(3), 20_000_u32);
    let plans: Vec<_> = (0..fans).map(|fan| drawing.plan(fan)).collect();
    let share = |wanted: &dyn Fn(&super::Plan) -> bool| {
        plans.iter().filter(|plan| wanted(plan)).count() as f64 / f64::from(fans)
    };
    let near = |found: f64, said: f64| assert!((found - said).abs() < 0.015, "{found} is not near {said}");
    near(share(&|plan| plan.arrives_s < 0.0), 0.6);
    near(share(&|plan| (120.0..150.0).contains(&plan.arrives_s)), 0.1 + 0.3 * 0.034);
    near(share(&|plan| plan.device == Device::Poll), 0.15);
    near(share(&|plan| plan.aim == Aim::Looks), 0.05);
    near(share(&|plan| plan.aim == Aim::LeavesChoosing), 0.9 * 0.05);
    near(share(&|plan| plan.card == Card::DeclinedOnce), 0.06 * 0.7);
    near(share(&|plan| plan.quantity == 3), 0.25);
    near(share(&|plan| plan.tiers[0] == 0), 0.75);
    near(share(&|plan| plan.tiers.len() == 2), 0.8);
    assert!(plans.iter().all(|plan| (1..=3).contains(&plan.quantity)));
}
