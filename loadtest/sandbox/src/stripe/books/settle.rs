//! What becomes of an authorised payment: capture, cancellation, lapse, refund.

use serde_json::Value;

use super::balance::Moved;
use super::{Books, Cause, new_id};
use crate::stripe::charge::Refund;
use crate::stripe::form::Form;
use crate::stripe::intent::IntentStatus;
use crate::stripe::movement::MovementKind;
use crate::stripe::refusal::Refusal;

const CAPTURE_PARAMETERS: [&str; 5] =
    ["amount_to_capture", "expand", "final_capture", "metadata", "statement_descriptor_suffix"];
const CANCEL_PARAMETERS: [&str; 2] = ["cancellation_reason", "expand"];
const CANCEL_REASONS: [&str; 4] = ["abandoned", "duplicate", "fraudulent", "requested_by_customer"];
const REFUND_PARAMETERS: [&str; 6] = ["amount", "charge", "expand", "metadata", "payment_intent", "reason"];
const REFUND_REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

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
        self.let_go(id, reason, cause);
        self.show(id)
    }

    /// The authorisation runs out, as it does after a week without capture.
    pub(in crate::stripe) fn lapse(&mut self, id: &str, cause: &Cause) -> Result<(), Refusal> {
        let intent = self.intent(id)?;
        if intent.status != IntentStatus::RequiresCapture {
            return Err(self.unexpected_state(intent, "lapse"));
        }
        self.let_go(id, Some("automatic".to_owned()), cause);
        Ok(())
    }

    pub(super) fn create_refund(&mut self, form: &Form, cause: &Cause) -> Result<Value, Refusal> {
        form.knows_only(&REFUND_PARAMETERS)?;
        let charge_id = self.charge_to_refund(form)?;
        let charge = &self.charges[&charge_id];
        if self.is_charged_back(charge) {
            return Err(Refusal::Invalid {
                name: "charge",
                code: "charge_disputed",
                message: format!("Charge {charge_id} has been charged back; cannot issue a refund."),
            });
        }
        let amount = form.number("amount")?.unwrap_or(charge.refundable());
        check_refund(charge.captured, charge.refundable(), amount)?;
        let mut refund = Refund {
            id: new_id("re_3"),
            intent: charge.intent.clone(),
            charge: charge_id.clone(),
            created: cause.now,
            amount,
            currency: charge.currency.clone(),
            reason: one_of(form, "reason", &REFUND_REASONS)?,
            movement: String::new(),
            metadata: form.map("metadata"),
        };
        refund.movement = self.refund_moves(&refund, MovementKind::Refund, cause);
        let shown = self.shape.refund(&refund);
        self.refunds.insert(refund);
        self.charges.change(&charge_id).refunded += amount;
        self.record("refund.created", &shown, cause);
        self.charge_event("charge.refunded", &charge_id, cause);
        Ok(shown)
    }

    /// What a refund takes out of the balance, or what a failed one brings back.
    fn refund_moves(&mut self, refund: &Refund, kind: MovementKind, cause: &Cause) -> String {
        let moved = Moved {
            kind,
            amount: if kind == MovementKind::Refund { -refund.amount } else { refund.amount },
            fee: 0,
            currency: &refund.currency,
            source: Some(&refund.id),
            intent: Some(&refund.intent),
            description: None,
        };
        self.moves(moved, cause)
    }

    fn charge_to_refund(&self, form: &Form) -> Result<String, Refusal> {
        if let Some(id) = form.text("payment_intent") {
            let intent = self.intent(id)?;
            return intent.latest_charge.clone().ok_or_else(|| Refusal::Invalid {
                name: "payment_intent",
                code: "charge_not_captured",
                message: format!("This PaymentIntent ({id}) does not have a successful charge to refund."),
            });
        }
        let id = form.text("charge").ok_or_else(|| Refusal::missing_parameter("payment_intent"))?;
        Ok(self.charges.find(id)?.id.clone())
    }

    /// Gives an authorisation back, if there is one. Stripe reports that as `charge.refunded` although no money moved.
    fn let_go(&mut self, id: &str, reason: Option<String>, cause: &Cause) {
        let authorised = self.intents[id].status == IntentStatus::RequiresCapture;
        self.intent_mut(id).cancel(cause.now, reason);
        if authorised {
            let charge = self.settle(id, 0);
            self.charge_event("charge.refunded", &charge, cause);
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

fn check_refund(captured: i64, refundable: i64, amount: i64) -> Result<(), Refusal> {
    let refuse = |code, message: String| Err(Refusal::Invalid { name: "amount", code, message });
    if captured == 0 {
        return refuse("charge_not_captured", "This charge has not been captured.".into());
    }
    if refundable == 0 {
        return refuse("charge_already_refunded", "This charge has already been refunded.".into());
    }
    if !(1..=refundable).contains(&amount) {
        return refuse(
            "parameter_invalid_integer",
            format!("Refund amount ({amount}) is not between 1 and the unrefunded amount on charge ({refundable})."),
        );
    }
    Ok(())
}

fn one_of(form: &Form, name: &'static str, allowed: &[&str]) -> Result<Option<String>, Refusal> {
    match form.text(name) {
        Some(value) if !allowed.contains(&value) => Err(Refusal::invalid(name, format!("Invalid {name}: {value}"))),
        value => Ok(value.map(str::to_owned)),
    }
}
