//! Stripe's objects as JSON, with the fields of API version [`API_VERSION`] that a card payment has.
//! Source: the API reference and the generated types of async-stripe.

mod balance;
mod dispute;

use serde_json::{Map, Value, json};

use super::card::Card;
use super::charge::{Charge, Refund};
use super::intent::{ActionStyle, AllowRedirects, CaptureMethod, Failure, Intent, IntentStatus, Method};
use super::options::Mode;
use super::token::Token;

/// The version objects are written in, pinned by async-stripe 1.0.0-rc.10.
pub(super) const API_VERSION: &str = "2026-09-30.endive";

/// A confirmation token lapses after half a day.
const TOKEN_S: i64 = 12 * 3_600;

const NO_INTENT: [&str; 15] = [
    "amount_details",
    "application",
    "application_fee_amount",
    "customer",
    "customer_account",
    "on_behalf_of",
    "payment_method_configuration_details",
    "processing",
    "review",
    "setup_future_usage",
    "shipping",
    "source",
    "statement_descriptor",
    "transfer_data",
    "transfer_group",
];
const NO_CHARGE: [&str; 16] = [
    "application",
    "application_fee",
    "application_fee_amount",
    "customer",
    "description",
    "failure_balance_transaction",
    "on_behalf_of",
    "receipt_email",
    "receipt_number",
    "receipt_url",
    "review",
    "shipping",
    "source",
    "source_transfer",
    "transfer_data",
    "transfer_group",
];
const NO_REFUND: [&str; 4] = ["receipt_number", "source_transfer_reversal", "transfer_reversal", "description"];

/// What every object says about where it is from.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) mode: Mode,
    /// Where a redirect for 3-D Secure leads.
    pub(super) base_url: String,
}

impl Shape {
    fn livemode(&self) -> bool {
        self.mode == Mode::Live
    }

    pub(super) fn intent(&self, intent: &Intent) -> Value {
        let terms = &intent.terms;
        let object = json!({
            "id": intent.id,
            "object": "payment_intent",
            "amount": terms.amount,
            "amount_capturable": intent.capturable(),
            "amount_received": intent.captured,
            "automatic_payment_methods": terms.automatic_methods.map(automatic_methods),
            "canceled_at": intent.canceled.as_ref().map(|canceled| canceled.at),
            "cancellation_reason": intent.canceled.as_ref().and_then(|canceled| canceled.reason.as_deref()),
            "capture_method": terms.capture_method.as_str(),
            "client_secret": intent.secret,
            "confirmation_method": "automatic",
            "created": intent.created,
            "currency": terms.currency,
            "description": terms.description,
            "last_payment_error": intent.failure.as_ref().map(|failure| self.failure(failure, intent.created)),
            "latest_charge": intent.latest_charge,
            "livemode": self.livemode(),
            "metadata": terms.metadata,
            "next_action": self.next_action(intent),
            "payment_method": intent.method.as_ref().map(|method| method.id.as_str()),
            "payment_method_options": { "card": card_options(terms.card_capture) },
            "payment_method_types": terms.method_types,
            "receipt_email": terms.receipt_email,
            "statement_descriptor_suffix": terms.statement_descriptor_suffix,
            "status": intent.status.as_str(),
        });
        with_nulls(object, &NO_INTENT)
    }

    fn next_action(&self, intent: &Intent) -> Option<Value> {
        if intent.status != IntentStatus::RequiresAction {
            return None;
        }
        let url = format!(
            "{}/authenticate?payment_intent={}&payment_intent_client_secret={}",
            self.base_url, intent.id, intent.secret
        );
        Some(match intent.action {
            ActionStyle::InPage => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "type": "three_d_secure_redirect", "stripe_js": url, "source": intent.id },
            }),
            ActionStyle::Redirect => json!({
                "type": "redirect_to_url",
                "redirect_to_url": { "return_url": intent.return_url, "url": url },
            }),
        })
    }

    fn failure(&self, failure: &Failure, created: i64) -> Value {
        let (decline, method) = (failure.decline, self.method(&failure.method, created));
        json!({
            "type": "card_error",
            "code": decline.code(),
            "decline_code": decline.decline_code(),
            "doc_url": format!("https://stripe.com/docs/error-codes/{}", decline.code()),
            "message": decline.message(),
            "charge": failure.charge,
            "payment_method": method,
        })
    }

    pub(super) fn method(&self, method: &Method, created: i64) -> Value {
        json!({
            "id": method.id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": billing_details(),
            "card": method_card(method.card, &method.fingerprint),
            "created": created,
            "customer": null,
            "customer_account": null,
            "livemode": self.livemode(),
            "metadata": {},
            "type": "card",
        })
    }

    pub(super) fn charge(&self, charge: &Charge) -> Value {
        let succeeded = charge.failure.is_none();
        let object = json!({
            "id": charge.id,
            "object": "charge",
            "amount": charge.amount,
            "amount_captured": charge.captured,
            "amount_refunded": charge.returned(),
            "balance_transaction": charge.movement,
            "billing_details": billing_details(),
            "calculated_statement_descriptor": "ONSALE SANDBOX",
            "captured": charge.captured > 0,
            "created": charge.created,
            "currency": charge.currency,
            "disputed": !charge.disputes.is_empty(),
            "failure_code": charge.failure.map(super::card::Decline::code),
            "failure_message": charge.failure.map(super::card::Decline::message),
            "fraud_details": {},
            "livemode": self.livemode(),
            "metadata": charge.metadata,
            "outcome": outcome(charge),
            "paid": succeeded,
            "payment_intent": charge.intent,
            "payment_method": charge.method,
            "payment_method_details": { "type": "card", "card": charged_card(charge) },
            "radar_options": {},
            "refunded": charge.returned() == charge.amount,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": if succeeded { "succeeded" } else { "failed" },
        });
        with_nulls(object, &NO_CHARGE)
    }

    pub(super) fn refund(&self, refund: &Refund) -> Value {
        let mut object = json!({
            "id": refund.id,
            "object": "refund",
            "amount": refund.amount,
            "balance_transaction": refund.movement,
            "charge": refund.charge,
            "created": refund.created,
            "currency": refund.currency,
            "destination_details": {
                "type": "card",
                "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" },
            },
            "metadata": refund.metadata,
            "payment_intent": refund.intent,
            "reason": refund.reason,
            "status": refund.status.as_str(),
        });
        if let Some(movement) = &refund.failure_movement {
            object["failure_balance_transaction"] = movement.as_str().into();
            object["failure_reason"] = "expired_or_canceled_card".into();
        }
        with_nulls(object, &NO_REFUND)
    }

    pub(super) fn token(&self, token: &Token) -> Value {
        json!({
            "id": token.id,
            "object": "confirmation_token",
            "created": token.created,
            "expires_at": token.created + TOKEN_S,
            "livemode": self.livemode(),
            "mandate_data": null,
            "payment_intent": token.used_by,
            "payment_method_options": null,
            "payment_method_preview": { "type": "card", "billing_details": billing_details(), "card": method_card(token.card, &token.fingerprint) },
            "return_url": token.return_url,
            "setup_future_usage": null,
            "setup_intent": null,
            "shipping": null,
            "use_stripe_sdk": true,
        })
    }
}

fn automatic_methods(redirects: AllowRedirects) -> Value {
    let redirects = match redirects {
        AllowRedirects::Always => "always",
        AllowRedirects::Never => "never",
    };
    json!({ "allow_redirects": redirects, "enabled": true })
}

fn card_options(capture: Option<CaptureMethod>) -> Value {
    let mut options = json!({
        "installments": null,
        "mandate_options": null,
        "network": null,
        "request_three_d_secure": "automatic",
    });
    if let Some(capture) = capture {
        options["capture_method"] = capture.as_str().into();
    }
    options
}

fn billing_details() -> Value {
    let address =
        json!({ "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null });
    json!({ "address": address, "email": null, "name": null, "phone": null, "tax_id": null })
}

fn method_card(card: &Card, fingerprint: &str) -> Value {
    json!({
        "brand": card.brand,
        "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": fingerprint,
        "funding": "credit",
        "generated_from": null,
        "last4": card.last4(),
        "networks": { "available": [card.brand], "preferred": null },
        "regulated_status": "unregulated",
        "three_d_secure_usage": { "supported": true },
        "wallet": null,
    })
}

fn charged_card(charge: &Charge) -> Value {
    let waits_for_capture = charge.failure.is_none() && charge.captured == 0;
    json!({
        "amount_authorized": charge.failure.is_none().then_some(charge.amount),
        "authorization_code": charge.failure.is_none().then_some("123456"),
        "brand": charge.card.brand,
        "capture_before": waits_for_capture.then_some(charge.capture_before),
        "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "extended_authorization": { "status": "disabled" },
        "fingerprint": charge.fingerprint,
        "funding": "credit",
        "incremental_authorization": { "status": "unavailable" },
        "installments": null,
        "last4": charge.card.last4(),
        "mandate": null,
        "multicapture": { "status": "unavailable" },
        "network": charge.card.brand,
        "network_token": { "used": false },
        "overcapture": { "maximum_amount_capturable": charge.amount, "status": "unavailable" },
        "regulated_status": "unregulated",
        "three_d_secure": null,
        "wallet": null,
    })
}

fn outcome(charge: &Charge) -> Value {
    let (kind, status, message) = match charge.failure {
        None => ("authorized", "approved_by_network", "Payment complete."),
        Some(_) => ("issuer_declined", "declined_by_network", "The bank did not approve the payment."),
    };
    json!({
        "advice_code": null,
        "network_advice_code": null,
        "network_decline_code": null,
        "network_status": status,
        "reason": charge.failure.and_then(super::card::Decline::decline_code),
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": message,
        "type": kind,
    })
}

fn with_nulls(mut object: Value, absent: &[&str]) -> Value {
    let fields: &mut Map<String, Value> = object.as_object_mut().expect("built from an object literal");
    fields.extend(absent.iter().map(|name| ((*name).to_owned(), Value::Null)));
    object
}
