//! Making tokens and payment intents out of forms.

use serde_json::Value;

use super::{Books, Cause, INTENTS_MAX, new_id};
use crate::stripe::card::{Card, fingerprint};
use crate::stripe::form::Form;
use crate::stripe::intent::{ActionStyle, AllowRedirects, CaptureMethod, Intent, IntentStatus, Terms};
use crate::stripe::refusal::{LimitReason, Refusal};
use crate::stripe::token::Token;

/// The smallest charge, in minor units; Stripe's own smallest differ a little by currency.
const AMOUNT_MIN: i64 = 50;
/// Stripe takes eight digits.
const AMOUNT_MAX: i64 = 99_999_999;

const INTENT_PARAMETERS: [&str; 23] = [
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "confirmation_method",
    "confirmation_token",
    "currency",
    "description",
    "error_on_requires_action",
    "excluded_payment_method_types",
    "expand",
    "mandate_data",
    "metadata",
    "off_session",
    "payment_method",
    "payment_method_options",
    "payment_method_types",
    "radar_options",
    "receipt_email",
    "return_url",
    "statement_descriptor_suffix",
    "transfer_group",
    "use_stripe_sdk",
];

impl Books {
    /// From a script `payment_method=pm_card_…`, from the card form `card[number]`.
    pub(super) fn create_token(&mut self, form: &Form, now: i64) -> Result<Value, Refusal> {
        if self.tokens.len() >= INTENTS_MAX {
            return Err(Refusal::RateLimited(LimitReason::ResourceSpecific));
        }
        let (card, fingerprint) = token_card(form)?;
        let token = Token {
            id: new_id("ctoken_1"),
            card,
            method: new_id("pm_1"),
            fingerprint,
            created: now,
            return_url: form.text("return_url").map(str::to_owned),
            used_by: None,
        };
        let shown = self.shape.token(&token);
        self.tokens.insert(token.id.clone(), token);
        Ok(shown)
    }

    pub(super) fn create_intent(&mut self, form: &Form, cause: &Cause) -> Result<Value, Refusal> {
        form.knows_only(&INTENT_PARAMETERS)?;
        if self.intents.len() >= INTENTS_MAX {
            return Err(Refusal::RateLimited(LimitReason::ResourceSpecific));
        }
        let confirm = form.is_set("confirm")?;
        let terms = terms(form)?;
        if confirm {
            self.check_confirmation(form, &terms)?;
        }
        let id = self.insert(terms, cause);
        self.intent_event("payment_intent.created", &id, cause);
        if confirm {
            self.confirm_intent(&id, form, cause)?;
        } else if self.has_method(form) {
            self.take_method(&id, form)?;
            self.intent_mut(&id).status = IntentStatus::RequiresConfirmation;
        }
        self.show(&id)
    }

    fn insert(&mut self, terms: Terms, cause: &Cause) -> String {
        let id = new_id("pi_3");
        let intent = Intent {
            secret: format!("{id}_secret_{}", new_id("")),
            id: id.clone(),
            created: cause.now,
            terms,
            status: IntentStatus::RequiresPaymentMethod,
            method: None,
            action: ActionStyle::InPage,
            return_url: None,
            failure: None,
            latest_charge: None,
            captured: 0,
            canceled: None,
        };
        self.intents.insert(intent);
        id
    }

    fn has_method(&self, form: &Form) -> bool {
        form.text("confirmation_token").or(form.text("payment_method")).is_some()
    }

    /// What would make a confirmation fail before anything is created.
    fn check_confirmation(&self, form: &Form, terms: &Terms) -> Result<(), Refusal> {
        if !self.has_method(form) {
            return Err(Refusal::missing_parameter("payment_method"));
        }
        self.find_method(form, None)?;
        let token_return_url = form
            .text("confirmation_token")
            .and_then(|token| self.tokens.get(token))
            .and_then(|token| token.return_url.as_deref());
        let redirects = terms.automatic_methods == Some(AllowRedirects::Always);
        if redirects && form.text("return_url").or(token_return_url).is_none() {
            return Err(Refusal::Invalid {
                name: "return_url",
                code: "parameter_missing",
                message: "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`.".into(),
            });
        }
        Ok(())
    }
}

fn token_card(form: &Form) -> Result<(&'static Card, String), Refusal> {
    if let Some(number) = form.text("card[number]") {
        return Card::by_number(number).map(|card| (card, fingerprint())).ok_or(Refusal::Invalid {
            name: "card[number]",
            code: "incorrect_number",
            message: "Your card number is incorrect.".into(),
        });
    }
    let name = form
        .text("payment_method")
        .or(form.text("payment_method_data[type]").map(|_| "pm_card_visa"))
        .ok_or_else(|| Refusal::missing_parameter("payment_method"))?;
    Card::by_name(name).ok_or_else(|| Refusal::Missing { what: "PaymentMethod", id: name.to_owned() })
}

fn terms(form: &Form) -> Result<Terms, Refusal> {
    let capture_method = form.text("capture_method").map(capture_method).transpose()?;
    let card_capture =
        form.text("payment_method_options[card][capture_method]").map(capture_method_of_card).transpose()?;
    let automatic_methods = automatic_methods(form)?;
    Ok(Terms {
        amount: amount(form)?,
        currency: currency(form)?,
        capture_method: capture_method.unwrap_or(CaptureMethod::AutomaticAsync),
        card_capture,
        method_types: method_types(form),
        automatic_methods,
        metadata: form.map("metadata"),
        description: form.text("description").map(str::to_owned),
        receipt_email: form.text("receipt_email").map(str::to_owned),
        statement_descriptor_suffix: form.text("statement_descriptor_suffix").map(str::to_owned),
    })
}

fn amount(form: &Form) -> Result<i64, Refusal> {
    let amount = form.number("amount")?.ok_or_else(|| Refusal::missing_parameter("amount"))?;
    let refuse = |code, message: &str| Err(Refusal::Invalid { name: "amount", code, message: message.to_owned() });
    match amount {
        ..=0 => refuse("parameter_invalid_integer", "This value must be greater than or equal to 1."),
        1..AMOUNT_MIN => refuse("amount_too_small", "Amount must be at least 50 minor units."),
        AMOUNT_MIN..=AMOUNT_MAX => Ok(amount),
        _ => refuse("amount_too_large", "Amount must be no more than 99999999 minor units."),
    }
}

fn currency(form: &Form) -> Result<String, Refusal> {
    let currency = form.text("currency").ok_or_else(|| Refusal::missing_parameter("currency"))?;
    if currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Ok(currency.to_ascii_lowercase());
    }
    Err(Refusal::invalid("currency", format!("Invalid currency: {currency}.")))
}

fn capture_method(text: &str) -> Result<CaptureMethod, Refusal> {
    CaptureMethod::parse(text)
        .ok_or_else(|| Refusal::invalid("capture_method", format!("Invalid capture_method: {text}")))
}

fn capture_method_of_card(text: &str) -> Result<CaptureMethod, Refusal> {
    match capture_method(text)? {
        CaptureMethod::Manual => Ok(CaptureMethod::Manual),
        CaptureMethod::Automatic | CaptureMethod::AutomaticAsync => {
            Err(Refusal::invalid("payment_method_options[card][capture_method]", "Invalid: must be manual"))
        }
    }
}

/// Without any word about payment methods Stripe takes those switched on in the dashboard.
fn automatic_methods(form: &Form) -> Result<Option<AllowRedirects>, Refusal> {
    let redirects = match form.text("automatic_payment_methods[allow_redirects]") {
        Some("never") => AllowRedirects::Never,
        _ => AllowRedirects::Always,
    };
    let named = !form.list("payment_method_types").is_empty();
    let enabled = form.is_set("automatic_payment_methods[enabled]")?;
    if named && enabled {
        return Err(Refusal::invalid(
            "payment_method_types",
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
        ));
    }
    Ok((!named).then_some(redirects))
}

fn method_types(form: &Form) -> Vec<String> {
    let named = form.list("payment_method_types");
    if named.is_empty() { vec!["card".to_owned()] } else { named }
}
