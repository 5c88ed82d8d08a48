//! Every refusal of the fake, in Stripe's words: status, `type`, `code`.
//! Source: <https://docs.stripe.com/error-codes>.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::card::Decline;

/// Why a call was not carried out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// No key, or one that is not for tests.
    Unauthorized,
    /// A page may not make this call, or shows a wrong client secret.
    Forbidden,
    /// Nothing is called like that.
    NoSuchPath { method: String, path: String },
    /// No object with this id.
    Missing { what: &'static str, id: String },
    /// A parameter has a value Stripe does not take.
    Invalid { name: &'static str, code: &'static str, message: String },
    /// A parameter Stripe does not have.
    UnknownParameter { name: String },
    /// The payment intent is in another state than the call needs; carries the intent.
    UnexpectedState { message: String, intent: Value },
    /// The bank or 3-D Secure said no; carries the intent and the payment method.
    Declined { decline: Decline, charge: Option<String>, intent: Value, payment_method: Value },
    /// The key was used with other parameters.
    KeyReused { key: String },
    /// A call with this key is still running.
    KeyInUse { key: String },
    /// Another call is changing the same object.
    LockTimeout,
    /// Too many calls; carries which limit says so.
    RateLimited(LimitReason),
    /// What a test asked for; the bank's word where it has a reason of the bank.
    OnRequest { code: &'static str, decline_code: Option<&'static str> },
    /// Something broke on Stripe's side.
    ServerError,
    /// Stripe is down.
    Unavailable,
}

/// The limit a call met, as the header [`LimitReason::HEADER`] tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitReason {
    /// The account's calls in a second.
    GlobalRate,
    /// The account's calls under way.
    GlobalConcurrency,
    /// Too much of one kind of object.
    ResourceSpecific,
}

impl LimitReason {
    pub(super) const HEADER: &str = "stripe-rate-limited-reason";

    /// As Stripe writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            LimitReason::GlobalRate => "global-rate",
            LimitReason::GlobalConcurrency => "global-concurrency",
            LimitReason::ResourceSpecific => "resource-specific",
        }
    }
}

impl Refusal {
    /// A parameter with a wrong value and no code of its own.
    pub(super) fn invalid(name: &'static str, message: impl Into<String>) -> Refusal {
        Refusal::Invalid { name, code: "parameter_invalid_integer", message: message.into() }
    }

    /// A parameter that is needed and absent.
    pub(super) fn missing_parameter(name: &'static str) -> Refusal {
        Refusal::Invalid { name, code: "parameter_missing", message: format!("Missing required param: {name}.") }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden => StatusCode::FORBIDDEN,
            Refusal::NoSuchPath { .. } | Refusal::Missing { .. } => StatusCode::NOT_FOUND,
            Refusal::Invalid { .. }
            | Refusal::UnknownParameter { .. }
            | Refusal::UnexpectedState { .. }
            | Refusal::KeyReused { .. } => StatusCode::BAD_REQUEST,
            Refusal::OnRequest { decline_code: None, .. } => StatusCode::BAD_REQUEST,
            Refusal::Declined { .. } | Refusal::OnRequest { .. } => StatusCode::PAYMENT_REQUIRED,
            Refusal::KeyInUse { .. } => StatusCode::CONFLICT,
            Refusal::LockTimeout | Refusal::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether an idempotency key remembers this answer: Stripe does once it has begun to carry the call out, and does not
    /// for parameters it does not understand, conflicts and limits.
    pub(super) fn is_remembered(&self) -> bool {
        matches!(self, Refusal::Declined { .. } | Refusal::UnexpectedState { .. })
    }

    /// The limit that was met, if it was one.
    pub(super) fn limit_reason(&self) -> Option<LimitReason> {
        match self {
            Refusal::RateLimited(reason) => Some(*reason),
            _ => None,
        }
    }

    /// The body: `{"error": {…}}`.
    pub(super) fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("type".into(), self.kind().into());
        error.insert("message".into(), self.message().into());
        if let Some(code) = self.code() {
            error.insert("code".into(), code.into());
            error.insert("doc_url".into(), format!("https://stripe.com/docs/error-codes/{code}").into());
        }
        self.details(&mut error);
        json!({ "error": error })
    }

    fn kind(&self) -> &'static str {
        match self {
            Refusal::Declined { .. } | Refusal::OnRequest { decline_code: Some(_), .. } => "card_error",
            Refusal::KeyReused { .. } => "idempotency_error",
            Refusal::ServerError | Refusal::Unavailable => "api_error",
            _ => "invalid_request_error",
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Refusal::Missing { .. } => Some("resource_missing"),
            Refusal::Invalid { code, .. } => Some(code),
            Refusal::UnknownParameter { .. } => Some("parameter_unknown"),
            Refusal::UnexpectedState { .. } => Some("payment_intent_unexpected_state"),
            Refusal::Declined { decline, .. } => Some(decline.code()),
            Refusal::OnRequest { code, .. } => Some(code),
            Refusal::KeyInUse { .. } => Some("idempotency_key_in_use"),
            Refusal::LockTimeout => Some("lock_timeout"),
            Refusal::RateLimited(_) => Some("rate_limit"),
            Refusal::Unauthorized
            | Refusal::Forbidden
            | Refusal::NoSuchPath { .. }
            | Refusal::KeyReused { .. }
            | Refusal::ServerError
            | Refusal::Unavailable => None,
        }
    }

    fn message(&self) -> String {
        match self {
            Refusal::Unauthorized => "Invalid API Key provided: this fake takes any key that starts with sk_test_.".into(),
            Refusal::Forbidden => "This call needs a secret key, or the client secret of its payment intent.".into(),
            Refusal::NoSuchPath { method, path } => format!("Unrecognized request URL ({method}: {path})."),
            Refusal::OnRequest { code, .. } => format!("Refused on request: {code}"),
            Refusal::Missing { what, id } => format!("No such {what}: '{id}'"),
            Refusal::UnknownParameter { name } => format!("Received unknown parameter: {name}"),
            Refusal::Invalid { message, .. } | Refusal::UnexpectedState { message, .. } => message.clone(),
            Refusal::Declined { decline, .. } => decline.message().into(),
            Refusal::KeyReused { key } => format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            ),
            Refusal::KeyInUse { key } => {
                format!("There is currently another in-progress request using this Idempotent Key ({key}). Please try again later.")
            }
            Refusal::LockTimeout => {
                "This object cannot be accessed right now because another API request or Stripe process is currently accessing it.".into()
            }
            Refusal::RateLimited(_) => "Request rate limit exceeded.".into(),
            Refusal::ServerError => "An unknown error occurred".into(),
            Refusal::Unavailable => "Stripe is temporarily unavailable.".into(),
        }
    }

    fn details(&self, error: &mut Map<String, Value>) {
        match self {
            Refusal::Invalid { name, .. } => drop(error.insert("param".into(), (*name).into())),
            Refusal::UnknownParameter { name } => drop(error.insert("param".into(), name.as_str().into())),
            Refusal::UnexpectedState { intent, .. } => drop(error.insert("payment_intent".into(), intent.clone())),
            Refusal::OnRequest { decline_code: Some(why), .. } => {
                drop(error.insert("decline_code".into(), (*why).into()))
            }
            Refusal::Declined { decline, charge, intent, payment_method } => {
                error.insert("decline_code".into(), decline.decline_code().into());
                error.insert("charge".into(), charge.as_deref().into());
                error.insert("payment_intent".into(), intent.clone());
                error.insert("payment_method".into(), payment_method.clone());
            }
            _ => {}
        }
    }
}
