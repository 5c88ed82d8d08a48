use super::*;

fn parse(list: &str) -> Result<Keyring, KeyringError> {
    Keyring::parse(&SecretString::from(list))
}

fn key(byte: u8) -> String {
    STANDARD.encode([byte; KEY_BYTES])
}

#[test]
fn the_first_key_signs_and_all_are_found() {
    let ring = parse(&format!("new:{}, old:{}", key(1), key(2))).unwrap_or_else(|e| panic!("{e}"));
    let (kid, signing) = ring.signing();
    assert_eq!((kid.to_string().as_str(), *signing), ("new", [1; KEY_BYTES]));
    let old = Kid::from_text("old").unwrap();
    assert_eq!(ring.find(old), Some(&[2; KEY_BYTES]));
    assert_eq!(ring.find(Kid::from_text("other").unwrap()), None);
}

#[test]
fn a_faulty_entry_is_named_by_its_place() {
    for (list, error) in [
        (String::new(), KeyringError::Empty),
        (" , ".into(), KeyringError::Empty),
        ("nokey".into(), KeyringError::Shape(1)),
        (format!("a:{},much2long:{}", key(1), key(2)), KeyringError::Kid(2)),
        (format!(":{}", key(1)), KeyringError::Kid(1)),
        (format!("a-b:{}", key(1)), KeyringError::Kid(1)),
        ("a:AAAA".into(), KeyringError::Key(1)),
        ("a:!".into(), KeyringError::Key(1)),
        (format!("a:{},a:{}", key(1), key(2)), KeyringError::Duplicate(2)),
    ] {
        assert_eq!(parse(&list).err(), Some(error), "{list}");
    }
}

#[test]
fn a_field_holds_one_kid_in_one_way() {
    assert!(Kid::from_bytes(*b"k1\0\0\0\0\0\0").is_some());
    for bytes in [*b"\0\0\0\0\0\0\0\0", *b"k\x001\0\0\0\0\0", *b"k-\0\0\0\0\0\0"] {
        assert_eq!(Kid::from_bytes(bytes), None);
    }
}

#[test]
fn a_key_of_an_example_is_told_from_one_that_was_drawn() {
    let counted: [u8; KEY_BYTES] = std::array::from_fn(|index| u8::try_from(index).unwrap());
    let drawn: [u8; KEY_BYTES] = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(b"x")).into();
    let list = format!("same:{},counted:{},drawn:{}", key(7), STANDARD.encode(counted), STANDARD.encode(drawn));
    let found: Vec<String> =
        guessable(&SecretString::from(list)).unwrap().into_iter().map(|kid| kid.to_string()).collect();
    assert_eq!(found, ["same", "counted"]);
}
