use proptest::prelude::*;

use super::*;

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap())
}

#[test]
fn people_read_the_decimals_of_their_currency() {
    for (minor, code, text) in [
        (1250, "eur", "12.50 EUR"),
        (5, "usd", "0.05 USD"),
        (-105, "eur", "-1.05 EUR"),
        (900, "jpy", "900 JPY"),
        (1230, "kwd", "1.230 KWD"),
        (100, "isk", "1.00 ISK"),
        (100, "ugx", "1.00 UGX"),
    ] {
        assert_eq!(money(minor, code).to_string(), text);
    }
}

#[test]
fn currencies_never_mix() {
    assert_eq!(money(1, "eur").plus(money(1, "usd")), Err(MoneyError::CurrencyMismatch));
    assert_eq!(money(1, "eur").minus(money(1, "usd")), Err(MoneyError::CurrencyMismatch));
}

#[test]
fn nothing_wraps_around() {
    assert_eq!(money(i64::MAX, "eur").plus(money(1, "eur")), Err(MoneyError::Overflow));
    assert_eq!(money(i64::MIN, "eur").minus(money(1, "eur")), Err(MoneyError::Overflow));
    assert_eq!(money(i64::MAX, "eur").times(2), Err(MoneyError::Overflow));
    assert_eq!(money(i64::MAX, "eur").share(10_001), Err(MoneyError::Overflow));
}

#[test]
fn a_share_rounds_half_away_from_zero() {
    for (minor, basis_points, share) in
        [(100, 1_900, 19), (150, 1_000, 15), (5, 1_000, 1), (4, 1_000, 0), (-5, 1_000, -1)]
    {
        assert_eq!(money(minor, "eur").share(basis_points).unwrap().minor, share, "{minor} × {basis_points}");
    }
}

#[test]
fn only_three_letters_are_a_currency() {
    assert_eq!("EUR".parse(), Ok(Currency::EUR));
    for bad in ["", "eu", "euro", "e1r", "e€"] {
        assert_eq!(bad.parse::<Currency>(), Err(CurrencyError), "{bad}");
    }
}

proptest! {
    #[test]
    fn what_is_added_can_be_taken_away(a in any::<i32>(), b in any::<i32>()) {
        let (a, b) = (money(a.into(), "eur"), money(b.into(), "eur"));
        prop_assert_eq!(a.plus(b).unwrap().minus(b).unwrap(), a);
    }

    #[test]
    fn a_share_is_within_half_a_minor_unit(minor in any::<i32>(), basis_points in 0_u32..20_000) {
        let exact_10_000 = i128::from(minor) * i128::from(basis_points);
        let rounded_10_000 = i128::from(money(minor.into(), "eur").share(basis_points).unwrap().minor) * 10_000;
        prop_assert!((exact_10_000 - rounded_10_000).abs() <= 5_000);
    }
}
