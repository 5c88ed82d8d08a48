use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

fn signer(keys: &[(&str, u8)]) -> TicketSigner {
    let list: Vec<String> = keys.iter().map(|(kid, byte)| format!("{kid}:{}", STANDARD.encode([*byte; 32]))).collect();
    TicketSigner::new(&SecretString::from(list.join(","))).unwrap()
}

fn payload() -> TicketPayload {
    TicketPayload {
        ticket: ticket_id("pi_1", &"ga".parse().unwrap(), UnitNo(7)),
        sale: SaleId::from_uuid(Uuid::from_u128(1)),
        rotation: 0,
    }
}

#[test]
fn a_ticket_is_named_by_what_was_paid_for() {
    let ga: TierId = "ga".parse().unwrap();
    assert_eq!(ticket_id("pi_1", &ga, UnitNo(7)), ticket_id("pi_1", &ga, UnitNo(7)));
    assert_ne!(ticket_id("pi_1", &ga, UnitNo(7)), ticket_id("pi_1", &ga, UnitNo(8)));
    assert_ne!(ticket_id("pi_1", &ga, UnitNo(7)), ticket_id("pi_2", &ga, UnitNo(7)));
    assert_eq!(payload().ticket.to_string(), "tkt_d3b3f02cc15e50c787378a4e549002e0");
}

#[test]
fn a_qr_code_is_small_alphanumeric_and_always_the_same() {
    let signer = signer(&[("t1", 1)]);
    let text = signer.qr_text(&payload(), signer.kid()).unwrap();
    assert_eq!(text.len(), 161);
    assert_eq!(signer.qr_text(&payload(), signer.kid()).unwrap(), text);
    assert_eq!(signer.verify(&text), Ok(payload()));
}

#[test]
fn a_rotated_ticket_has_other_bytes() {
    let signer = signer(&[("t1", 1)]);
    let rotated = TicketPayload { rotation: 1, ..payload() };
    assert_ne!(signer.qr_text(&rotated, signer.kid()), signer.qr_text(&payload(), signer.kid()));
}

#[test]
fn an_old_ticket_keeps_its_kid_when_keys_rotate() {
    let (old, both) = (signer(&[("t1", 1)]), signer(&[("t2", 2), ("t1", 1)]));
    let text = old.qr_text(&payload(), old.kid()).unwrap();
    assert_eq!(both.verify(&text), Ok(payload()));
    assert_eq!(both.qr_text(&payload(), old.kid()).unwrap(), text);
    assert_eq!(signer(&[("t2", 2)]).verify(&text), Err(TicketError::UnknownKey));
}

#[test]
fn every_changed_bit_is_refused() {
    let signer = signer(&[("t1", 1)]);
    let bytes = base45::decode(&signer.qr_text(&payload(), signer.kid()).unwrap()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(signer.verify(&base45::encode(&changed)).is_err(), "bit {bit}");
    }
}

#[test]
fn base45_is_the_rfcs() {
    for (plain, text) in [("AB", "BB8"), ("Hello!!", "%69 VD92EX0"), ("base-45", "UJCLQE7W581"), ("ietf!", "QED8WEX0")]
    {
        assert_eq!(base45::encode(plain.as_bytes()), text);
        assert_eq!(base45::decode(text), Some(plain.as_bytes().to_vec()));
    }
    for bad in ["GGW", ":::", "a", "A", "::"] {
        assert_eq!(base45::decode(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn base45_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(base45::decode(&base45::encode(&bytes)), Some(bytes));
    }

    #[test]
    fn no_text_makes_verifying_panic(text in "[0-9A-Z $%*+./:-]{0,200}") {
        prop_assert!(signer(&[("t1", 1)]).verify(&text).is_err());
    }
}
