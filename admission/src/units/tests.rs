use domain::UnitNo;

use super::{HeldUnit, read, write};

fn unit(tier: &str, number: u32) -> HeldUnit {
    HeldUnit { tier: tier.parse().unwrap(), unit: UnitNo(number) }
}

#[test]
fn units_of_one_tier_share_its_name() {
    let units = [unit("ga", 0), unit("ga", 1), unit("balcony", 7)];
    assert_eq!(write(&units), "ga=0,1;balcony=7");
    assert_eq!(write(&[]), "");
}

#[test]
fn a_text_reads_back() {
    for units in [vec![], vec![unit("a", 3)], vec![unit("a", 3), unit("b", 0), unit("a", 99_999)]] {
        assert_eq!(read(&write(&units)), Some(units));
    }
}

#[test]
fn what_is_no_list_of_units_is_refused() {
    for text in ["ga", "ga=", "ga=x", "GA=1", "ga=1,", "=1"] {
        assert_eq!(read(text), None, "{text}");
    }
}
