//! Everything the fake Stripe knows, and every call as a change of it.
//!
//! Pure but for ids: no waiting, no network; the time comes with the call. Each change records its events with the object
//! as it is at that moment, in the order Stripe makes them. Bound: [`INTENTS_MAX`] payment intents, then `rate_limit`.

mod confirm;
mod create;
mod read;
mod settle;

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Caller, Operation};
use super::charge::{Charge, Refund};
use super::form::Form;
use super::intent::Intent;
use super::journal::Journal;
use super::refusal::Refusal;
use super::shape::{API_VERSION, Shape};
use super::token::Token;

pub use self::confirm::{Authentication, BankAnswer};
pub use self::read::IntentSnapshot;

/// Payment intents kept, of about 1 KiB each with their charge.
const INTENTS_MAX: usize = 500_000;

/// One call, parsed.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) caller: Caller,
    /// The id in the path, or nothing.
    pub(super) id: String,
    pub(super) path: String,
    pub(super) form: Form,
    pub(super) key: Option<String>,
    pub(super) request: String,
}

/// What caused an event.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause {
    pub(super) now: i64,
    pub(super) request: Option<String>,
    pub(super) key: Option<String>,
}

/// The whole state of an account.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) shape: Shape,
    pub(super) account: Option<String>,
    pub(super) journal: Journal,
    /// Numbers of events to deliver, in order; the owner schedules and empties them.
    pub(super) unscheduled: Vec<u64>,
    intents: HashMap<String, Intent>,
    charges: HashMap<String, Charge>,
    refunds: HashMap<String, Refund>,
    tokens: HashMap<String, Token>,
}

impl Books {
    pub(super) fn new(shape: Shape, account: Option<String>) -> Books {
        Books {
            shape,
            account,
            journal: Journal::default(),
            unscheduled: Vec::new(),
            intents: HashMap::new(),
            charges: HashMap::new(),
            refunds: HashMap::new(),
            tokens: HashMap::new(),
        }
    }

    /// Carries out one call at `now` and answers with the object it is about.
    pub(super) fn carry_out(&mut self, call: &Call, now: i64) -> Result<Value, Refusal> {
        let cause = Cause { now, request: Some(call.request.clone()), key: call.key.clone() };
        let (id, form) = (call.id.as_str(), &call.form);
        match call.operation {
            Operation::CreateConfirmationToken => self.create_token(form, now),
            Operation::CreateIntent => self.create_intent(form, &cause),
            Operation::GetIntent => self.get_intent(call),
            Operation::ConfirmIntent => self.confirm_intent(id, form, &cause),
            Operation::CaptureIntent => self.capture_intent(id, form, &cause),
            Operation::CancelIntent => self.cancel_intent(id, form, &cause),
            Operation::AuthenticateIntent => self.authenticate_intent(call, &cause),
            Operation::CreateRefund => self.create_refund(form, &cause),
            Operation::GetRefund => self.get_refund(id),
            Operation::ListRefunds => self.list_refunds(form),
            Operation::GetCharge => self.get_charge(id),
            Operation::ListEvents => self.list_events(form),
            Operation::GetEvent => self.get_event(id),
        }
    }

    fn intent(&self, id: &str) -> Result<&Intent, Refusal> {
        self.intents.get(id).ok_or_else(|| Refusal::Missing { what: "payment_intent", id: id.to_owned() })
    }

    /// For ids that came out of `self.intents`.
    fn intent_mut(&mut self, id: &str) -> &mut Intent {
        self.intents.get_mut(id).expect("intents are never removed")
    }

    /// The intent as an answer, with `expand[]=latest_charge` followed.
    fn show(&self, id: &str, form: &Form) -> Result<Value, Refusal> {
        let intent = self.intent(id)?;
        let mut shown = self.shape.intent(intent);
        for wanted in form.list("expand") {
            match (wanted.as_str(), &intent.latest_charge) {
                ("latest_charge", Some(charge)) => shown["latest_charge"] = self.shape.charge(&self.charges[charge]),
                ("latest_charge", None) => {}
                _ => return Err(Refusal::invalid("expand", format!("This property cannot be expanded ({wanted})."))),
            }
        }
        Ok(shown)
    }

    fn unexpected_state(&self, intent: &Intent, verb: &str) -> Refusal {
        Refusal::UnexpectedState {
            message: format!(
                "You cannot {verb} this PaymentIntent because it has a status of {}.",
                intent.status.as_str()
            ),
            intent: self.shape.intent(intent),
        }
    }

    fn intent_event(&mut self, kind: &str, id: &str, cause: &Cause) {
        let object = self.shape.intent(&self.intents[id]);
        self.record(kind, &object, cause);
    }

    fn charge_event(&mut self, kind: &str, id: &str, cause: &Cause) {
        let object = self.shape.charge(&self.charges[id]);
        self.record(kind, &object, cause);
    }

    /// Records an event about `object` and says its id.
    pub(super) fn record(&mut self, kind: &str, object: &Value, cause: &Cause) -> String {
        let id = new_id("evt_3");
        let mut event = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": cause.now,
            "data": { "object": object },
            "livemode": object["livemode"].as_bool().unwrap_or(self.shape.mode == super::Mode::Live),
            "pending_webhooks": 1,
            "request": { "id": cause.request, "idempotency_key": cause.key },
            "type": kind,
        });
        if let Some(account) = &self.account {
            event["account"] = account.as_str().into();
        }
        let about = object["id"].as_str().unwrap_or_default().to_owned();
        let number = self.journal.record(id.clone(), kind, about, cause.now, Bytes::from(event.to_string()));
        self.unscheduled.push(number);
        id
    }
}

/// A new id that looks like Stripe's: 24 characters after the prefix.
fn new_id(prefix: &str) -> String {
    let random = Uuid::new_v4().simple().to_string();
    let length = 24 + prefix.find('_').map_or(0, |underscore| underscore + 1) - prefix.len();
    format!("{prefix}{}", &random[..length])
}
