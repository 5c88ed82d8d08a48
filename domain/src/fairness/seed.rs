//! The secret that an order is drawn from.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// 256 secret bits, made when a sale is published and revealed after its draw. Its hash is the commitment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// What is published before anybody can register: SHA-256 of the seed.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

/// Says nothing of what is in it: a seed that reached a log before its draw would be a known order.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}
