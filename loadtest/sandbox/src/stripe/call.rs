//! The calls the fake understands.

use http::Method;

use super::limits::Access;

/// One call of Stripe's API, or of the stand-in for Stripe.js.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `POST /v1/test_helpers/confirmation_tokens` and, from the browser, `POST /v1/confirmation_tokens`.
    CreateConfirmationToken,
    /// `POST /v1/payment_intents`
    CreateIntent,
    /// `GET /v1/payment_intents/{id}`
    GetIntent,
    /// `GET /v1/payment_intents`
    ListIntents,
    /// `GET /v1/payment_intents/search`
    SearchIntents,
    /// `POST /v1/payment_intents/{id}/confirm`
    ConfirmIntent,
    /// `POST /v1/payment_intents/{id}/capture`
    CaptureIntent,
    /// `POST /v1/payment_intents/{id}/cancel`
    CancelIntent,
    /// `POST /v1/payment_intents/{id}/authenticate`: the end of 3-D Secure, from the browser.
    AuthenticateIntent,
    /// `POST /v1/refunds`
    CreateRefund,
    /// `GET /v1/refunds/{id}`
    GetRefund,
    /// `GET /v1/refunds`
    ListRefunds,
    /// `GET /v1/charges/{id}`
    GetCharge,
    /// `GET /v1/charges`
    ListCharges,
    /// `GET /v1/disputes/{id}`
    GetDispute,
    /// `GET /v1/disputes`
    ListDisputes,
    /// `GET /v1/balance`
    GetBalance,
    /// `GET /v1/balance_transactions/{id}`
    GetMovement,
    /// `GET /v1/balance_transactions`
    ListMovements,
    /// `GET /v1/events`
    ListEvents,
    /// `GET /v1/events/{id}`
    GetEvent,
    /// `GET /v1/account`
    GetAccount,
    /// `GET /v1/country_specs/{country}`
    GetCountry,
    /// `GET /v1/payment_method_configurations`
    ListMethodConfigurations,
    /// `GET /v1/webhook_endpoints`
    ListEndpoints,
    /// `POST /v1/webhook_endpoints`
    CreateEndpoint,
    /// `POST /v1/webhook_endpoints/{id}`
    UpdateEndpoint,
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// A server with a secret key.
    Server,
    /// A page with a publishable key and, for a payment intent, its client secret.
    Browser,
}

impl Operation {
    /// The operation of a request and the id in its path.
    pub(super) fn of<'a>(method: &Method, path: &'a str) -> Option<(Operation, &'a str)> {
        let parts: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
        Some(match (method, parts.as_slice()) {
            (&Method::POST, ["test_helpers", "confirmation_tokens"] | ["confirmation_tokens"]) => {
                (Operation::CreateConfirmationToken, "")
            }
            (&Method::POST, ["payment_intents"]) => (Operation::CreateIntent, ""),
            (&Method::GET, ["payment_intents"]) => (Operation::ListIntents, ""),
            (&Method::GET, ["payment_intents", "search"]) => (Operation::SearchIntents, ""),
            (&Method::GET, ["payment_intents", id]) => (Operation::GetIntent, id),
            (&Method::POST, ["payment_intents", id, "confirm"]) => (Operation::ConfirmIntent, id),
            (&Method::POST, ["payment_intents", id, "capture"]) => (Operation::CaptureIntent, id),
            (&Method::POST, ["payment_intents", id, "cancel"]) => (Operation::CancelIntent, id),
            (&Method::POST, ["payment_intents", id, "authenticate"]) => (Operation::AuthenticateIntent, id),
            (&Method::POST, ["refunds"]) => (Operation::CreateRefund, ""),
            (&Method::GET, ["refunds", id]) => (Operation::GetRefund, id),
            (&Method::GET, ["refunds"]) => (Operation::ListRefunds, ""),
            (&Method::GET, ["charges", id]) => (Operation::GetCharge, id),
            (&Method::GET, ["charges"]) => (Operation::ListCharges, ""),
            (&Method::GET, ["disputes", id]) => (Operation::GetDispute, id),
            (&Method::GET, ["disputes"]) => (Operation::ListDisputes, ""),
            (&Method::GET, ["balance"]) => (Operation::GetBalance, ""),
            (&Method::GET, ["balance_transactions", id]) => (Operation::GetMovement, id),
            (&Method::GET, ["balance_transactions"]) => (Operation::ListMovements, ""),
            (&Method::GET, ["events"]) => (Operation::ListEvents, ""),
            (&Method::GET, ["events", id]) => (Operation::GetEvent, id),
            (&Method::GET, ["account"]) => (Operation::GetAccount, ""),
            (&Method::GET, ["country_specs", id]) => (Operation::GetCountry, id),
            (&Method::GET, ["payment_method_configurations"]) => (Operation::ListMethodConfigurations, ""),
            (&Method::GET, ["webhook_endpoints"]) => (Operation::ListEndpoints, ""),
            (&Method::POST, ["webhook_endpoints"]) => (Operation::CreateEndpoint, ""),
            (&Method::POST, ["webhook_endpoints", id]) => (Operation::UpdateEndpoint, id),
            _ => return None,
        })
    }

    /// Whether it counts as a read or as a write.
    pub(super) fn access(self) -> Access {
        match self {
            Operation::CreateConfirmationToken
            | Operation::CreateIntent
            | Operation::ConfirmIntent
            | Operation::CaptureIntent
            | Operation::CancelIntent
            | Operation::AuthenticateIntent
            | Operation::CreateRefund
            | Operation::CreateEndpoint
            | Operation::UpdateEndpoint => Access::Write,
            Operation::GetIntent
            | Operation::ListIntents
            | Operation::SearchIntents
            | Operation::GetRefund
            | Operation::ListRefunds
            | Operation::GetCharge
            | Operation::ListCharges
            | Operation::GetDispute
            | Operation::ListDisputes
            | Operation::GetBalance
            | Operation::GetMovement
            | Operation::ListMovements
            | Operation::ListEvents
            | Operation::GetEvent
            | Operation::GetAccount
            | Operation::GetCountry
            | Operation::ListMethodConfigurations
            | Operation::ListEndpoints => Access::Read,
        }
    }

    /// Whether a page may make this call.
    pub(super) fn is_open_to(self, caller: Caller) -> bool {
        let for_browsers =
            matches!(self, Operation::CreateConfirmationToken | Operation::GetIntent | Operation::AuthenticateIntent);
        caller == Caller::Server || for_browsers
    }

    /// Whether the call changes the payment intent in its path; Stripe runs one such call at a time.
    pub(super) fn changes_intent(self) -> bool {
        matches!(
            self,
            Operation::ConfirmIntent
                | Operation::CaptureIntent
                | Operation::CancelIntent
                | Operation::AuthenticateIntent
        )
    }

    /// Whether limits, and a fault for "the next call", apply: the calls a seller's server makes, not what stands in for a buyer.
    pub(super) fn is_the_sellers(self) -> bool {
        !matches!(self, Operation::CreateConfirmationToken | Operation::AuthenticateIntent)
    }
}
