//! Looking things up, for callers and for audits.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Books, Call};
use crate::stripe::intent::{Intent, IntentStatus};
use crate::stripe::journal::Event;
use crate::stripe::refusal::Refusal;

/// A payment intent as an audit sees it. Amounts in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentSnapshot {
    /// `pi_…`
    pub id: String,
    /// Its status.
    pub status: IntentStatus,
    /// What was asked for.
    pub amount: i64,
    /// `eur`, `usd`, …
    pub currency: String,
    /// What was captured.
    pub captured: i64,
    /// What of it was given back.
    pub refunded: i64,
    /// The seller's notes.
    pub metadata: BTreeMap<String, String>,
}

impl Books {
    pub(super) fn get_intent(&self, call: &Call) -> Result<Value, Refusal> {
        self.check_secret(call)?;
        self.show(&call.id)
    }

    pub(super) fn get_charge(&self, id: &str) -> Result<Value, Refusal> {
        Ok(self.shape.charge(self.charges.find(id)?))
    }

    pub(super) fn get_refund(&self, id: &str) -> Result<Value, Refusal> {
        Ok(self.shape.refund(self.refunds.find(id)?))
    }

    pub(super) fn get_event(&self, id: &str) -> Result<Value, Refusal> {
        self.journal.event(id).map(body).ok_or_else(|| Refusal::Missing { what: "event", id: id.to_owned() })
    }

    /// Where a buyer goes after a redirect.
    pub(in crate::stripe) fn return_url(&self, id: &str) -> Option<String> {
        self.intents.get(id)?.return_url.clone()
    }

    /// The intent `id` for an audit.
    pub(in crate::stripe) fn snapshot(&self, id: &str) -> Option<IntentSnapshot> {
        self.intents.get(id).map(|intent| self.snapshot_of(intent))
    }

    fn snapshot_of(&self, intent: &Intent) -> IntentSnapshot {
        let refunded = intent.latest_charge.as_ref().map_or(0, |charge| self.charges[charge].refunded);
        IntentSnapshot {
            id: intent.id.clone(),
            status: intent.status,
            amount: intent.terms.amount,
            currency: intent.terms.currency.clone(),
            captured: intent.captured,
            refunded,
            metadata: intent.terms.metadata.clone(),
        }
    }

    /// All intents for an audit, in the order of creation.
    pub(in crate::stripe) fn snapshots(&self) -> Vec<IntentSnapshot> {
        self.intents.iter().map(|intent| self.snapshot_of(intent)).collect()
    }

    /// Captured and refunded sums of a currency, in minor units.
    pub(in crate::stripe) fn totals(&self, currency: &str) -> (i64, i64) {
        let of_currency = |charge: &&crate::stripe::charge::Charge| charge.currency == currency;
        self.charges
            .iter()
            .filter(of_currency)
            .fold((0, 0), |(captured, refunded), charge| (captured + charge.captured, refunded + charge.refunded))
    }
}

pub(super) fn body(event: &Event) -> Value {
    serde_json::from_slice(&event.body).expect("written as JSON by ourselves")
}
