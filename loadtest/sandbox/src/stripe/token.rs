//! Confirmation tokens: a buyer's card, good for one payment.

use super::card::Card;

/// A confirmation token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) id: String,
    pub(super) card: &'static Card,
    pub(super) method: String,
    /// Stripe's word for the number on the card.
    pub(super) fingerprint: String,
    pub(super) created: i64,
    pub(super) return_url: Option<String>,
    pub(super) used_by: Option<String>,
}
