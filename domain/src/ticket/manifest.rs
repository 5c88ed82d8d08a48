//! What scanners are told: tickets to refuse though they verify, packed and signed.
//!
//! Each is 14 bytes, in the order of the ids: the first 12 bytes of the ticket's id, and the first rotation that is still good, big-endian,
//! [`VOID`] where none is. 96 bits of a hash tell tickets apart as surely as 128, and 100,000 of them stay below 2 MB in base64.
//!
//! Signed is the text of a manifest behind [`LABEL`], which no ticket begins with, by every key that verifies tickets: a scanner takes a
//! manifest that a key signed which it knew before, so new keys reach it, and nobody else's.

use ed25519_dalek::{Signature, Signer as _};

use super::TicketSigner;
use crate::ids::TicketId;
use crate::keyring::Kid;

/// What the signed bytes begin with.
pub const LABEL: &[u8] = b"onsale manifest 1\n";
/// Stands for no rotation; the last rotation there is, is one below it.
pub const VOID: u16 = u16::MAX;
/// The last rotation of a ticket.
pub const ROTATION_MAX: u16 = VOID - 1;

const ID_BYTES: usize = 12;
/// How long an entry is.
pub const ENTRY_BYTES: usize = ID_BYTES + 2;

/// Tickets to refuse, each with its first good rotation, as one block of bytes.
#[must_use]
pub fn packed(closed: impl IntoIterator<Item = (TicketId, Option<u16>)>) -> Vec<u8> {
    let entry = |(ticket, first_good): (TicketId, Option<u16>)| {
        let mut entry = [0; ENTRY_BYTES];
        entry[..ID_BYTES].copy_from_slice(&ticket.uuid().as_bytes()[..ID_BYTES]);
        entry[ID_BYTES..].copy_from_slice(&first_good.unwrap_or(VOID).to_be_bytes());
        entry
    };
    let mut entries: Vec<_> = closed.into_iter().map(entry).collect();
    entries.sort_unstable();
    entries.concat()
}

impl TicketSigner {
    /// The signatures of a manifest, one by each key, the first of them by the key that signs tickets now.
    #[must_use]
    pub fn sign_manifest(&self, text: &str) -> Vec<(Kid, [u8; 64])> {
        let message = [LABEL, text.as_bytes()].concat();
        self.keys.iter().map(|(kid, key)| (*kid, key.sign(&message).to_bytes())).collect()
    }

    /// Whether a key of ours signed a manifest.
    #[must_use]
    pub fn verifies_manifest(&self, text: &str, kid: Kid, signature: &[u8; 64]) -> bool {
        let message = [LABEL, text.as_bytes()].concat();
        let key = self.keys.iter().find(|(other, _)| *other == kid);
        key.is_some_and(|(_, key)| {
            key.verifying_key().verify_strict(&message, &Signature::from_bytes(signature)).is_ok()
        })
    }
}

#[cfg(test)]
mod tests;
