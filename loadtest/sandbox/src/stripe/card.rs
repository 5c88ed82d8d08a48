//! Stripe's test cards, by number (as typed into the form) and by payment method name (as scripts use them).
//! Source: <https://docs.stripe.com/testing>. `pm_card_processing` is ours: Stripe has no card that stays in processing.
//!
//! A fingerprint says which payments were made with one card. At Stripe a test card is one card, whoever uses it; here everybody
//! has one of their own, as the crowds have that it stands for. Whoever is to use a card again names its owner:
//! `pm_card_visa_of_ada` is Ada's, each time.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// What a card does when it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// The bank says yes.
    Approves,
    /// The bank says no.
    Declines(Decline),
    /// The bank asks for 3-D Secure first, then does the other thing.
    Authenticates(Afterwards),
    /// The answer of the bank comes later, when the test says so.
    Processes,
}

/// What comes after 3-D Secure was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    Approves,
    Declines(Decline),
}

/// Why a bank says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decline {
    Generic,
    InsufficientFunds,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    /// 3-D Secure failed; not the bank's word, but it ends the attempt in the same way.
    AuthenticationFailed,
}

impl Decline {
    /// Stripe's `code`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Decline::Generic | Decline::InsufficientFunds => "card_declined",
            Decline::ExpiredCard => "expired_card",
            Decline::IncorrectCvc => "incorrect_cvc",
            Decline::ProcessingError => "processing_error",
            Decline::AuthenticationFailed => "payment_intent_authentication_failure",
        }
    }

    /// Stripe's `decline_code`.
    pub(super) fn decline_code(self) -> Option<&'static str> {
        match self {
            Decline::Generic => Some("generic_decline"),
            Decline::InsufficientFunds => Some("insufficient_funds"),
            Decline::ExpiredCard => Some("expired_card"),
            Decline::IncorrectCvc => Some("incorrect_cvc"),
            Decline::ProcessingError => Some("processing_error"),
            Decline::AuthenticationFailed => None,
        }
    }

    /// Stripe's `message`, meant for the buyer.
    pub(super) fn message(self) -> &'static str {
        match self {
            Decline::Generic => "Your card was declined.",
            Decline::InsufficientFunds => "Your card has insufficient funds.",
            Decline::ExpiredCard => "Your card has expired.",
            Decline::IncorrectCvc => "Your card's security code is incorrect.",
            Decline::ProcessingError => "An error occurred while processing your card. Try again in a little bit.",
            Decline::AuthenticationFailed => {
                "We are unable to authenticate your payment method. Please choose a different payment method and try again."
            }
        }
    }
}

/// One test card.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) number: &'static str,
    names: &'static [&'static str],
    pub(super) brand: &'static str,
    pub(super) behaviour: Behaviour,
}

impl Card {
    /// The card with this number; blanks between the digits do not matter.
    pub(super) fn by_number(number: &str) -> Option<&'static Card> {
        let digits: String = number.chars().filter(|character| !character.is_whitespace()).collect();
        CARDS.iter().find(|card| card.number == digits)
    }

    /// The card behind a payment method name such as `pm_card_visa`, or `pm_card_visa_of_ada`, with its fingerprint.
    pub(super) fn by_name(name: &str) -> Option<(&'static Card, String)> {
        let (name, owner) = name.split_once(OF).map_or((name, None), |(name, owner)| (name, Some(owner)));
        let card = CARDS.iter().find(|card| card.names.contains(&name))?;
        Some((card, owner.map_or_else(fingerprint, |owner| card.fingerprint_of(owner))))
    }

    /// Letters and digits, as many as Stripe's have.
    fn fingerprint_of(&self, owner: &str) -> String {
        let hash = Sha256::new().chain_update(self.number).chain_update(owner).finalize();
        hash.iter().take(FINGERPRINT_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What a receipt may show.
    pub(super) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }
}

/// The fingerprint of a card that nobody used before.
pub(super) fn fingerprint() -> String {
    Uuid::new_v4().simple().to_string()[..2 * FINGERPRINT_BYTES].to_owned()
}

/// What comes between the name of a card and its owner.
const OF: &str = "_of_";

/// Half the letters of a fingerprint.
const FINGERPRINT_BYTES: usize = 8;

const CARDS: [Card; 12] = [
    visa("4242424242424242", &["pm_card_visa", "pm_card_us"], Behaviour::Approves),
    Card {
        number: "5555555555554444",
        names: &["pm_card_mastercard"],
        brand: "mastercard",
        behaviour: Behaviour::Approves,
    },
    Card { number: "378282246310005", names: &["pm_card_amex"], brand: "amex", behaviour: Behaviour::Approves },
    visa(
        "4000000000000002",
        &["pm_card_chargeDeclined", "pm_card_visa_chargeDeclined"],
        Behaviour::Declines(Decline::Generic),
    ),
    visa(
        "4000000000009995",
        &["pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds"],
        Behaviour::Declines(Decline::InsufficientFunds),
    ),
    visa(
        "4000000000000069",
        &["pm_card_chargeDeclinedExpiredCard", "pm_card_visa_chargeDeclinedExpiredCard"],
        Behaviour::Declines(Decline::ExpiredCard),
    ),
    visa(
        "4000000000000127",
        &["pm_card_chargeDeclinedIncorrectCvc", "pm_card_visa_chargeDeclinedIncorrectCvc"],
        Behaviour::Declines(Decline::IncorrectCvc),
    ),
    visa(
        "4000000000000119",
        &["pm_card_chargeDeclinedProcessingError", "pm_card_visa_chargeDeclinedProcessingError"],
        Behaviour::Declines(Decline::ProcessingError),
    ),
    visa("4000002500003155", &["pm_card_authenticationRequired"], Behaviour::Authenticates(Afterwards::Approves)),
    visa("4000002760003184", &["pm_card_threeDSecure2Required"], Behaviour::Authenticates(Afterwards::Approves)),
    visa(
        "4000008400001629",
        &["pm_card_threeDSecureRequiredChargeDeclined"],
        Behaviour::Authenticates(Afterwards::Declines(Decline::Generic)),
    ),
    visa("4000000000000010", &["pm_card_processing"], Behaviour::Processes),
];

const fn visa(number: &'static str, names: &'static [&'static str], behaviour: Behaviour) -> Card {
    Card { number, names, brand: "visa", behaviour }
}
