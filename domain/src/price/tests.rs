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
