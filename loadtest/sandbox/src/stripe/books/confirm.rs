//! Attempts to pay: confirmation, 3-D Secure, the bank's answer.

use serde_json::Value;

use super::{Books, Call, Cause, new_id};
use crate::stripe::call::Caller;
use crate::stripe::card::{Afterwards, Behaviour, Card, Decline};
use crate::stripe::charge::Charge;
use crate::stripe::form::Form;
use crate::stripe::intent::{ActionStyle, Intent, IntentStatus, Method};
use crate::stripe::refusal::Refusal;
use crate::stripe::timers::{BankPace, Timer, millis};

const CONFIRM_PARAMETERS: [&str; 10] = [
    "capture_method",
    "confirmation_token",
    "error_on_requires_action",
    "expand",
    "mandate_data",
    "off_session",
    "payment_method",
    "radar_options",
    "return_url",
    "use_stripe_sdk",
];

/// How a buyer leaves 3-D Secure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// The bank recognised the buyer.
    Passed,
    /// It did not.
    Failed,
}

impl Books {
    pub(super) fn confirm_intent(&mut self, id: &str, form: &Form, cause: &Cause) -> Result<Value, Refusal> {
        let intent = self.intent(id)?;
        if !intent.status.can_be_attempted() {
            return Err(self.unexpected_state(intent, "confirm"));
        }
        if !form.is_set("confirm")? {
            form.knows_only(&CONFIRM_PARAMETERS)?;
        }
        self.take_method(id, form)?;
        self.attempt(id, cause)?;
        self.show(id)
    }

    /// The end of 3-D Secure, told by the page.
    pub(super) fn authenticate_intent(&mut self, call: &Call, cause: &Cause) -> Result<Value, Refusal> {
        self.check_secret(call)?;
        let outcome = match call.form.text("outcome") {
            Some("fail") => Authentication::Failed,
            _ => Authentication::Passed,
        };
        self.authenticate(&call.id, outcome, cause)
    }

    /// The end of 3-D Secure. The buyer gets the intent, whatever came of it.
    pub(in crate::stripe) fn authenticate(
        &mut self,
        id: &str,
        outcome: Authentication,
        cause: &Cause,
    ) -> Result<Value, Refusal> {
        let intent = self.intent(id)?;
        let Some(method) = intent.method.as_ref().filter(|_| intent.status == IntentStatus::RequiresAction) else {
            return Err(self.unexpected_state(intent, "authenticate"));
        };
        match (outcome, method.card.behaviour) {
            (Authentication::Failed, _) => drop(self.decline(id, Decline::AuthenticationFailed, cause)),
            (Authentication::Passed, Behaviour::Authenticates(Afterwards::Declines(decline))) => {
                drop(self.decline(id, decline, cause));
            }
            (Authentication::Passed, _) => self.authorise(id, cause),
        }
        Ok(self.shape.intent(self.intent(id)?))
    }

    /// The late answer of the bank to a card that processes.
    pub(in crate::stripe) fn bank_answers(
        &mut self,
        id: &str,
        answer: BankAnswer,
        cause: &Cause,
    ) -> Result<(), Refusal> {
        let intent = self.intent(id)?;
        if intent.status != IntentStatus::Processing {
            return Err(self.unexpected_state(intent, "settle"));
        }
        match answer {
            BankAnswer::Yes => self.authorise(id, cause),
            BankAnswer::No => drop(self.decline(id, Decline::Generic, cause)),
        }
        Ok(())
    }

    /// Whether a page showed the secret of the intent it asks about; servers need none.
    pub(super) fn check_secret(&self, call: &Call) -> Result<(), Refusal> {
        let shown = call.form.text("client_secret");
        match call.caller {
            Caller::Server => Ok(()),
            Caller::Browser if shown == Some(self.intent(&call.id)?.secret.as_str()) => Ok(()),
            Caller::Browser => Err(Refusal::Forbidden),
        }
    }

    /// The payment method a form names: by token, by name, or the one the intent has.
    pub(super) fn find_method(&self, form: &Form, intent: Option<&Intent>) -> Result<Method, Refusal> {
        if let Some(id) = form.text("confirmation_token") {
            let token = self
                .tokens
                .get(id)
                .ok_or_else(|| Refusal::Missing { what: "confirmation_token", id: id.to_owned() })?;
            if token.used_by.is_some() {
                return Err(Refusal::Invalid {
                    name: "confirmation_token",
                    code: "token_already_used",
                    message: "This confirmation token has already been used.".into(),
                });
            }
            let (card, fingerprint) = (token.card, token.fingerprint.clone());
            return Ok(Method { id: token.method.clone(), card, fingerprint });
        }
        if let Some(name) = form.text("payment_method") {
            let (card, fingerprint) =
                Card::by_name(name).ok_or_else(|| Refusal::Missing { what: "PaymentMethod", id: name.to_owned() })?;
            return Ok(Method { id: new_id("pm_1"), card, fingerprint });
        }
        intent.and_then(|intent| intent.method.clone()).ok_or_else(|| Refusal::missing_parameter("payment_method"))
    }

    /// Uses the payment method a form names for the next attempt.
    pub(super) fn take_method(&mut self, id: &str, form: &Form) -> Result<(), Refusal> {
        let method = self.find_method(form, Some(self.intent(id)?))?;
        let mut return_url = form.text("return_url").map(str::to_owned);
        let mut action = ActionStyle::Redirect;
        if let Some(token) = form.text("confirmation_token").and_then(|token| self.tokens.get_mut(token)) {
            token.used_by = Some(id.to_owned());
            return_url = return_url.or_else(|| token.return_url.clone());
            action = ActionStyle::InPage;
        }
        action = match form.text("use_stripe_sdk") {
            Some("true") => ActionStyle::InPage,
            Some("false") => ActionStyle::Redirect,
            _ if return_url.is_none() => ActionStyle::InPage,
            _ => action,
        };
        let intent = self.intent_mut(id);
        intent.method = Some(method);
        intent.action = action;
        intent.return_url = return_url.or(intent.return_url.take());
        Ok(())
    }

    fn attempt(&mut self, id: &str, cause: &Cause) -> Result<(), Refusal> {
        let method = self.intents[id].method.as_ref().expect("an attempt has taken a payment method");
        match method.card.behaviour {
            Behaviour::Approves => self.authorise(id, cause),
            Behaviour::Declines(decline) => return Err(self.decline(id, decline, cause)),
            Behaviour::Authenticates(_) => {
                self.intent_mut(id).status = IntentStatus::RequiresAction;
                self.intent_event("payment_intent.requires_action", id, cause);
            }
            Behaviour::Processes => {
                self.intent_mut(id).status = IntentStatus::Processing;
                self.intent_event("payment_intent.processing", id, cause);
                if let Some(BankPace { after, answer }) = self.bank_pace {
                    self.timers.set(cause.now_ms, after, Timer::BankAnswers(id.to_owned(), answer));
                }
            }
        }
        Ok(())
    }

    fn authorise(&mut self, id: &str, cause: &Cause) {
        let charge = self.charge(id, None, cause);
        let intent = self.intent_mut(id);
        intent.authorise(charge.clone());
        let (captured, status) = (intent.captured, intent.status);
        if captured > 0 {
            self.charges.change(&charge).captured = captured;
            self.charge_moves(&charge, cause);
        }
        self.charge_event("charge.succeeded", &charge, cause);
        let kind = match status {
            IntentStatus::RequiresCapture => {
                self.timers.set(cause.now_ms, self.authorisation, Timer::Lapse(id.to_owned()));
                "payment_intent.amount_capturable_updated"
            }
            _ => "payment_intent.succeeded",
        };
        self.intent_event(kind, id, cause);
    }

    fn decline(&mut self, id: &str, decline: Decline, cause: &Cause) -> Refusal {
        // 3-D Secure fails before the bank is asked for money, so there is no charge.
        let charge = (decline != Decline::AuthenticationFailed).then(|| self.charge(id, Some(decline), cause));
        let method = self.intents[id].method.clone().expect("a declined attempt has a payment method");
        self.intent_mut(id).fail(decline, charge.clone());
        self.intent_event("payment_intent.payment_failed", id, cause);
        Refusal::Declined {
            decline,
            charge,
            intent: self.shape.intent(&self.intents[id]),
            payment_method: self.shape.method(&method, cause.now),
        }
    }

    fn charge(&mut self, intent: &str, failure: Option<Decline>, cause: &Cause) -> String {
        let intent = &self.intents[intent];
        let method = intent.method.as_ref().expect("a charge has a payment method");
        let charge = Charge {
            id: new_id("ch_3"),
            intent: intent.id.clone(),
            method: method.id.clone(),
            card: method.card,
            fingerprint: method.fingerprint.clone(),
            created: cause.now,
            capture_before: cause.now_ms.saturating_add(millis(self.authorisation)) / 1_000,
            amount: intent.terms.amount,
            currency: intent.terms.currency.clone(),
            captured: 0,
            released: 0,
            refunded: 0,
            failure,
            movement: None,
            disputes: Vec::new(),
            metadata: intent.terms.metadata.clone(),
        };
        let id = charge.id.clone();
        self.charges.insert(charge);
        id
    }
}

/// What a bank says at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BankAnswer {
    /// The money is there.
    Yes,
    /// It is not.
    No,
}
