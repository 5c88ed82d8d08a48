//! Proof of work at joining: a nonce that makes a hash begin with zero bits.
//!
//! The visitor is given a challenge ([`crate::token::ChallengeToken`], signed, bound to sale and holder, expiring) and
//! looks for a nonce such that SHA-256 of `challenge:nonce`, both as the text that is sent, begins with at least the
//! asked number of zero bits. Each bit doubles the expected work, 2^bits hashes; checking takes one hash whatever the
//! bits. The challenge's text has a fixed alphabet without a colon, so the two texts cannot be shifted against each
//! other.
//!
//! What it does not do: the signature, the expiry and that a proof opens one place only are the caller's to check.

use sha2::{Digest as _, Sha256};

/// The longest nonce that is looked at: a counter has far fewer digits.
pub const NONCE_BYTES_MAX: usize = 64;

/// How many zero bits SHA-256 of `challenge:nonce` begins with.
#[must_use]
pub fn leading_zero_bits(challenge_text: &str, nonce: &str) -> u32 {
    let digest = Sha256::new().chain_update(challenge_text).chain_update(":").chain_update(nonce).finalize();
    let zero_bytes = digest.iter().take_while(|byte| **byte == 0).count();
    let next_byte = digest.get(zero_bytes).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zero_bytes).expect("a digest has 32 bytes") * u8::BITS + next_byte
}

/// Whether a nonce proves the work.
#[must_use]
pub fn verify(challenge_text: &str, nonce: &str, bits: u8) -> bool {
    nonce.len() <= NONCE_BYTES_MAX && leading_zero_bits(challenge_text, nonce) >= u32::from(bits)
}

#[cfg(test)]
mod tests;
