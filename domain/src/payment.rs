//! The states of a payment, and what Stripe said of it.
//!
//! A payment is one attempt to pay an order: at most one PaymentIntent. Events reach us late, twice and out of order, so
//! a payment is not moved by events but *merged* with what they say ([`PaymentState::merge`]): a state never goes back.
//!
//! rank: planned < requires_action < processing < authorised < captured; `failed` and `cancelled` end a payment from
//! any state below captured. Two contradictions are not decided here but by asking Stripe ([`Merge::AskStripe`]): a
//! cancellation of captured money, and money on a payment that we believe failed or cancelled.
//!
//! How long payments take, and what follows for holds: [`latency`]. What one card bought: [`card`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, SaleId};
use crate::money::Money;

pub mod card;
pub mod latency;

pub use card::{CardPrint, PaidWith};

/// How long an order waits for its payment once Pay was pressed: a slow 3-D Secure challenge and its webhook. The order's
/// clock moves to at least this; an attempt that is not authorised by then is given up. An attempt that fails before gives back
/// what the clock moved, but for as long as the order was given at first.
pub const PAYMENT_WINDOW_S: u32 = 600;

/// For how long after a press of Pay its call may be on its way to Stripe: what a gateway spends on it, and its longest call.
pub const ATTEMPT_SENT_S: u32 = 45;

/// For how long a press of Pay takes up an attempt whose answer nobody heard. Later presses wait until it was looked for, so
/// that it ends however often Pay is pressed.
pub const ATTEMPT_TAKEN_UP_S: u32 = 120;

/// After how long without being sent an attempt that Stripe does not have was never made. Stripe's search knows an intent after
/// less than a minute.
pub const NEVER_MADE_AFTER_S: u32 = 60;

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Written down; Stripe's answer is not known.
    Planned,
    /// The buyer must do something, like 3-D Secure.
    RequiresAction,
    /// Stripe works on it.
    Processing,
    /// The bank promises the money.
    Authorised,
    /// The money is ours.
    Captured,
    /// Declined; the buyer may try again.
    Failed,
    /// Given up; nothing is charged.
    Cancelled,
}

/// The status of a PaymentIntent, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// No method, or the last one was declined.
    RequiresPaymentMethod,
    /// Not confirmed yet.
    RequiresConfirmation,
    /// Waiting for the buyer.
    RequiresAction,
    /// Waiting for the bank.
    Processing,
    /// Authorised.
    RequiresCapture,
    /// Captured.
    Succeeded,
    /// Given up.
    Canceled,
}

/// What Stripe says of a PaymentIntent, reduced to what decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentFacts {
    /// Stripe's id, `pi_…`.
    pub id: String,
    /// Its status.
    pub status: IntentStatus,
    /// What was asked for.
    pub amount: Money,
    /// What may still be captured, in minor units.
    pub amount_capturable: i64,
    /// What was captured, in minor units.
    pub amount_received: i64,
    /// Real money or a test.
    pub livemode: bool,
    /// The sale it says it is for.
    pub sale: Option<SaleId>,
    /// The order it says it is for.
    pub order: Option<OrderId>,
    /// Number of the attempt within that order, as it says itself.
    pub attempt: Option<u32>,
    /// When it was made.
    pub created: Timestamp,
    /// What pays; known only once a bank said yes, and only from Stripe's answers, not from events.
    pub paid_with: Option<PaidWith>,
    /// When the bank's promise ends; known only while there is one, and only from Stripe's answers, not from events.
    pub capture_before: Option<Timestamp>,
}

/// What a payment becomes when it meets news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// It moves on.
    To(PaymentState),
    /// The news is old.
    Stay,
    /// The news contradicts what we know: fetch the truth.
    AskStripe,
}

impl IntentStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::RequiresPaymentMethod,
        Self::RequiresConfirmation,
        Self::RequiresAction,
        Self::Processing,
        Self::RequiresCapture,
        Self::Succeeded,
        Self::Canceled,
    ];

    /// Stripe's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }

    /// The status of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// The state of a payment of which nothing else is known.
    #[must_use]
    pub const fn state(self) -> PaymentState {
        match self {
            Self::RequiresPaymentMethod => PaymentState::Failed,
            Self::RequiresConfirmation => PaymentState::Planned,
            Self::RequiresAction => PaymentState::RequiresAction,
            Self::Processing => PaymentState::Processing,
            Self::RequiresCapture => PaymentState::Authorised,
            Self::Succeeded => PaymentState::Captured,
            Self::Canceled => PaymentState::Cancelled,
        }
    }
}

impl PaymentState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Planned,
        Self::RequiresAction,
        Self::Processing,
        Self::Authorised,
        Self::Captured,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Authorised => "authorised",
            Self::Captured => "captured",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether the payment may still become money, so that no second one may be started.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            Self::Planned | Self::RequiresAction | Self::Processing | Self::Authorised | Self::Captured => true,
            Self::Failed | Self::Cancelled => false,
        }
    }

    /// What the payment becomes when Stripe says `status`.
    #[must_use]
    pub fn merge(self, status: IntentStatus) -> Merge {
        let news = status.state();
        if self == news {
            return Merge::Stay;
        }
        match (self, news) {
            (Self::Captured, Self::Cancelled) => Merge::AskStripe,
            (Self::Captured, _) => Merge::Stay,
            (Self::Failed | Self::Cancelled, Self::Authorised | Self::Captured) => Merge::AskStripe,
            (Self::Failed, Self::Cancelled) => Merge::To(Self::Cancelled),
            (Self::Failed | Self::Cancelled, _) => Merge::Stay,
            (Self::Authorised, Self::Failed) => Merge::AskStripe,
            (_, Self::Failed | Self::Cancelled) => Merge::To(news),
            (old, new) if old.rank() < new.rank() => Merge::To(new),
            _ => Merge::Stay,
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Planned => 0,
            Self::RequiresAction => 1,
            Self::Processing => 2,
            Self::Authorised => 3,
            Self::Captured | Self::Failed | Self::Cancelled => 4,
        }
    }
}

#[cfg(test)]
mod tests;
