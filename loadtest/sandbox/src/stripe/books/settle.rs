//! What becomes of an authorised payment: capture, cancellation, lapse.

use serde_json::Value;

use super::{Books, Cause};
use crate::stripe::form::Form;
use crate::stripe::intent::IntentStatus;
use crate::stripe::refusal::Refusal;

const CAPTURE_PARAMETERS: [&str; 5] =
    ["amount_to_capture", "expand", "final_capture", "metadata", "statement_descriptor_suffix"];
const CANCEL_PARAMETERS: [&str; 2] = ["cancellation_reason", "expand"];
const CANCEL_REASONS: [&str; 4] = ["abandoned", "duplicate", "fraudulent", "requested_by_customer"];

impl Books {
    pub(super) fn capture_intent(&mut self, id: &str, form: &Form, cause: &Cause) -> Result<Value, Refusal> {
        form.knows_only(&CAPTURE_PARAMETERS)?;
        let intent = self.intent(id)?;
        if intent.status != IntentStatus::RequiresCapture {
            return Err(self.unexpected_state(intent, "capture"));
        }
        let authorised = intent.terms.amount;
        let amount = form.number("amount_to_capture")?.unwrap_or(authorised);
        if !(1..=authorised).contains(&amount) {
            return Err(Refusal::Invalid {
                name: "amount_to_capture",
                code: if amount > authorised { "amount_too_large" } else { "parameter_invalid_integer" },
                message: "The amount to capture must be positive and no more than what is authorised.".into(),
            });
        }
        let charge = self.settle(id, amount);
        self.charge_moves(&charge, cause);
        self.intent_mut(id).capture(amount);
        self.intent_event("payment_intent.succeeded", id, cause);
        self.show(id)
    }

    pub(super) fn cancel_intent(&mut self, id: &str, form: &Form, cause: &Cause) -> Result<Value, Refusal> {
        form.knows_only(&CANCEL_PARAMETERS)?;
        let intent = self.intent(id)?;
        if !intent.status.can_be_canceled() {
            return Err(self.unexpected_state(intent, "cancel"));
        }
        let reason = one_of(form, "cancellation_reason", &CANCEL_REASONS)?;
        self.let_go(id, reason, "charge.refunded", cause);
        self.show(id)
    }

    /// The authorisation runs out, as it does after a week without capture.
    pub(in crate::stripe) fn lapse(&mut self, id: &str, cause: &Cause) -> Result<(), Refusal> {
        let intent = self.intent(id)?;
        if intent.status != IntentStatus::RequiresCapture {
            return Err(self.unexpected_state(intent, "lapse"));
        }
        self.let_go(id, Some("automatic".to_owned()), "charge.expired", cause);
        Ok(())
    }

    /// Gives an authorisation back, if there is one. A cancellation is told as `charge.refunded` although no money moved.
    fn let_go(&mut self, id: &str, reason: Option<String>, told: &str, cause: &Cause) {
        let authorised = self.intents[id].status == IntentStatus::RequiresCapture;
        self.intent_mut(id).cancel(cause.now, reason);
        if authorised {
            let charge = self.settle(id, 0);
            self.charge_event(told, &charge, cause);
        }
        self.intent_event("payment_intent.canceled", id, cause);
    }

    /// Takes `amount` of the authorised charge and lets the rest go.
    fn settle(&mut self, id: &str, amount: i64) -> String {
        let charge = self.intents[id].latest_charge.clone().expect("an authorised intent has a charge");
        self.charges.change(&charge).settle(amount);
        charge
    }
}

pub(super) fn one_of(form: &Form, name: &'static str, allowed: &[&str]) -> Result<Option<String>, Refusal> {
    match form.text(name) {
        Some(value) if !allowed.contains(&value) => Err(Refusal::invalid(name, format!("Invalid {name}: {value}"))),
        value => Ok(value.map(str::to_owned)),
    }
}
