use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::sale::PhaseNo;

fn signer(keys: &[(&str, u8)]) -> Signer {
    let list: Vec<String> = keys.iter().map(|(kid, byte)| format!("{kid}:{}", STANDARD.encode([*byte; 32]))).collect();
    Signer::new(&SecretString::from(list.join(","))).unwrap()
}

fn sale(n: u128) -> SaleId {
    SaleId::from_uuid(Uuid::from_u128(n))
}

fn place() -> PlaceToken {
    PlaceToken {
        sale: sale(1),
        epoch: 2,
        spot: Spot::Number(PlaceNumber(3)),
        allowance: Allowance::Usual,
        holder: Holder::of_secret(b"me"),
    }
}

fn receipt() -> Receipt {
    Receipt {
        sale: sale(1),
        hold: HoldId::from_uuid(Uuid::from_u128(2)),
        epoch: 3,
        number: PlaceNumber(4),
        expires_at: Timestamp::from_millisecond(1_790_000_000_123).unwrap(),
        units: vec![("ga".parse().unwrap(), UnitNo(7)), ("stalls".parse().unwrap(), UnitNo(0))],
    }
}

#[test]
fn a_token_says_what_was_signed() {
    let signer = signer(&[("k1", 1)]);
    assert_eq!(signer.verify_place(&signer.sign_place(&place())), Ok(place()));
    assert_eq!(signer.verify_receipt(&signer.sign_receipt(&receipt())), Ok(receipt()));
    let pass = PassToken {
        sale: sale(1),
        number: PlaceNumber(9),
        allowance: Allowance::MoreTime,
        holder: place().holder,
        granted_at: receipt().expires_at,
    };
    assert_eq!(signer.verify_pass(&signer.sign_pass(&pass)), Ok(pass));
    let more_time = PlaceToken {
        spot: Spot::Registration { phase: PhaseNo(2), index: u32::MAX },
        allowance: Allowance::MoreTime,
        ..place()
    };
    assert_eq!(signer.verify_place(&signer.sign_place(&more_time)), Ok(more_time));
    let challenge = ChallengeToken {
        sale: sale(1),
        holder: place().holder,
        bits: 18,
        expires_at: receipt().expires_at,
        salt: [7; 16],
    };
    assert_eq!(signer.verify_challenge(&signer.sign_challenge(&challenge)), Ok(challenge));
    for proof in [EntryProof::Joined, EntryProof::Mailed] {
        let entry = EntryToken { sale: sale(1), entry: EntryId::from_uuid(Uuid::from_u128(6)), proof };
        assert_eq!(signer.verify_entry(&signer.sign_entry(&entry)), Ok(entry));
    }
    let order = OrderToken { sale: sale(1), order: OrderId::from_uuid(Uuid::from_u128(5)) };
    assert_eq!(signer.verify_order(&signer.sign_order(&order)), Ok(order));
}

#[test]
fn place_tokens_are_all_of_one_length() {
    let signer = signer(&[("k1", 1)]);
    let spots = [
        Spot::Number(PlaceNumber(1)),
        Spot::Number(PlaceNumber(u64::MAX)),
        Spot::Registration { phase: PhaseNo(0), index: 0 },
    ];
    let lengths = spots.map(|spot| signer.sign_place(&PlaceToken { spot, ..place() }).len());
    assert_eq!(lengths, [123; 3]);
}

/// Signed with our key, and still no token: a spot of no kind, a number with a phase, an index beyond 32 bits, an allowance
/// that there is not. A pass with a place's body is none either.
#[test]
fn a_body_with_another_writing_is_no_token() {
    struct Raw(Vec<u8>);
    impl Token for Raw {
        const PREFIX: &'static str = PlaceToken::PREFIX;
        const KIND: u8 = PlaceToken::KIND;
        fn write(&self, body: &mut Writer) {
            body.raw(&self.0);
        }
        fn read(_: &mut Reader<'_>) -> Option<Self> {
            None
        }
    }
    let signer = signer(&[("k1", 1)]);
    let mut body = Writer::default();
    place().write(&mut body);
    let body = body.as_slice();
    let signed = |at: usize, byte: u8| {
        let mut body = body.to_vec();
        body[at] = byte;
        signer.verify_place(&signer.sign(&Raw(body)))
    };
    let (kind, phase, high, allowance) = (20, 21, 22, 30);
    assert_eq!(signed(kind, 0), Ok(place()), "nothing was changed");
    for (at, byte) in [(kind, 2), (phase, 1), (allowance, 2)] {
        assert_eq!(signed(at, byte), Err(TokenError), "byte {at}");
    }
    let mut wide = body.to_vec();
    (wide[kind], wide[high]) = (1, 1);
    assert_eq!(signer.verify_place(&signer.sign(&Raw(wide))), Err(TokenError));
}

#[test]
fn more_time_is_three_times_as_much() {
    assert_eq!((Allowance::Usual.factor(), Allowance::MoreTime.factor()), (1, 3));
    assert_eq!(Allowance::default(), Allowance::Usual);
}

#[test]
fn an_artefact_token_is_no_order_token_even_under_its_prefix() {
    let signer = signer(&[("k1", 1)]);
    let artefact =
        signer.sign_artefact(&ArtefactToken { sale: sale(1), order: OrderId::from_uuid(Uuid::from_u128(5)) });
    let dressed_up = artefact.replace("art_", "ort_");
    assert_eq!(signer.verify_order(&dressed_up), Err(TokenError));
}

#[test]
fn keys_rotate() {
    let (old, both, new) = (signer(&[("a", 1)]), signer(&[("b", 2), ("a", 1)]), signer(&[("b", 2)]));
    let text = old.sign_place(&place());
    assert_eq!(both.verify_place(&text), Ok(place()));
    assert_eq!(new.verify_place(&text), Err(TokenError));
    assert_eq!(old.verify_place(&both.sign_place(&place())), Err(TokenError));
}

#[test]
fn every_changed_bit_and_every_cut_is_noticed() {
    let signer = signer(&[("k1", 1)]);
    let text = signer.sign_place(&place());
    let bytes = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let text = format!("plc_{}", URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(signer.verify_place(&text), Err(TokenError), "bit {bit}");
    }
    for length in 0..text.len() {
        assert_eq!(signer.verify_place(&text[..length]), Err(TokenError), "{length} characters");
    }
}

proptest! {
    #[test]
    fn no_text_makes_verifying_panic(text in ".{0,300}") {
        let signer = signer(&[("k1", 1)]);
        prop_assert_eq!(signer.verify_receipt(&format!("rcp_{text}")), Err(TokenError));
    }
}
