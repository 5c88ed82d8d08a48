//! Stripe's signature scheme `v1`: HMAC-SHA256 over `{t}.{raw body}`, in the header `Stripe-Signature: t=…,v1=…`.
//!
//! Every `v1` is tried against every secret, because Stripe sends several while a secret is being rolled. Comparison is
//! constant in time, and no candidate ends the search early. Bounds: [`HEADER_BYTES_MAX`], [`SIGNATURES_MAX`]: a forger
//! cannot make us hash more than a handful of times for each secret.
//!
//! Source: Stripe's documentation, "Verify webhook signatures manually".

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// How far the signed time may be from ours, in either direction: Stripe's own libraries allow five minutes.
pub const TOLERANCE_S: i64 = 300;

/// Longest header read. Stripe's has under 200 bytes, one more `v1` adds 68.
const HEADER_BYTES_MAX: usize = 2048;

/// Most `v1` signatures tried. Stripe sends one for each active secret, two while rolling.
const SIGNATURES_MAX: usize = 8;

/// Bytes of an HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The header has no readable time, or is far too long.
    #[error("the signature header is malformed")]
    Malformed,
    /// The header has no readable `v1` signature.
    #[error("the signature header has no v1 signature")]
    Unsigned,
    /// Signed too long ago: a replay, or a clock that is off.
    #[error("the signature is too old")]
    TooOld,
    /// Signed in the future.
    #[error("the signature is from the future")]
    FromTheFuture,
    /// No signature fits any secret.
    #[error("no signature matches")]
    Mismatch,
}

/// Proves that `raw` was signed with one of `secrets` at a time near `now`. `header` is the value of `Stripe-Signature`.
///
/// # Errors
/// [`BadSignature`]. The time is judged after the signature, so that only a true signer is told about clocks.
pub fn verify(raw: &[u8], header: &str, secrets: &[SecretString], now: Timestamp) -> Result<(), BadSignature> {
    let header = Header::parse(header)?;
    if !bool::from(header.matches_any(raw, secrets)) {
        return Err(BadSignature::Mismatch);
    }
    match header.signed_at_s.saturating_sub(now.as_second()) {
        ahead_s if ahead_s < -TOLERANCE_S => Err(BadSignature::TooOld),
        ahead_s if ahead_s > TOLERANCE_S => Err(BadSignature::FromTheFuture),
        _ => Ok(()),
    }
}

struct Header<'a> {
    /// The time as it was written: these bytes are signed, not the number they mean.
    signed_at: &'a str,
    signed_at_s: i64,
    signatures: Vec<[u8; SIGNATURE_BYTES]>,
}

impl<'a> Header<'a> {
    fn parse(header: &'a str) -> Result<Self, BadSignature> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(BadSignature::Malformed);
        }
        let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
        let (_, signed_at) = fields().find(|(name, _)| *name == "t").ok_or(BadSignature::Malformed)?;
        let signed_at_s = signed_at.parse().map_err(|_| BadSignature::Malformed)?;
        let signatures: Vec<_> = fields()
            .filter(|(name, _)| *name == "v1")
            .take(SIGNATURES_MAX)
            .filter_map(|(_, hex)| decode(hex))
            .collect();
        if signatures.is_empty() {
            return Err(BadSignature::Unsigned);
        }
        Ok(Self { signed_at, signed_at_s, signatures })
    }

    fn matches_any(&self, raw: &[u8], secrets: &[SecretString]) -> Choice {
        secrets.iter().fold(Choice::from(0), |found, secret| {
            let expected = self.expected(raw, secret);
            self.signatures.iter().fold(found, |found, signature| found | expected.ct_eq(signature))
        })
    }

    fn expected(&self, raw: &[u8], secret: &SecretString) -> [u8; SIGNATURE_BYTES] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
        mac.update(self.signed_at.as_bytes());
        mac.update(b".");
        mac.update(raw);
        mac.finalize().into_bytes().into()
    }
}

fn decode(hex: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let mut signature = [0; SIGNATURE_BYTES];
    hex::decode_to_slice(hex, &mut signature).ok().map(|()| signature)
}

#[cfg(test)]
mod tests;
