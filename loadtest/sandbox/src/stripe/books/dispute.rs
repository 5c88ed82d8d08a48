//! Disputes: what a bank does to a captured payment.

use serde_json::Value;

use super::balance::Moved;
use super::{Books, Cause, new_id};
use crate::stripe::charge::Charge;
use crate::stripe::dispute::{Dispute, DisputeKind, DisputeStatus, DisputeStep};
use crate::stripe::form::Form;
use crate::stripe::movement::{Movement, MovementKind};
use crate::stripe::page::{PAGE_PARAMETERS, Page};
use crate::stripe::refusal::Refusal;

impl Books {
    /// A bank disputes `amount` of a captured intent; says the id of the dispute.
    pub(in crate::stripe) fn open_dispute(
        &mut self,
        intent: &str,
        amount: i64,
        kind: DisputeKind,
        cause: &Cause,
    ) -> Result<String, Refusal> {
        let charge = self.charge_to_dispute(intent, amount)?;
        let dispute = Dispute {
            id: new_id("du_3"),
            intent: intent.to_owned(),
            charge: charge.id.clone(),
            created: cause.now,
            amount,
            currency: charge.currency.clone(),
            status: DisputeStatus::of(kind),
            withdrawn: None,
            reinstated: None,
            submissions: 0,
        };
        let (id, charge) = (dispute.id.clone(), dispute.charge.clone());
        self.disputes.insert(dispute);
        self.charges.change(&charge).disputes.push(id.clone());
        self.dispute_event("created", &id, cause);
        Ok(id)
    }

    /// A dispute goes one step on, with what that moves and tells.
    pub(in crate::stripe) fn dispute_goes_on(
        &mut self,
        id: &str,
        step: DisputeStep,
        cause: &Cause,
    ) -> Result<(), Refusal> {
        let dispute = self.disputes.find(id)?;
        let (before, withdrawn) = (dispute.status, dispute.withdrawn.is_some());
        let again = step == DisputeStep::FundsWithdrawn && withdrawn;
        let Some(after) = before.after(step).filter(|_| !again) else {
            let message = format!("{step:?} does not follow {}.", before.as_str());
            return Err(Refusal::Invalid { name: "dispute", code: "dispute_unexpected_state", message });
        };
        self.disputes.change(id).status = after;
        match step {
            DisputeStep::FundsWithdrawn => {
                if after != before {
                    self.dispute_event("updated", id, cause);
                }
                let movement = self.dispute_moves(id, MovementKind::Dispute, cause);
                self.disputes.change(id).withdrawn = Some(movement);
                self.dispute_event("funds_withdrawn", id, cause);
            }
            DisputeStep::Updated => {
                self.disputes.change(id).submissions += 1;
                self.dispute_event("updated", id, cause);
            }
            DisputeStep::Won if withdrawn => {
                let movement = self.dispute_moves(id, MovementKind::DisputeReversal, cause);
                self.disputes.change(id).reinstated = Some(movement);
                self.dispute_event("funds_reinstated", id, cause);
                self.dispute_event("closed", id, cause);
            }
            DisputeStep::Won | DisputeStep::Lost | DisputeStep::WarningClosed => {
                self.dispute_event("closed", id, cause)
            }
        }
        Ok(())
    }

    pub(super) fn get_dispute(&self, id: &str, now: i64) -> Result<Value, Refusal> {
        Ok(self.show_dispute(self.disputes.find(id)?, now))
    }

    pub(super) fn list_disputes(&self, form: &Form, now: i64) -> Result<Value, Refusal> {
        form.knows_only(&[&PAGE_PARAMETERS[..], &["charge", "payment_intent"]].concat())?;
        let (charge, intent) = (form.text("charge"), form.text("payment_intent"));
        let found = Page::of(form)?.cut(&self.disputes, |dispute| {
            charge.is_none_or(|charge| dispute.charge == charge) && intent.is_none_or(|intent| dispute.intent == intent)
        })?;
        Ok(found.list("/v1/disputes", |dispute| self.show_dispute(dispute, now)))
    }

    pub(super) fn show_dispute(&self, dispute: &Dispute, now: i64) -> Value {
        let movements: Vec<&Movement> =
            dispute.withdrawn.iter().chain(&dispute.reinstated).map(|id| &self.movements[id]).collect();
        self.shape.dispute(dispute, &movements, now)
    }

    /// Whether a bank has money of the charge, or may keep it.
    pub(super) fn is_charged_back(&self, charge: &Charge) -> bool {
        charge.disputes.iter().any(|dispute| self.disputes[dispute].status.bars_refunds())
    }

    fn charge_to_dispute(&self, intent: &str, amount: i64) -> Result<&Charge, Refusal> {
        let captured = self.intent(intent)?.latest_charge.as_ref().map(|charge| &self.charges[charge]);
        captured.filter(|charge| (1..=charge.captured).contains(&amount)).ok_or_else(|| Refusal::Invalid {
            name: "amount",
            code: "charge_not_captured",
            message: format!("No charge of {intent} has captured {amount}."),
        })
    }

    fn dispute_moves(&mut self, id: &str, kind: MovementKind, cause: &Cause) -> String {
        let Dispute { amount, currency, intent, charge, .. } = self.disputes[id].clone();
        let sign = if kind == MovementKind::Dispute { -1 } else { 1 };
        let word = if kind == MovementKind::Dispute { "withdrawal" } else { "reversal" };
        let moved = Moved {
            kind,
            amount: sign * amount,
            fee: -sign * self.fees.dispute,
            currency: &currency,
            source: Some(id),
            intent: Some(&intent),
            description: Some(format!("Chargeback {word} for {charge}")),
        };
        self.moves(moved, cause)
    }

    fn dispute_event(&mut self, what: &str, id: &str, cause: &Cause) {
        let object = self.show_dispute(&self.disputes[id], cause.now);
        self.record(&format!("charge.dispute.{what}"), &object, cause);
    }
}
