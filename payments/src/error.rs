//! What a call to Stripe can end in, other than its answer.
//!
//! The line that matters is between *refused* and *unknown*. A refusal is Stripe's word that nothing happened, so the
//! next attempt takes a new idempotency key. An unknown outcome may be money moved: it is tried again with the same key
//! and the same parameters, or looked up, and never treated as a failure.
//!
//! | Stripe says | error | what the caller does |
//! |---|---|---|
//! | 402, or a `card_error` | [`Declined`](StripeError::Declined) | tells the buyer; a new attempt, a new key |
//! | 400 `payment_intent_unexpected_state` | [`UnexpectedState`](StripeError::UnexpectedState) | merges the intent it carries, or fetches it |
//! | 409, or 429 `lock_timeout` | [`InUse`](StripeError::InUse) | waits, same key: another call holds the key or the object |
//! | other 429 | [`RateLimited`](StripeError::RateLimited) | waits, same key |
//! | other 4xx | [`Refused`](StripeError::Refused) | gives up: the request itself is wrong |
//! | 5xx, a timeout, a lost connection, an unreadable answer | [`Unknown`](StripeError::Unknown) | same key again, or fetches |
//! | 5xx that it gave before under this key | [`Unknown`](StripeError::Unknown), [`Spent`](UnknownOutcome::Spent) | looks for what was made; only where nothing was, another key |
//!
//! Stripe keeps the answer to the first call under a key, also a 500 (<https://docs.stripe.com/api/idempotent_requests>), and says
//! that it repeats it. Such a key is spent: it never tells more, though the call may well have been carried out.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::intent::Intent;

/// Why a call gave no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// The payment method was declined. Nothing is charged.
    #[error("declined: {code}{}", .decline_code.as_deref().map(|why| format!(" ({why})")).unwrap_or_default())]
    Declined {
        /// Stripe's error code: `card_declined`, `expired_card`, …
        code: String,
        /// The bank's reason, when it gives one: `insufficient_funds`, …
        decline_code: Option<String>,
        /// A sentence that may be shown to the buyer.
        message: String,
        /// The intent the decline left behind; it wants another payment method, or to be cancelled.
        intent: Option<Box<Intent>>,
    },
    /// The request was wrong, or is not allowed. Repeating it changes nothing.
    #[error("refused with {status}: {code}: {message}")]
    Refused {
        /// The HTTP status, a 4xx.
        status: u16,
        /// Stripe's error code, or its error type where there is no code.
        code: String,
        /// A sentence for the log.
        message: String,
    },
    /// The intent is in a state in which this call means nothing; perhaps it has already been done.
    #[error("the payment intent is in another state: {}", .0.as_ref().map_or("not told", |intent| intent.status.word()))]
    UnexpectedState(Option<Box<Intent>>),
    /// Stripe asks us to slow down. Nothing happened.
    #[error("rate limited")]
    RateLimited {
        /// How long to wait, when Stripe says.
        retry_after: Option<Duration>,
    },
    /// Another call holds this idempotency key or this object. Its outcome becomes ours when we ask again.
    #[error("another call on the same key or object is under way")]
    InUse,
    /// Nobody knows whether it happened.
    #[error("outcome unknown: {0}")]
    Unknown(#[source] UnknownOutcome),
}

/// How the outcome of a call got lost.
#[derive(Debug, thiserror::Error)]
pub enum UnknownOutcome {
    /// No whole answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection could not be made, or broke.
    #[error("connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Stripe failed: with a 5xx even a stored key may hide work that was done.
    #[error("Stripe answered {0}")]
    Server(u16),
    /// Stripe failed once and repeats that failure whenever the key is used.
    #[error("Stripe answers {0} under this key for good")]
    Spent(u16),
    /// A good answer in a shape we cannot read.
    #[error("unreadable answer: {0}")]
    Unreadable(String),
}

/// `async-stripe` reports an answer it cannot parse through this.
impl stripe_client_core::StripeClientErr for StripeError {
    fn deserialize_err(msg: impl std::fmt::Display) -> Self {
        Self::Unknown(UnknownOutcome::Unreadable(msg.to_string()))
    }
}

impl StripeError {
    /// Whether the key of the call never tells more than this.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        matches!(self, Self::Unknown(UnknownOutcome::Spent(_)))
    }

    /// Reads an answer that is not a 2xx.
    pub(crate) fn classify(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Self {
        if status.is_server_error() || !status.is_client_error() {
            let outcome = if is_replayed(headers) { UnknownOutcome::Spent } else { UnknownOutcome::Server };
            return Self::Unknown(outcome(status.as_u16()));
        }
        let told = Told::read(body);
        match (status, told.code.as_deref()) {
            (StatusCode::CONFLICT, _) | (StatusCode::TOO_MANY_REQUESTS, Some("lock_timeout")) => Self::InUse,
            (StatusCode::TOO_MANY_REQUESTS, _) => Self::RateLimited { retry_after: retry_after(headers) },
            (_, Some("payment_intent_unexpected_state")) => Self::UnexpectedState(told.intent()),
            (StatusCode::PAYMENT_REQUIRED, _) => told.declined(),
            // The request was never read to its end, so whether it counted is Stripe's secret.
            (StatusCode::REQUEST_TIMEOUT, _) => Self::Unknown(UnknownOutcome::Server(status.as_u16())),
            _ if told.kind == "card_error" => told.declined(),
            _ => told.refused(status),
        }
    }
}

/// The `error` object of an answer. Read with serde and leniently: what cannot be read must still be classified, so only
/// the intent inside goes through the generated types.
#[derive(Deserialize, Default)]
struct Told {
    #[serde(rename = "type", default)]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    #[serde(default)]
    message: String,
    payment_intent: Option<Box<RawValue>>,
}

impl Told {
    fn read(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Answer {
            error: Told,
        }
        serde_json::from_slice::<Answer>(body).map(|answer| answer.error).unwrap_or_default()
    }

    fn intent(&self) -> Option<Box<Intent>> {
        let raw = self.payment_intent.as_deref()?;
        Intent::read(raw.get()).ok().map(Box::new)
    }

    fn declined(self) -> StripeError {
        StripeError::Declined {
            intent: self.intent(),
            code: self.code.unwrap_or(self.kind),
            decline_code: self.decline_code,
            message: self.message,
        }
    }

    fn refused(self, status: StatusCode) -> StripeError {
        StripeError::Refused { status: status.as_u16(), code: self.code.unwrap_or(self.kind), message: self.message }
    }
}

/// Whether Stripe gave this answer before, under the same key.
fn is_replayed(headers: &HeaderMap) -> bool {
    headers.get("idempotent-replayed").is_some_and(|told| told == "true")
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
