//! Payments: attempts to pay an order, what Stripe says of them, and money going back.
//!
//! Shape: an attempt is a row before it is a call, with everything the call is made of and its idempotency key, so a call
//! whose outcome is unknown is made again as the same call ([`payment_begin`], [`payment_answered`]), or looked for, or given
//! up ([`attempts_look`], [`payment_never_made`]). What Stripe says later
//! is merged, never obeyed ([`payment_apply`], many at once [`payments_apply`] and [`payments_apply_plain`], [`refund_apply`]):
//! events come late, twice and out of order.
//!
//! Guarantees: an order has one live payment, whatever is clicked; news that does not fit its order changes nothing and sets
//! the event aside; every effect (books, units, tickets, jobs) and the mark on the event are one transaction, and each effect
//! has a key of its own, so two events of one change have one effect. Money that comes too late is given back: cancelled
//! when it was only promised, refunded when it was taken.
//!
//! What it does not do: no call to Stripe, ever. Captures, cancellations, refunds and looks at Stripe are jobs in the outbox.
//! Refunds are asked for in [`crate::refunds`].

use domain::payment::PaymentState;
use domain::sale::CaptureMode;
use domain::{Money, PaymentId};

pub mod latency;

mod attempt;
mod batch;
mod cancellation;
mod card;
mod news;
mod plain;
mod refund;
mod unfinished;
mod unheard;

pub use attempt::{
    Answered, BeginPayment, NewPayment, PaymentAttempt, StripeAnswer, payment_answered, payment_begin,
    payment_key_spent,
};
pub use batch::{APPLY_BATCH_MAX, payment_targets, payments_apply};
pub use cancellation::{Cancellation, cancellation_begin};
pub use card::{CARD_LIMIT, CardAdmit, card_admit, card_note};
pub use news::{Applied, Apply, CardWanted, FactSource, PaymentTarget, payment_apply, payment_target};
pub use plain::{PLAIN_BATCH_MAX, PlainApplied, payments_apply_plain};
pub use refund::{RefundApplied, RefundFacts, RefundStatus, refund_apply};
pub use unfinished::{
    OldAuthorisation, UnfinishedPayment, authorisations_hurry, authorisations_unsaid, capture_before_note,
    payments_unfinished,
};
pub use unheard::{Absent, UnheardAttempt, attempts_look, payment_never_made};

pub(crate) const STATEMENTS: &[&str] = &[
    attempt::BEGIN,
    attempt::REFUSED,
    attempt::KEY_SPENT,
    attempt::LOOK,
    unheard::LOOK,
    unheard::NEVER_MADE,
    news::TARGET,
    news::APPLY,
    news::ANSWER,
    batch::TARGETS,
    batch::APPLY,
    cancellation::BEGIN,
    card::ADMIT,
    card::NOTE,
    plain::APPLY,
    refund::APPLY,
    unfinished::UNFINISHED,
    unfinished::UNSAID,
    unfinished::NOTE,
    unfinished::HURRY,
    latency::LATELY,
    latency::IS_FRESH,
    latency::KEEP,
    latency::AUTHORISED_AFTER,
];

/// A payment as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRow {
    /// The attempt.
    pub id: PaymentId,
    /// Number of the attempt within the order, from 1.
    pub attempt: u32,
    /// Where it is.
    pub state: PaymentState,
    /// Stripe's id, once it is known. The client secret is not kept: fetch the intent for it.
    pub intent: Option<String>,
    /// How much was asked for.
    pub amount: Money,
    /// When an authorised payment is captured.
    pub capture: CaptureMode,
    /// What was captured, in minor units.
    pub captured: i64,
    /// What went back, in minor units.
    pub refunded: i64,
    /// Why the last try failed, in Stripe's words.
    pub failure: Option<String>,
}
