//! Every answer that is not what was asked for: `application/problem+json` (RFC 9457).
//!
//! [`Code`] is the closed list of what can go wrong; it carries its own status, title and, where waiting helps, how long.
//! This is also the one place that turns the failures of the stores and of Stripe into answers: what is behind a failure
//! goes to the log, never to the client. A refusal is no failure: endpoints name its code themselves. The body names the
//! trace, by which the log has it.

use std::borrow::Cow;

use admission::AdmissionError;
use domain::sale::Fault;
use domain::trace::TraceId;
use http::{HeaderName, HeaderValue, StatusCode, header};
use ledger::LedgerError;
use payments::StripeError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::alternatives::Alternative;
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
    rare: Option<Box<Rare>>,
    retry_after_s: Option<u32>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Members that few problems have; the others stay small without them.
#[derive(Debug, Default)]
struct Rare {
    decline_code: Option<String>,
    waitlist: Option<String>,
    alternatives: Vec<Alternative>,
}

impl Problem {
    /// A problem that its code describes well enough.
    pub(crate) fn new(code: Code) -> Self {
        let retry_after_s = code.retry_after_s();
        Self { code, detail: None, errors: Vec::new(), rare: None, retry_after_s, headers: Vec::new() }
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
    pub(crate) fn decline_code(mut self, decline_code: Option<String>) -> Self {
        self.rare().decline_code = decline_code;
        self
    }

    /// Where to ask for units that come back: in the body, and as a link for who reads headers.
    pub(crate) fn waitlist(mut self, path: String) -> Self {
        let link = HeaderValue::try_from(format!("<{path}>; rel=\"related\"; title=\"waitlist\""));
        let link = link.expect("our paths are fit for a header");
        self.rare().waitlist = Some(path);
        self.header(header::LINK, link)
    }

    /// What may be had instead; nothing is said where there is none.
    pub(crate) fn alternatives(mut self, alternatives: Vec<Alternative>) -> Self {
        self.rare().alternatives = alternatives;
        self
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

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The JSON of it, for answers and for frames.
    pub(crate) fn body(&self, trace: TraceId) -> ProblemBody<'_> {
        ProblemBody {
            r#type: format!("/problems/{}", self.code.word()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail.as_deref(),
            code: self.code.word(),
            trace_id: trace,
            errors: &self.errors,
            decline_code: self.rare.as_ref().and_then(|rare| rare.decline_code.as_deref()),
            waitlist: self.rare.as_ref().and_then(|rare| rare.waitlist.as_deref()),
            alternatives: self.rare.as_ref().map_or(&[], |rare| &rare.alternatives),
        }
    }

    /// The answer.
    pub(crate) fn into_answer(self, trace: TraceId) -> Answer {
        tracing::debug!(code = self.code.word(), "refused");
        let body = serde_json::to_vec(&self.body(trace)).expect("a problem is made of text and numbers");
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
    /// The trace of the request, as our log has it.
    #[schema(value_type = String, example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: TraceId,
    /// What is wrong with the input.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    #[schema(value_type = Vec<FaultBody>)]
    errors: &'a [Fault],
    /// Why the bank declined, in Stripe's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'a str>,
    /// Where to ask for units that come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    waitlist: Option<&'a str>,
    /// What may be had instead of seats that were taken: up to three offers for each tier, the nearest first.
    #[serde(skip_serializing_if = "<[Alternative]>::is_empty")]
    alternatives: &'a [Alternative],
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
