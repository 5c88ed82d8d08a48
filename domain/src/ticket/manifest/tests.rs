use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use uuid::Uuid;

use super::*;

fn ticket(number: u128) -> TicketId {
    TicketId::from_uuid(Uuid::from_u128(number << 32))
}

#[test]
fn entries_are_in_order_and_say_which_rotation_is_good() {
    let packed = packed([(ticket(2), None), (ticket(1), Some(3))]);
    assert_eq!(hex::encode(packed), concat!("000000000000000000000001", "0003", "000000000000000000000002", "ffff"));
}

#[test]
fn all_of_the_largest_sale_fit_into_two_megabytes() {
    let all = packed((0..u128::from(crate::sale::UNITS_MAX)).map(|number| (ticket(number), None)));
    assert!(URL_SAFE_NO_PAD.encode(all).len() < 1_900_000);
}

#[test]
fn every_key_signs_and_no_signature_is_a_tickets() {
    let keys = |list: &[(&str, u8)]| {
        let list: Vec<_> = list.iter().map(|(kid, byte)| format!("{kid}:{}", STANDARD.encode([*byte; 32]))).collect();
        TicketSigner::new(&SecretString::from(list.join(","))).unwrap()
    };
    let (both, old) = (keys(&[("t2", 2), ("t1", 1)]), keys(&[("t1", 1)]));
    let signatures = both.sign_manifest("{}");
    assert_eq!(signatures.iter().map(|(kid, _)| kid.to_string()).collect::<Vec<_>>(), ["t2", "t1"]);
    let (kid, by_old) = signatures[1];
    assert!(old.verifies_manifest("{}", kid, &by_old), "who knows the old key alone takes it");
    assert!(!old.verifies_manifest("{ }", kid, &by_old));
    assert!(!old.verifies_manifest("{}", signatures[0].0, &signatures[0].1), "a key it does not know");
    assert_ne!(LABEL[0], 1, "the first byte of a ticket is its version");
}
