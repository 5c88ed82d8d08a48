//! Which payments of a sale were made with one card, without knowing the card.
//!
//! Stripe gives every card number a word of its own in each account, its fingerprint. What is kept is a hash of that word and the
//! sale: enough to count what one card bought in one sale, and nothing that leads from one sale to another. The word has some 95
//! random bits, so the hash needs no secret, and keys can change while a sale goes on.
//!
//! What it does not do: a wallet may show a number that it made for one device or one payment, so one card may have several
//! fingerprints, and what is paid with them is counted as if there were several cards.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::SaleId;

/// A card as one sale knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CardPrint([u8; 32]);

impl CardPrint {
    /// The card of that fingerprint, in that sale.
    #[must_use]
    pub fn of(sale: SaleId, fingerprint: &str) -> Self {
        let hash = Sha256::new().chain_update("onsale card").chain_update(sale.uuid()).chain_update(fingerprint);
        Self(hash.finalize().into())
    }

    /// What is stored.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a payment was made with, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaidWith {
    /// A card.
    Card(CardPrint),
    /// Anything else: it has no fingerprint.
    Other,
}

impl PaidWith {
    /// What is stored: nothing in it for what is no card.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Card(card) => card.bytes(),
            Self::Other => &[],
        }
    }
}
