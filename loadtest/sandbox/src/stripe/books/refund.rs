//! Refunds: made at once or pending for a while, and sometimes come back.
//!
//! | change | from | to | balance | events |
//! |---|---|---|---|---|
//! | made | | `succeeded`, or `pending` by [`RefundPace`] | the amount out | `refund.created`, `charge.refunded` |
//! | succeeds | `pending` | `succeeded` | | `refund.updated`, `charge.refund.updated` |
//! | fails | `pending` `succeeded` | `failed` | the amount back | `refund.updated`, `refund.failed`, `charge.refund.updated` |
//!
//! Source: <https://docs.stripe.com/refunds>.

use serde_json::Value;

use super::balance::Moved;
use super::settle::one_of;
use super::{Books, Cause, new_id};
use crate::stripe::charge::{Refund, RefundOutcome, RefundStatus};
use crate::stripe::form::Form;
use crate::stripe::movement::MovementKind;
use crate::stripe::refusal::Refusal;
use crate::stripe::timers::{RefundPace, Timer};

const REFUND_PARAMETERS: [&str; 6] = ["amount", "charge", "expand", "metadata", "payment_intent", "reason"];
const REFUND_REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

impl Books {
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
            status: self.begin_status(),
            movement: String::new(),
            failure_movement: None,
            metadata: form.map("metadata"),
        };
        refund.movement = self.refund_moves(&refund, MovementKind::Refund, cause);
        if let RefundPace::Later { after, outcome } = self.refund_pace {
            self.timers.set(cause.now_ms, after, Timer::RefundEnds(refund.id.clone(), outcome));
        }
        let shown = self.shape.refund(&refund);
        self.refunds.insert(refund);
        self.charges.change(&charge_id).refunded += amount;
        self.record("refund.created", &shown, cause);
        self.charge_event("charge.refunded", &charge_id, cause);
        Ok(shown)
    }

    /// A refund arrives, or comes back.
    pub(in crate::stripe) fn refund_ends(
        &mut self,
        id: &str,
        outcome: RefundOutcome,
        cause: &Cause,
    ) -> Result<(), Refusal> {
        let refund = self.refunds.find(id)?.clone();
        let more = match (outcome, refund.status) {
            (RefundOutcome::Succeeds, RefundStatus::Pending) => {
                self.refunds.change(id).status = RefundStatus::Succeeded;
                None
            }
            (RefundOutcome::Fails, RefundStatus::Pending | RefundStatus::Succeeded) => {
                let movement = self.refund_moves(&refund, MovementKind::RefundFailure, cause);
                let failed = self.refunds.change(id);
                (failed.status, failed.failure_movement) = (RefundStatus::Failed, Some(movement));
                self.charges.change(&refund.charge).refunded -= refund.amount;
                Some("refund.failed")
            }
            (RefundOutcome::Succeeds, RefundStatus::Succeeded | RefundStatus::Failed)
            | (RefundOutcome::Fails, RefundStatus::Failed) => {
                let message = format!("{outcome:?} does not follow {}.", refund.status.as_str());
                return Err(Refusal::Invalid { name: "refund", code: "refund_unexpected_state", message });
            }
        };
        let shown = self.shape.refund(&self.refunds[id]);
        for kind in ["refund.updated"].into_iter().chain(more).chain(["charge.refund.updated"]) {
            self.record(kind, &shown, cause);
        }
        Ok(())
    }

    fn begin_status(&self) -> RefundStatus {
        match self.refund_pace {
            RefundPace::AtOnce => RefundStatus::Succeeded,
            RefundPace::Later { .. } | RefundPace::Waits => RefundStatus::Pending,
        }
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
