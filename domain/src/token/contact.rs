//! Names and addresses that leave the house sealed.
//!
//! `kid.base64url(nonce ‖ ciphertext ‖ tag)`, ChaCha20-Poly1305 under a key of its own for this use (HMAC-SHA256 of the signing
//! key), with the order's id as associated data: moved to another order, it does not open. The nonce is made of the order and of
//! what is sealed, by another key: the same contact of the same order gives the same text, as a call that is repeated under its
//! idempotency key must, and no two different ones share a nonce but by chance of 2⁻⁹⁶.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{Signer, mac};
use crate::ids::OrderId;
use crate::keyring::{KEY_BYTES, Kid};
use crate::memo::Contact;

const SEAL: &[u8] = b"onsale contact seal 1";
const NONCE: &[u8] = b"onsale contact nonce 1";
/// Between address and name: neither has control characters.
const BETWEEN: char = '\n';

impl Signer {
    /// The name of the key that signs.
    #[must_use]
    pub fn kid(&self) -> Kid {
        self.0.signing().0
    }

    /// Seals a contact for its order with the key of that name; none when there is no such key.
    #[must_use]
    pub fn seal_contact(&self, kid: Kid, order: OrderId, contact: &Contact) -> Option<String> {
        let key = self.0.find(kid)?;
        let mut bytes = format!("{}{BETWEEN}{}", contact.email, contact.name).into_bytes();
        let nonce = nonce(key, order, &bytes);
        let sealing = sealing_key(key);
        let aad = Aad::from(*order.uuid().as_bytes());
        sealing.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes).ok()?;
        Some(format!("{kid}.{}", URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat())))
    }

    /// The contact that was sealed for that order; none when it was not, or its key is gone.
    #[must_use]
    pub fn open_contact(&self, order: OrderId, sealed: &str) -> Option<Contact> {
        let (name, encoded) = sealed.split_once('.')?;
        let (_, key) = self.0.iter().find(|(kid, _)| kid.to_string() == name)?;
        let mut bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let aad = Aad::from(*order.uuid().as_bytes());
        let opened = sealing_key(key).open_in_place(Nonce::assume_unique_for_key(*nonce), aad, sealed).ok()?;
        let (email, name) = std::str::from_utf8(opened).ok()?.split_once(BETWEEN)?;
        Some(Contact { email: email.to_owned(), name: name.to_owned() })
    }
}

fn sealing_key(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    let derived = mac(key, SEAL).finalize().into_bytes();
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &derived).expect("the key has the algorithm's length"))
}

fn nonce(key: &[u8; KEY_BYTES], order: OrderId, bytes: &[u8]) -> [u8; NONCE_LEN] {
    let nonces = mac(key, NONCE).finalize().into_bytes();
    let digest = mac(&nonces, &[order.uuid().as_bytes(), bytes].concat()).finalize().into_bytes();
    digest[..NONCE_LEN].try_into().expect("a MAC is longer than a nonce")
}
