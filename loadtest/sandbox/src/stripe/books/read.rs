//! Looking things up, for callers and for audits.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Books, Call};
use crate::stripe::charge::Refund;
use crate::stripe::form::Form;
use crate::stripe::intent::IntentStatus;
use crate::stripe::journal::Event;
use crate::stripe::refusal::Refusal;

/// Stripe's default and bounds of `limit`.
const LIMIT_DEFAULT: i64 = 10;
const LIMIT_MAX: i64 = 100;

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
        self.show(&call.id, &call.form)
    }

    pub(super) fn get_charge(&self, id: &str) -> Result<Value, Refusal> {
        let charge = self.charges.get(id).ok_or_else(|| Refusal::Missing { what: "charge", id: id.to_owned() })?;
        Ok(self.shape.charge(charge))
    }

    pub(super) fn get_refund(&self, id: &str) -> Result<Value, Refusal> {
        let refund = self.refunds.get(id).ok_or_else(|| Refusal::Missing { what: "refund", id: id.to_owned() })?;
        Ok(self.shape.refund(refund))
    }

    /// Newest first, also of those of one second; `limit`, `starting_after`, `payment_intent`.
    pub(super) fn list_refunds(&self, form: &Form) -> Result<Value, Refusal> {
        let length = limit(form)?;
        let mut refunds: Vec<&Refund> = self.refunds.values().collect();
        refunds.sort_by_key(|refund| Reverse((refund.created, &refund.id)));
        let mut refunds = refunds.into_iter();
        if let Some(last) = form.text("starting_after") {
            refunds.find(|refund| refund.id == last);
        }
        let intent = form.text("payment_intent");
        let mut found = refunds.filter(|refund| intent.is_none_or(|intent| refund.intent == intent));
        let page: Vec<Value> = found.by_ref().take(length).map(|refund| self.shape.refund(refund)).collect();
        let has_more = found.next().is_some();
        Ok(json!({ "object": "list", "data": page, "has_more": has_more, "url": "/v1/refunds" }))
    }

    pub(super) fn get_event(&self, id: &str) -> Result<Value, Refusal> {
        self.journal.event(id).map(body).ok_or_else(|| Refusal::Missing { what: "event", id: id.to_owned() })
    }

    /// Newest first; `limit`, `starting_after`, `type`, `types[]`, `delivery_success`, `created[gte]`.
    pub(super) fn list_events(&self, form: &Form) -> Result<Value, Refusal> {
        let length = limit(form)?;
        let since = form.number("created[gte]")?.unwrap_or(i64::MIN);
        let kinds: Vec<String> = form.text("type").map(str::to_owned).into_iter().chain(form.list("types")).collect();
        let delivered = form.text("delivery_success").map(|wanted| wanted == "true");
        let wanted = |event: &&Event| {
            (kinds.is_empty() || kinds.contains(&event.kind))
                && event.created >= since
                && delivered.is_none_or(|wanted| wanted == event.is_delivered())
        };
        let mut events = self.journal.newest_first();
        if let Some(last) = form.text("starting_after") {
            events.find(|event| event.id == last);
        }
        let mut found = events.filter(wanted);
        let page: Vec<Value> = found.by_ref().take(length).map(body).collect();
        let has_more = found.next().is_some();
        Ok(json!({ "object": "list", "data": page, "has_more": has_more, "url": "/v1/events" }))
    }

    /// Where a buyer goes after a redirect.
    pub(in crate::stripe) fn return_url(&self, id: &str) -> Option<String> {
        self.intents.get(id)?.return_url.clone()
    }

    /// The intent `id` for an audit.
    pub(in crate::stripe) fn snapshot(&self, id: &str) -> Option<IntentSnapshot> {
        let intent = self.intents.get(id)?;
        let refunded = intent.latest_charge.as_ref().map_or(0, |charge| self.charges[charge].refunded);
        Some(IntentSnapshot {
            id: intent.id.clone(),
            status: intent.status,
            amount: intent.terms.amount,
            currency: intent.terms.currency.clone(),
            captured: intent.captured,
            refunded,
            metadata: intent.terms.metadata.clone(),
        })
    }

    /// All intents for an audit, in the order of creation.
    pub(in crate::stripe) fn snapshots(&self) -> Vec<IntentSnapshot> {
        let mut ids: Vec<(usize, &str)> =
            self.intents.values().map(|intent| (intent.sequence, intent.id.as_str())).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|(_, id)| self.snapshot(id)).collect()
    }

    /// Captured and refunded sums of a currency, in minor units.
    pub(in crate::stripe) fn totals(&self, currency: &str) -> (i64, i64) {
        let of_currency = |charge: &&crate::stripe::charge::Charge| charge.currency == currency;
        self.charges
            .values()
            .filter(of_currency)
            .fold((0, 0), |(captured, refunded), charge| (captured + charge.captured, refunded + charge.refunded))
    }
}

fn body(event: &Event) -> Value {
    serde_json::from_slice(&event.body).expect("written as JSON by ourselves")
}

/// How many a page of a list has.
fn limit(form: &Form) -> Result<usize, Refusal> {
    let limit = form.number("limit")?.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Refusal::invalid("limit", format!("Invalid limit: {limit}")));
    }
    Ok(usize::try_from(limit).expect("checked to be from 1 to 100"))
}
