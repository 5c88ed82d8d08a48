use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// What `docs/ticket-format.md` explains. Python's `cryptography` wrote it.
const EXAMPLE: &str = include_str!("../../../docs/ticket-example.json");

fn signer(keys: &[(&str, u8)]) -> TicketSigner {
    let list: Vec<String> = keys.iter().map(|(kid, byte)| format!("{kid}:{}", STANDARD.encode([*byte; 32]))).collect();
    TicketSigner::new(&SecretString::from(list.join(","))).unwrap()
}

/// What verifying says of a text that it signed with its `kid`.
fn verified(payload: TicketPayload, kid: Kid) -> Result<Verified, TicketError> {
    Ok(Verified { payload, kid })
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
    assert_eq!(signer.verify(&text), verified(payload(), signer.kid()));
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
    assert_eq!(both.verify(&text), verified(payload(), old.kid()), "and says which it was");
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
fn every_changed_bit_of_the_text_is_refused() {
    let signer = signer(&[("t1", 1)]);
    let text = signer.qr_text(&payload(), signer.kid()).unwrap();
    for bit in 0..text.len() * 8 {
        let mut changed = text.clone().into_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        // A scanner hands over characters; what is no UTF-8 cannot be one.
        let Ok(changed) = String::from_utf8(changed) else { continue };
        assert!(signer.verify(&changed).is_err(), "bit {bit}");
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// A signer with the keys of the example, and the example.
fn documented() -> (TicketSigner, Value) {
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let keys = example["keys"].as_array().unwrap().iter();
    let seeds: Vec<String> = keys.map(|key| format!("{}:{}", text(key, "kid"), text(key, "seed"))).collect();
    (TicketSigner::new(&SecretString::from(seeds.join(","))).unwrap(), example)
}

#[test]
fn the_documented_tickets_are_what_we_issue() {
    let (signer, example) = documented();
    let kids: Vec<_> = signer.verifying_keys().collect();
    for (key, (kid, public)) in example["keys"].as_array().unwrap().iter().zip(&kids) {
        assert_eq!((text(key, "kid"), text(key, "public_key")), (&*kid.to_string(), &*URL_SAFE_NO_PAD.encode(public)));
    }
    let tickets = example["tickets"].as_array().unwrap();
    assert!(tickets.len() >= 5);
    for ticket in tickets {
        let unit = UnitNo(ticket["unit"].as_u64().unwrap().try_into().unwrap());
        let payload = TicketPayload {
            ticket: ticket_id(text(ticket, "payment_reference"), &text(ticket, "tier").parse().unwrap(), unit),
            sale: text(ticket, "sale").parse().unwrap(),
            rotation: ticket["rotation"].as_u64().unwrap().try_into().unwrap(),
        };
        assert_eq!(payload.ticket.to_string(), text(ticket, "ticket"));
        let (kid, _) = kids.iter().find(|(kid, _)| kid.to_string() == text(ticket, "kid")).unwrap();
        assert_eq!(signer.qr_text(&payload, *kid).unwrap(), text(ticket, "text"));
        assert_eq!(hex::encode(base45::decode(text(ticket, "text")).unwrap()), text(ticket, "bytes"));
        assert_eq!(signer.verify(text(ticket, "text")), verified(payload, *kid));
    }
}

#[test]
fn what_the_documentation_refuses_is_refused_for_its_reason() {
    let (signer, example) = documented();
    for refused in example["refused"].as_array().unwrap() {
        let why = match signer.verify(text(refused, "text")).unwrap_err() {
            TicketError::Shape => "shape",
            TicketError::UnknownKey => "unknown_key",
            TicketError::Forged => "forged",
        };
        assert_eq!(why, text(refused, "why"), "{}", text(refused, "about"));
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
