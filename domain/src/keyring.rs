//! Keys by name, for rotation: the first signs, all verify.
//!
//! Read from `kid:base64,kid:base64,…`. A kid is 1 to 8 of `A-Za-z0-9`, so that it fits the fixed field that tokens and
//! tickets reserve for it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

/// The name of a key, padded with zeros to its field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kid([u8; Self::BYTES]);

/// How long a key is: 256 bits, for HMAC-SHA256 and for an Ed25519 seed alike.
pub const KEY_BYTES: usize = 32;

/// Why a list of keys cannot be used. Says which entry, never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is no key at all.
    #[error("needs at least one kid:base64")]
    Empty,
    /// An entry has no colon.
    #[error("entry {0} is not kid:base64")]
    Shape(usize),
    /// An entry's kid is too long or has other characters.
    #[error("entry {0}: the kid must be 1 to 8 of A-Z, a-z, 0-9")]
    Kid(usize),
    /// An entry's key is not 32 bytes of base64.
    #[error("entry {0}: the key must be 32 bytes in base64")]
    Key(usize),
    /// Two entries have one kid.
    #[error("entry {0}: its kid appears twice")]
    Duplicate(usize),
}

impl Kid {
    /// The field's size.
    pub const BYTES: usize = 8;

    /// The field as bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// The kid in a field, if it is one.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let length = bytes.iter().position(|b| *b == 0).unwrap_or(Self::BYTES);
        let (name, padding) = bytes.split_at(length);
        let fits = !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric) && padding.iter().all(|b| *b == 0);
        fits.then_some(Self(bytes))
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.len() > Self::BYTES {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::str::from_utf8(&self.0).expect("a kid is made of ASCII only");
        f.write_str(text.trim_end_matches('\0'))
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The keys of one purpose.
pub(crate) struct Keyring(Vec<(Kid, Zeroizing<[u8; KEY_BYTES]>)>);

impl Keyring {
    pub(crate) fn parse(list: &SecretString) -> Result<Self, KeyringError> {
        let mut keys: Vec<(Kid, _)> = Vec::new();
        let entries = list.expose_secret().split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let place = index + 1;
            let (kid, key) = entry.split_once(':').ok_or(KeyringError::Shape(place))?;
            let kid = Kid::from_text(kid).ok_or(KeyringError::Kid(place))?;
            if keys.iter().any(|(other, _)| *other == kid) {
                return Err(KeyringError::Duplicate(place));
            }
            let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| KeyringError::Key(place))?);
            let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| KeyringError::Key(place))?;
            keys.push((kid, Zeroizing::new(key)));
        }
        if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(Self(keys)) }
    }

    pub(crate) fn signing(&self) -> (Kid, &[u8; KEY_BYTES]) {
        let (kid, key) = self.0.first().expect("a parsed keyring is never empty");
        (*kid, key)
    }

    pub(crate) fn find(&self, kid: Kid) -> Option<&[u8; KEY_BYTES]> {
        self.iter().find_map(|(other, key)| (other == kid).then_some(key))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Kid, &[u8; KEY_BYTES])> {
        self.0.iter().map(|(kid, key)| (*kid, &**key))
    }
}

/// The fewest different bytes in a key of 32 that somebody drew by chance: it has fewer once in 10^20.
const DIFFERENT_MIN: usize = 16;

/// The keys of a list that nobody drew by chance, by name: made of a few bytes, or counted up, as in examples and tests.
///
/// # Errors
/// The list is no list of keys.
pub fn guessable(list: &SecretString) -> Result<Vec<Kid>, KeyringError> {
    let ring = Keyring::parse(list)?;
    Ok(ring.iter().filter(|(_, key)| is_guessable(key)).map(|(kid, _)| kid).collect())
}

fn is_guessable(key: &[u8; KEY_BYTES]) -> bool {
    let different = key.iter().collect::<std::collections::BTreeSet<_>>().len();
    let step = key[1].wrapping_sub(key[0]);
    let counted = key.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    different < DIFFERENT_MIN || counted
}

#[cfg(test)]
mod tests;
