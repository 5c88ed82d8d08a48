//! Every answer that is not what was asked for: `application/problem+json` (RFC 9457).
//!
//! [`Code`] is the closed list of what can go wrong; it carries its own status, title and, where waiting helps, how long.
//! This is also the one place that turns the failures of the stores and of Stripe into answers: what is behind a failure
//! goes to the log, never to the client. A refusal is no failure: endpoints name its code themselves.

use std::borrow::Cow;

use admission::AdmissionError;
use domain::sale::Fault;
use http::{HeaderName, HeaderValue, StatusCode, header};
use ledger::LedgerError;
use payments::StripeError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, bytes_answer};
use crate::metrics;

mod code;

pub(crate) use code::Code;

/// The media type of problems.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Something went wrong, and this is what the client is told.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: Option<Cow<'static, str>>,
    errors: Vec<Fault>,
    decline_code: Option<String>,
    retry_after_s: Option<u32>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem that its code describes well enough.
    pub(crate) fn new(code: Code) -> Self {
        let retry_after_s = code.retry_after_s();
        Self { code, detail: None, errors: Vec::new(), decline_code: None, retry_after_s, headers: Vec::new() }
    }

    /// Bad input, fault by fault.
    pub(crate) fn invalid(errors: Vec<Fault>) -> Self {
        Self { errors, ..Self::new(Code::ValidationFailed) }
    }

    /// Bad input with one fault.
    pub(crate) fn invalid_at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![Fault { pointer: pointer.into(), detail: detail.into() }])
    }

    /// Says more than the title.
    pub(crate) fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The bank's reason for a decline.
    pub(crate) fn decline_code(self, decline_code: Option<String>) -> Self {
        Self { decline_code, ..self }
    }

    /// The parts of the input it is about.
    pub(crate) fn errors(self, errors: Vec<Fault>) -> Self {
        Self { errors, ..self }
    }

    /// When to try again.
    pub(crate) fn retry_after_s(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// A header that goes with it, like `Allow`.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What it is.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// The JSON of it, for answers and for frames.
    pub(crate) fn body(&self) -> ProblemBody<'_> {
        ProblemBody {
            r#type: format!("/problems/{}", self.code.word()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail.as_deref(),
            code: self.code.word(),
            errors: &self.errors,
            decline_code: self.decline_code.as_deref(),
        }
    }

    /// The answer.
    pub(crate) fn into_answer(self) -> Answer {
        let body = serde_json::to_vec(&self.body()).expect("a problem is made of text and numbers");
        let mut answer = bytes_answer(self.code.status(), MEDIA_TYPE, body.into());
        if let Some(seconds) = self.retry_after_s {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        for (name, value) in self.headers {
            answer.headers_mut().append(name, value);
        }
        if self.code.status() == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so the connection ends here; a client must not send its next request on it.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<AdmissionError> for Problem {
    fn from(error: AdmissionError) -> Self {
        metrics::store_failed("redis");
        match error {
            AdmissionError::NotLoaded => tracing::debug!("the sale is not in Redis"),
            AdmissionError::Unavailable(source) => tracing::warn!(error = %source, "Redis is away"),
            AdmissionError::Script(reply) => {
                tracing::error!(reply, "a script answered what nobody expects");
                return Self::new(Code::InternalError);
            }
        }
        Self::new(Code::StoreUnavailable)
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        metrics::store_failed("postgres");
        match error {
            LedgerError::Unavailable(source) => {
                tracing::warn!(error = %source, "Postgres is away");
                Self::new(Code::StoreUnavailable)
            }
            LedgerError::Database(_) | LedgerError::Corrupt(_) | LedgerError::Migration(_) => {
                tracing::error!(%error, "Postgres refused");
                Self::new(Code::InternalError)
            }
        }
    }
}

/// Only what is no refusal of the buyer's card: that has a code of its own, and the endpoint knows which.
impl From<StripeError> for Problem {
    fn from(error: StripeError) -> Self {
        metrics::store_failed("stripe");
        tracing::warn!(%error, "Stripe gave no answer to use");
        match error {
            StripeError::Declined { .. } => Self::new(Code::PaymentDeclined),
            StripeError::Refused { .. } | StripeError::UnexpectedState(_) => Self::new(Code::InternalError),
            StripeError::RateLimited { .. } | StripeError::InUse | StripeError::Unknown(_) => {
                Self::new(Code::StoreUnavailable)
                    .detail("The payment provider did not answer. Nothing is lost: try again.")
            }
        }
    }
}

/// The JSON of a problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Names the kind of problem; a page of ours explains it.
    r#type: String,
    /// The kind of problem in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// This problem in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The kind of problem, for programs.
    code: &'static str,
    /// What is wrong with the input.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    #[schema(value_type = Vec<FaultBody>)]
    errors: &'a [Fault],
    /// Why the bank declined, in Stripe's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'a str>,
}

/// One thing wrong with the input.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultBody {
    /// Where, as a JSON pointer (RFC 6901).
    pointer: String,
    /// What must hold.
    detail: String,
}

#[cfg(test)]
mod tests;
