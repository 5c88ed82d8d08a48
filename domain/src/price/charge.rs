//! What Stripe takes in one payment: not too little, not too much.
//!
//! The least is Stripe's for the currency it settles in ("Minimum and maximum charge amounts" in its documentation of supported
//! currencies). Of a currency that is not in that table the least depends on the rate of the day, and is not known here: such a
//! payment is refused by Stripe when it is made. The most is eight digits in every currency that we know a least of.

use crate::money::Currency;

/// The most of one payment, in minor units: eight digits.
pub const CHARGE_MAX: i64 = 99_999_999;

/// Stripe's table, in minor units.
const CHARGE_MIN: [(&str, i64); 24] = [
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1_500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1_000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1_000),
    ("usd", 50),
];

/// The least of one payment, in minor units; one where it is not known. Nothing at all is no payment.
#[must_use]
pub fn charge_min(currency: Currency) -> i64 {
    CHARGE_MIN.iter().find(|(code, _)| *code == currency.as_str()).map_or(1, |(_, least)| *least)
}
