//! Base45 (RFC 9285): bytes in the alphabet of QR's alphanumeric mode.

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// The text of some bytes: three characters for two bytes, two for a last single one.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(2) * 3);
    for chunk in bytes.chunks(2) {
        let value = chunk.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
        let digits = [value % 45, value / 45 % 45, value / 45 / 45];
        text.extend(digits[..=chunk.len()].iter().map(|digit| char::from(ALPHABET[*digit])));
    }
    text
}

/// The bytes of a text, or nothing when it is no Base45.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.bytes().map(digit).collect::<Option<_>>()?;
    let mut bytes = Vec::with_capacity(digits.len() / 3 * 2 + 1);
    for chunk in digits.chunks(3) {
        let value = chunk.iter().rev().fold(0, |value, digit| value * 45 + digit);
        match chunk.len() {
            3 => bytes.extend_from_slice(&u16::try_from(value).ok()?.to_be_bytes()),
            2 => bytes.push(u8::try_from(value).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u32> {
    ALPHABET.iter().position(|other| *other == character).and_then(|index| u32::try_from(index).ok())
}
