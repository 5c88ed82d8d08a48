//! Everything the fake Stripe knows, and every call as a change of it.
//!
//! Pure but for ids: no waiting, no network; the time comes with the call. Each change records its events with the object
//! as it is at that moment, in the order Stripe makes them. Bound: [`INTENTS_MAX`] payment intents, then `rate_limit`.

mod account;
mod balance;
mod confirm;
mod create;
mod dispute;
mod expand;
mod list;
mod read;
mod refund;
mod settle;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::account::{Account, WebhookEndpoint};
use super::call::{Caller, Operation};
use super::charge::{Charge, Refund};
use super::dispute::Dispute;
use super::form::Form;
use super::intent::Intent;
use super::journal::Journal;
use super::movement::{Fees, Movement};
use super::options::FakeStripeOptions;
use super::refusal::Refusal;
use super::register::Register;
use super::shape::{API_VERSION, Shape};
use super::timers::{BankPace, RefundPace, Timer, Timers};
use super::token::Token;

pub use self::confirm::{Authentication, BankAnswer};
pub use self::read::IntentSnapshot;

/// Payment intents kept, of about 1 KiB each with their charge.
const INTENTS_MAX: usize = 500_000;

/// An authorisation of a card in the buyer's presence lapses after a week.
const AUTHORISATION: Duration = Duration::from_secs(7 * 24 * 3_600);

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
    /// In Unix seconds, as objects are stamped.
    pub(super) now: i64,
    /// The same in milliseconds, as timers are set.
    pub(super) now_ms: i64,
    pub(super) request: Option<String>,
    pub(super) key: Option<String>,
}

/// The whole state of an account.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) shape: Shape,
    pub(super) account: Option<String>,
    pub(super) seller: Account,
    pub(super) endpoints: Vec<WebhookEndpoint>,
    pub(super) journal: Journal,
    /// Numbers of events to deliver, in order; the owner schedules and empties them.
    pub(super) unscheduled: Vec<u64>,
    fees: Fees,
    search_lag_s: i64,
    authorisation: Duration,
    pub(super) bank_pace: Option<BankPace>,
    pub(super) refund_pace: RefundPace,
    pub(super) timers: Timers,
    intents: Register<Intent>,
    charges: Register<Charge>,
    refunds: Register<Refund>,
    disputes: Register<Dispute>,
    movements: Register<Movement>,
    tokens: HashMap<String, Token>,
}

impl Books {
    pub(super) fn new(shape: Shape, options: &FakeStripeOptions) -> Books {
        Books {
            shape,
            account: options.account.clone(),
            seller: Account::default(),
            endpoints: options.webhook.iter().map(|webhook| WebhookEndpoint::of(&webhook.url)).collect(),
            journal: Journal::default(),
            unscheduled: Vec::new(),
            fees: options.fees,
            authorisation: options.authorisation_lasts.unwrap_or(AUTHORISATION),
            bank_pace: options.bank_pace,
            refund_pace: options.refund_pace,
            timers: Timers::default(),
            search_lag_s: i64::try_from(options.search_lag.as_secs()).unwrap_or(i64::MAX),
            intents: Register::default(),
            charges: Register::default(),
            refunds: Register::default(),
            disputes: Register::default(),
            movements: Register::default(),
            tokens: HashMap::new(),
        }
    }

    /// Carries out one call and answers with the object it is about.
    pub(super) fn carry_out(&mut self, call: &Call, now_ms: i64) -> Result<Value, Refusal> {
        let now = now_ms / 1_000;
        let cause = Cause { now, now_ms, request: Some(call.request.clone()), key: call.key.clone() };
        let (id, form) = (call.id.as_str(), &call.form);
        expand::check(form)?;
        let answer = match call.operation {
            Operation::CreateConfirmationToken => self.create_token(form, now),
            Operation::CreateIntent => self.create_intent(form, &cause),
            Operation::GetIntent => self.get_intent(call),
            Operation::ListIntents => self.list_intents(form),
            Operation::SearchIntents => self.search_intents(form, now),
            Operation::ConfirmIntent => self.confirm_intent(id, form, &cause),
            Operation::CaptureIntent => self.capture_intent(id, form, &cause),
            Operation::CancelIntent => self.cancel_intent(id, form, &cause),
            Operation::AuthenticateIntent => self.authenticate_intent(call, &cause),
            Operation::CreateRefund => self.create_refund(form, &cause),
            Operation::GetRefund => self.get_refund(id),
            Operation::ListRefunds => self.list_refunds(form),
            Operation::GetCharge => self.get_charge(id),
            Operation::ListCharges => self.list_charges(form),
            Operation::GetDispute => self.get_dispute(id, now),
            Operation::ListDisputes => self.list_disputes(form, now),
            Operation::GetBalance => Ok(self.get_balance(now)),
            Operation::GetMovement => self.get_movement(id, now),
            Operation::ListMovements => self.list_movements(form, now),
            Operation::ListEvents => self.list_events(form),
            Operation::GetEvent => self.get_event(id),
            Operation::GetAccount => Ok(self.get_account()),
            Operation::GetCountry => self.get_country(id),
            Operation::ListMethodConfigurations => self.list_methods(form),
            Operation::ListEndpoints => self.list_endpoints(form),
            Operation::CreateEndpoint => self.create_endpoint(form),
            Operation::UpdateEndpoint => self.update_endpoint(id, form),
        }?;
        self.expanded(answer, form, now)
    }

    /// Everything that is due happens, each with the objects as they are then.
    pub(super) fn run_due(&mut self, cause: &Cause) {
        while let Some(timer) = self.timers.take_due(cause.now_ms) {
            // A refusal says that the object has moved on meanwhile.
            let _ = match timer {
                Timer::Lapse(intent) => self.lapse(&intent, cause),
                Timer::BankAnswers(intent, answer) => self.bank_answers(&intent, answer, cause),
                Timer::RefundEnds(refund, outcome) => self.refund_ends(&refund, outcome, cause),
            };
        }
    }

    fn intent(&self, id: &str) -> Result<&Intent, Refusal> {
        self.intents.find(id)
    }

    /// For ids that came out of `self.intents`.
    fn intent_mut(&mut self, id: &str) -> &mut Intent {
        self.intents.change(id)
    }

    /// The intent as an answer.
    fn show(&self, id: &str) -> Result<Value, Refusal> {
        Ok(self.shape.intent(self.intent(id)?))
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
        // As text at once: the object is the most of it, and would be copied into a larger tree only to be written.
        let livemode = object["livemode"].as_bool().unwrap_or(self.shape.mode == super::Mode::Live);
        let request = json!({ "id": cause.request, "idempotency_key": cause.key });
        let account =
            self.account.as_ref().map_or(String::new(), |account| format!(r#""account":{},"#, json!(account)));
        let event = format!(
            r#"{{{account}"api_version":"{API_VERSION}","created":{},"data":{{"object":{object}}},"id":"{id}","livemode":{livemode},"object":"event","pending_webhooks":1,"request":{request},"type":{}}}"#,
            cause.now,
            json!(kind),
        );
        let about = object["id"].as_str().unwrap_or_default().to_owned();
        let number = self.journal.record(id.clone(), kind, about, cause.now, Bytes::from(event));
        self.unscheduled.push(number);
        id
    }
}

/// A new id that looks like Stripe's: 24 characters after the prefix.
pub(super) fn new_id(prefix: &str) -> String {
    let random = Uuid::new_v4().simple().to_string();
    let length = 24 + prefix.find('_').map_or(0, |underscore| underscore + 1) - prefix.len();
    format!("{prefix}{}", &random[..length])
}
