use std::collections::HashMap;
use std::str::FromStr as _;

use proptest::prelude::*;
use secrecy::SecretString;
use uuid::Uuid;

use super::*;
use crate::sale::PER_BUYER_LIMIT_MAX;

const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn signer(keys: &[&str]) -> Signer {
    Signer::new(&SecretString::from(keys.join(","))).unwrap()
}

fn order(number: u128) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(number))
}

fn unit(tier: &str, number: u32) -> (TierId, UnitNo) {
    (TierId::from_str(tier).unwrap(), UnitNo(number))
}

fn memo(units: Vec<(TierId, UnitNo)>, email: &str, name: &str) -> Memo {
    let contact = Some(Contact { email: email.to_owned(), name: name.to_owned() });
    Memo { hold: HoldId::from_uuid(Uuid::from_u128(7)), number: PlaceNumber(12), units, contact }
}

fn kid(signer: &Signer) -> Kid {
    signer.kid()
}

#[test]
fn units_are_runs_in_order() {
    let units = [unit("stalls", 12), unit("ga", 7), unit("ga", 0), unit("ga", 1), unit("ga", 2)];
    assert_eq!(unit_fields(&units), [("units".to_owned(), "ga:0-2,7;stalls:12".to_owned())]);
    assert_eq!(unit_fields(&[]), []);
}

/// The dearest case: the longest names, no two units of one tier.
#[test]
fn what_is_said_of_the_largest_order_is_within_stripes_bounds_and_reads_back() {
    let units: Vec<_> =
        (0..PER_BUYER_LIMIT_MAX).map(|n| unit(&format!("{}{n:02}", "t".repeat(30)), 999_999 - n)).collect();
    let said = memo(units, &format!("{}@example.org", "é".repeat(150)), &"名".repeat(300));
    let signer = signer(&[OLD]);
    let fields = said.fields(order(1), &signer, kid(&signer));
    assert!(fields.len() + 3 <= 50, "{} keys", fields.len());
    assert!(
        fields.iter().all(|(key, value)| key.len() <= 40 && value.chars().count() <= VALUE_CHARS_MAX),
        "{fields:?}"
    );
    let fields: HashMap<_, _> = fields.into_iter().collect();
    assert_eq!(Memo::read(&fields, order(1), &signer), Some(said));
}

#[test]
fn a_contact_is_opened_by_its_key_for_its_order_and_otherwise_left_out() {
    let said = memo(vec![unit("ga", 0)], "ada@example.org", "Ada");
    let before = signer(&[OLD]);
    let fields = said.fields(order(1), &before, kid(&before));
    assert!(!fields.iter().any(|(_, value)| value.contains("ada") || value.contains("Ada")), "{fields:?}");
    let fields: HashMap<_, _> = fields.into_iter().collect();
    let nobody = Memo { contact: None, ..said.clone() };

    let rotated = signer(&[NEW, OLD]);
    assert_eq!(Memo::read(&fields, order(1), &rotated), Some(said));
    assert_eq!(Memo::read(&fields, order(2), &rotated), Some(nobody.clone()), "moved to another order");
    assert_eq!(Memo::read(&fields, order(1), &signer(&[NEW])), Some(nobody), "its key is gone");
}

#[test]
fn the_same_order_is_said_in_the_same_words_also_after_a_rotation() {
    let said = memo(vec![unit("ga", 0)], "ada@example.org", "Ada");
    let before = signer(&[OLD]);
    let first = said.fields(order(1), &before, kid(&before));
    assert_eq!(said.fields(order(1), &signer(&[NEW, OLD]), kid(&before)), first);
    assert_ne!(said.fields(order(2), &before, kid(&before)), first);
}

#[test]
fn what_was_edited_is_not_believed() {
    let signer = signer(&[OLD]);
    let said = memo(vec![unit("ga", 0)], "ada@example.org", "Ada").fields(order(1), &signer, kid(&signer));
    let edited = |key: &str, value: &str| {
        let mut fields: HashMap<_, _> = said.iter().cloned().collect();
        fields.insert(key.to_owned(), value.to_owned());
        Memo::read(&fields, order(1), &signer)
    };
    for (key, value) in [
        ("hold", "ord_1"),
        ("number", "0"),
        ("number", "x"),
        ("units", ""),
        ("units", "ga"),
        ("units", "ga:"),
        ("units", "ga:2-1"),
        ("units", "ga:0-4294967295"),
        ("units", "GA:1"),
    ] {
        assert_eq!(edited(key, value), None, "{key}={value}");
    }
    assert_eq!(edited("contact", "old.AAAA").map(|memo| memo.contact), Some(None));
}

proptest! {
    #[test]
    fn units_read_back(numbers in prop::collection::btree_set((0..3_u8, 0..60_u32), 1..60)) {
        let units: Vec<_> = numbers.into_iter().map(|(tier, number)| unit(&format!("tier{tier}"), number)).collect();
        prop_assert_eq!(units_of(&units_text(&units)), Some(units));
    }
}
