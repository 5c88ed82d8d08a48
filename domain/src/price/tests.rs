use proptest::prelude::*;

use super::*;
use crate::sale::{Fee, Tax};

fn sale(price: i64, fees: Vec<Fee>, taxes: Vec<Tax>) -> SaleConfig {
    let mut sale: SaleConfig = serde_json::from_str(
        r#"{"name":"x","currency":"eur","opens_at":"2026-12-01T10:00:00Z",
            "tiers":[{"id":"ga","name":"Standing","price":0,"capacity":50}]}"#,
    )
    .unwrap();
    (sale.tiers[0].price, sale.fees, sale.taxes) = (price, fees, taxes);
    sale
}

fn quantity(units: u32) -> NonZeroU32 {
    NonZeroU32::new(units).unwrap()
}

#[test]
fn the_parts_of_a_price_are_rounded_one_by_one() {
    let service = Fee { name: "Service".into(), per_unit: 150, basis_points: 333 };
    let vat = Tax { name: "VAT".into(), basis_points: 1_900 };
    let sale = sale(4_501, vec![service], vec![vat]);
    let price = unit_price(&sale, &sale.tiers[0]).unwrap();
    // 3.33 % of 45.01 is 1.498833, 19 % of 48.01 + … is 9.1219.
    assert_eq!((price.base.minor, price.fees.minor, price.taxes.minor, price.total.minor), (4_501, 300, 912, 5_713));
}

#[test]
fn a_free_unit_costs_nothing_and_still_has_its_line() {
    let sale = sale(0, vec![], vec![]);
    let lines = lines_of(&sale, &sale.tiers[0], quantity(2)).unwrap();
    assert_eq!(lines.len(), 1);
    assert!(total(&sale, &lines).unwrap().is_zero());
}

proptest! {
    #[test]
    fn an_order_costs_its_units_times_the_price_shown(
        price in 0_i64..10_000_000, per_unit in 0_i64..10_000, share in 0_u32..3_000, tax in 0_u32..3_000, units in 1_u32..20,
    ) {
        let fee = Fee { name: "f".into(), per_unit, basis_points: share };
        let sale = sale(price, vec![fee], vec![Tax { name: "t".into(), basis_points: tax }]);
        let shown = unit_price(&sale, &sale.tiers[0]).unwrap();
        let lines = lines_of(&sale, &sale.tiers[0], quantity(units)).unwrap();
        prop_assert_eq!(total(&sale, &lines).unwrap(), shown.total.times(units).unwrap());
        prop_assert_eq!(shown.base.plus(shown.fees).unwrap().plus(shown.taxes).unwrap(), shown.total);
    }
}

/// Everything at its bound: the highest price, as many fees and taxes as a sale may have, each as high as it may be.
#[test]
fn no_order_of_prices_in_range_comes_near_the_range_of_money() {
    let fee = Fee { name: "f".into(), per_unit: 99_999_999, basis_points: 10_000 };
    let tax = Tax { name: "t".into(), basis_points: 10_000 };
    let mut sale = sale(99_999_999, vec![fee; 8], vec![tax; 8]);
    sale.per_buyer_limit = 20;
    let total = dearest_order(&sale).unwrap();
    // (1 + 8 × 2) of the price, and eight times as much in taxes, for each of twenty.
    assert_eq!(total.minor, 99_999_999 * 17 * 9 * 20);
    let all_units = i128::from(total.minor) / 20 * i128::from(crate::sale::UNITS_MAX);
    assert!(all_units < 1 << 53, "all that a sale may sell is counted exactly by JavaScript too");
    assert_eq!(sale.faults().len(), 1, "and Stripe would not take it");
}

#[test]
fn the_dearest_order_is_of_the_dearest_units_within_all_limits() {
    let mut sale = sale(1_000, vec![], vec![]);
    sale.per_buyer_limit = 6;
    let tier = |id: &str, price, capacity, per_buyer_limit| TierConfig {
        id: id.parse().unwrap(),
        price,
        capacity: Some(capacity),
        per_buyer_limit,
        ..sale.tiers[0].clone()
    };
    let tiers = [tier("cheap", 1, 50, None), tier("box", 10_000, 50, Some(2)), tier("suite", 50_000, 1, None)];
    sale.tiers.extend(tiers);
    assert_eq!(dearest_order(&sale).unwrap().minor, 50_000 + 2 * 10_000 + 3 * 1_000);
    sale.tiers[0].capacity = Some(1);
    assert_eq!(dearest_order(&sale).unwrap().minor, 50_000 + 2 * 10_000 + 1_000 + 2);
}
