//! Objects of events that are written in another API version than ours, read by what decides alone.
//!
//! The generated types know one version. Stripe's account, and each webhook endpoint, may have another: the fields that decide are
//! old and stay, but one that we do not need may be missing there, or have another shape. Whatever decides has to be there; where
//! it is not, the event is unreadable, as it is in our version.

use std::collections::HashMap;

use domain::Money;
use domain::memo::read_units;
use domain::payment::IntentStatus;
use serde::Deserialize;
use serde_json::Value;

use crate::intent::{ATTEMPT_KEY, Intent, IntentFault, ORDER_KEY, SALE_KEY, id_in, time};
use crate::refund::{REFUND_KEY, Refund, RefundStatus};

#[derive(Deserialize)]
struct PlainIntent {
    id: String,
    status: String,
    amount: i64,
    amount_capturable: i64,
    amount_received: i64,
    currency: domain::Currency,
    livemode: bool,
    metadata: HashMap<String, String>,
    last_payment_error: Option<PlainFailure>,
    latest_charge: Option<Value>,
    created: i64,
}

#[derive(Deserialize)]
struct PlainFailure {
    decline_code: Option<String>,
    code: Option<String>,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct PlainRefund {
    id: String,
    status: String,
    amount: i64,
    currency: domain::Currency,
    payment_intent: Option<Value>,
    metadata: Option<HashMap<String, String>>,
    created: i64,
}

pub(super) fn intent(json: &str) -> Result<Intent, IntentFault> {
    let intent: PlainIntent = serde_json::from_str(json).map_err(|_| IntentFault::Shape)?;
    let failure = |error: PlainFailure| error.decline_code.or(error.code).unwrap_or(error.kind);
    Ok(Intent {
        id: intent.id,
        status: IntentStatus::from_word(&intent.status).ok_or(IntentFault::Status)?,
        amount: Money::new(intent.amount, intent.currency),
        amount_capturable: intent.amount_capturable,
        amount_received: intent.amount_received,
        livemode: intent.livemode,
        client_secret: None,
        next_action: None,
        sale: id_in(&intent.metadata, SALE_KEY),
        order: id_in(&intent.metadata, ORDER_KEY),
        attempt: id_in(&intent.metadata, ATTEMPT_KEY),
        failure: intent.last_payment_error.map(failure),
        latest_charge: intent.latest_charge.as_ref().and_then(id_of),
        capture_before: None,
        paid_with: None,
        metadata: intent.metadata,
        created: time(intent.created)?,
    })
}

pub(super) fn refund(json: &str) -> Result<Refund, IntentFault> {
    let refund: PlainRefund = serde_json::from_str(json).map_err(|_| IntentFault::Shape)?;
    let metadata = refund.metadata.unwrap_or_default();
    Ok(Refund {
        id: refund.id,
        status: RefundStatus::from_word(&refund.status).ok_or(IntentFault::Status)?,
        amount: Money::new(refund.amount, refund.currency),
        payment_intent: refund.payment_intent.as_ref().and_then(id_of),
        refund: id_in(&metadata, REFUND_KEY),
        sale: id_in(&metadata, SALE_KEY),
        order: id_in(&metadata, ORDER_KEY),
        units: read_units(&metadata).unwrap_or_default(),
        created: time(refund.created)?,
    })
}

/// An object, or only its id.
fn id_of(object: &Value) -> Option<String> {
    object.as_str().or_else(|| object.get("id")?.as_str()).map(str::to_owned)
}
