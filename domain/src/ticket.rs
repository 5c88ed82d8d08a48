//! The identity of a ticket and the bytes of its QR code.
//!
//! A ticket is named by what was paid for: UUIDv5 of (payment reference, tier, unit). The reference is the payment intent
//! or, for a free order, the order. However often a worker issues it, it is the same ticket.
//!
//! The QR code holds 107 bytes, Base45 encoded (RFC 9285) so that it fits QR's alphanumeric mode:
//!
//! | bytes | field |
//! |-------|-------|
//! | 1     | version, 1 |
//! | 8     | kid, ASCII, padded with zeros |
//! | 16    | ticket id |
//! | 16    | sale id |
//! | 2     | rotation, big-endian |
//! | 64    | Ed25519 signature of the 43 bytes before it |
//!
//! Ed25519 is deterministic: the bytes are fixed per rotation and kid, however often the ticket is sent.
//! `docs/ticket-format.md` says all of it for those who read tickets without us.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use secrecy::SecretString;
use uuid::Uuid;

use crate::ids::{SaleId, TicketId, TierId, UnitNo};
use crate::keyring::{Keyring, KeyringError, Kid};

pub mod base45;
pub mod manifest;

/// The namespace of ticket ids; it must never change.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_36f2_8f0b_4c52_9a0e_4b6f_2f5a_7c11);
const VERSION: u8 = 1;
const SIGNED_BYTES: usize = 1 + Kid::BYTES + 16 + 16 + 2;
const SIGNATURE_BYTES: usize = 64;

/// The id of the ticket for one unit of one payment.
#[must_use]
pub fn ticket_id(payment_reference: &str, tier: &TierId, unit: UnitNo) -> TicketId {
    let name = format!("{payment_reference}\n{tier}\n{unit}");
    TicketId::from_uuid(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
}

/// What a QR code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketPayload {
    /// The ticket.
    pub ticket: TicketId,
    /// Its sale.
    pub sale: SaleId,
    /// How often it was replaced.
    pub rotation: u16,
}

/// What a text says that one of our keys signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub payload: TicketPayload,
    /// The key that signed it. Whether it is the one that the ticket has is for the ledger to say: a key that leaked signs any.
    pub kid: Kid,
}

/// Why a scanned text is not one of our tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not Base45, or not the right length or version.
    #[error("not a ticket")]
    Shape,
    /// Signed with a key that we do not have.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("forged")]
    Forged,
}

/// Signs and verifies tickets with `ONSALE_TICKET_KEYS`.
pub struct TicketSigner {
    keys: Vec<(Kid, SigningKey)>,
}

impl fmt::Debug for TicketSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSigner")
    }
}

impl TicketSigner {
    /// A signer with these Ed25519 seeds, `kid:base64,…`: the first signs, all verify.
    ///
    /// # Errors
    /// The list is no list of keys.
    pub fn new(seeds: &SecretString) -> Result<Self, KeyringError> {
        let ring = Keyring::parse(seeds)?;
        Ok(Self { keys: ring.iter().map(|(kid, seed)| (kid, SigningKey::from_bytes(seed))).collect() })
    }

    /// The kid that new tickets get.
    #[must_use]
    pub fn kid(&self) -> Kid {
        self.signing().0
    }

    /// The public keys that scanners need.
    pub fn verifying_keys(&self) -> impl Iterator<Item = (Kid, VerifyingKey)> {
        self.keys.iter().map(|(kid, key)| (*kid, key.verifying_key()))
    }

    /// The text of the QR code of a ticket that was issued under `kid`; nothing when that key is gone.
    #[must_use]
    pub fn qr_text(&self, payload: &TicketPayload, kid: Kid) -> Option<String> {
        let (_, key) = self.keys.iter().find(|(other, _)| *other == kid)?;
        let mut bytes = signed_bytes(payload, kid).to_vec();
        bytes.extend_from_slice(&key.sign(&bytes).to_bytes());
        Some(base45::encode(&bytes))
    }

    /// What a scanned text says.
    ///
    /// # Errors
    /// It is no ticket, or not one of ours.
    pub fn verify(&self, text: &str) -> Result<Verified, TicketError> {
        let bytes = base45::decode(text).ok_or(TicketError::Shape)?;
        let (signed, signature) = bytes.split_first_chunk::<SIGNED_BYTES>().ok_or(TicketError::Shape)?;
        let signature: [u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| TicketError::Shape)?;
        let (kid, payload) = read(signed).ok_or(TicketError::Shape)?;
        let (_, key) = self.keys.iter().find(|(other, _)| *other == kid).ok_or(TicketError::UnknownKey)?;
        let signature = Signature::from_bytes(&signature);
        key.verifying_key().verify_strict(signed, &signature).map_err(|_| TicketError::Forged)?;
        Ok(Verified { payload, kid })
    }

    fn signing(&self) -> &(Kid, SigningKey) {
        self.keys.first().expect("a parsed keyring is never empty")
    }
}

fn signed_bytes(payload: &TicketPayload, kid: Kid) -> [u8; SIGNED_BYTES] {
    let mut bytes = [0; SIGNED_BYTES];
    bytes[0] = VERSION;
    bytes[1..9].copy_from_slice(&kid.bytes());
    bytes[9..25].copy_from_slice(payload.ticket.uuid().as_bytes());
    bytes[25..41].copy_from_slice(payload.sale.uuid().as_bytes());
    bytes[41..].copy_from_slice(&payload.rotation.to_be_bytes());
    bytes
}

fn read(bytes: &[u8; SIGNED_BYTES]) -> Option<(Kid, TicketPayload)> {
    let (version, rest) = bytes.split_first_chunk::<1>()?;
    let (kid, rest) = rest.split_first_chunk()?;
    let (ticket, rest) = rest.split_first_chunk()?;
    let (sale, rest) = rest.split_first_chunk()?;
    let payload = TicketPayload {
        ticket: TicketId::from_uuid(Uuid::from_bytes(*ticket)),
        sale: SaleId::from_uuid(Uuid::from_bytes(*sale)),
        rotation: u16::from_be_bytes(rest.try_into().ok()?),
    };
    (*version == [VERSION]).then_some((Kid::from_bytes(*kid)?, payload))
}

#[cfg(test)]
mod tests;
