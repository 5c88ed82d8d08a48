//! A fake Stripe: real HTTP, real object shapes, real signatures, no money.
//!
//! | part | calls | on request |
//! |---|---|---|
//! | confirmation tokens, Stripe.js | create; a stand-in script, a page for 3-D Secure | cards that approve, decline, ask, process; a card used again |
//! | payment intents | create, confirm, capture, cancel, get, list, search | 3-D Secure, late answers of banks, lapse |
//! | charges | get, list | |
//! | refunds | create, get, list | pending, arriving, coming back |
//! | disputes | get, list | from the first question to the end |
//! | balance, balance transactions | get, list | fees |
//! | events | get, list | by hand, once more |
//! | account, its country, its payment methods | get, list | what it may do and takes |
//! | webhook endpoints | create, update, list | set as a seller may have left them |
//! | webhook | signed, tried again | twice, late, out of order, never, by a wrong clock |
//! | any call | idempotency keys, `expand[]` | limits, latency, outage, lost answers, 429, 500 |
//!
//! Anything else is refused as Stripe refuses what it does not know. It keeps books of its own for audits. What is done on
//! request is in [`CallFault`], [`WebhookFault`], [`Availability`], [`Latency`], [`Limits`], [`Fees`], [`RefundPace`],
//! [`BankPace`], [`DisputeStep`], and the clock can be set forward.
//!
//! Guarantees: a call is carried out once per idempotency key; one call at a time changes a payment intent; every change
//! has its events; the captured and refunded sums are exact. Bounds: connections, bodies, intents, remembered answers,
//! events, deliveries at once and attempts per delivery each have a named one in their module. It does not check amounts
//! against a currency's own minimum, and has no payouts.

mod account;
mod audit;
mod books;
mod browser;
mod call;
mod card;
mod charge;
mod clock;
mod core;
mod dispute;
mod endpoint;
mod fault;
mod form;
mod intent;
mod journal;
mod keys;
mod latency;
mod limits;
mod movement;
mod options;
mod page;
mod refusal;
mod register;
mod search;
mod shape;
mod timers;
mod token;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

pub use self::account::{Account, WebhookEndpoint};
pub use self::audit::EventSummary;
pub use self::books::{Authentication, BankAnswer, IntentSnapshot};
pub use self::call::Operation;
pub use self::charge::RefundOutcome;
pub use self::dispute::{DisputeKind, DisputeStep};
pub use self::fault::{CallFault, WebhookFault};
pub use self::intent::IntentStatus;
pub use self::latency::Latency;
pub use self::limits::Limits;
pub use self::movement::{Fees, Movement, MovementKind, Tally};
pub use self::options::{Availability, FakeStripeOptions, Mode, Webhook};
pub use self::timers::{BankPace, RefundPace};
pub use self::webhook::sign_webhook;

use self::books::{Books, Cause};
use self::core::Core;
use self::page::Listed;
use self::refusal::Refusal;
use self::shape::Shape;
use crate::SandboxError;
use crate::http;
use crate::listen::Listener;

/// How often [`FakeStripe::wait_until_delivered`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running fake Stripe. Dropping it ends it.
#[derive(Debug)]
pub struct FakeStripe {
    core: Arc<Core>,
    listener: Listener,
}

/// The fake has no such object, or the object is in another state.
#[derive(Debug, thiserror::Error)]
#[error("the fake Stripe refused: {0}")]
pub struct Refused(String);

impl FakeStripe {
    /// Starts a fake on a port of its own.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(options: FakeStripeOptions) -> Result<FakeStripe, SandboxError> {
        let shape = Shape { mode: options.mode, base_url: String::new() };
        let (bind, browser_base) = (options.bind, options.browser_base.clone());
        let books = Books::new(shape, &options);
        let core = Arc::new(Core::new(options, books));
        let answering = core.clone();
        let listener = Listener::start(bind, move |stream| {
            let core = answering.clone();
            async move {
                http::serve(stream, |request| {
                    let core = core.clone();
                    async move { endpoint::respond(&core, request).await }
                })
                .await;
            }
        })
        .await?;
        let stripe = FakeStripe { core, listener };
        stripe.core.state().books.shape.base_url = browser_base.unwrap_or_else(|| stripe.base_url());
        stripe.core.spawn(webhook::deliver(stripe.core.clone()));
        stripe.core.spawn(clock::keep_time(stripe.core.clone()));
        Ok(stripe)
    }

    /// `http://127.0.0.1:port`, for `STRIPE_API_BASE`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The same for `STRIPE_BROWSER_BASE`, unless [`FakeStripeOptions::browser_base`] says otherwise.
    #[must_use]
    pub fn browser_base(&self) -> String {
        self.core.state().books.shape.base_url.clone()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Events made from now on go to `webhook`; those under way follow it too.
    pub fn set_webhook(&self, webhook: Webhook) {
        self.core.state().webhook = Some(webhook);
    }

    /// The seller's account is like this from now on.
    pub fn set_account(&self, account: Account) {
        self.core.state().books.seller = account;
    }

    /// The webhook endpoints, as somebody left them: one for [`FakeStripeOptions::webhook`] unless they were changed.
    #[must_use]
    pub fn endpoints(&self) -> Vec<WebhookEndpoint> {
        self.core.state().books.endpoints.clone()
    }

    /// These are the webhook endpoints from now on. Where events go stays what [`FakeStripe::set_webhook`] says.
    pub fn set_endpoints(&self, endpoints: Vec<WebhookEndpoint>) {
        self.core.state().books.endpoints = endpoints;
    }

    /// Calls from now on take this long.
    pub fn set_latency(&self, latency: Latency) {
        self.core.state().latency = latency;
    }

    /// Calls from now on meet these limits.
    pub fn set_limits(&self, limits: Limits) {
        self.core.state().limiter.set(limits);
    }

    /// Events made from now on are delivered with these faults; an empty list ends them.
    pub fn set_webhook_faults(&self, faults: Vec<WebhookFault>) {
        self.core.state().webhook_faults = faults;
    }

    /// Sets the clock of the fake forward: objects and events are stamped with it, and what is due by it has happened when this
    /// returns. Deliveries are signed with the time of the machine all the same.
    pub fn advance_clock(&self, by: Duration) {
        self.core.change(|state| {
            state.clock.advance(by);
            state.run_due();
        });
    }

    /// Cards that process from now on are answered like this; `None` leaves it to [`FakeStripe::bank_answers`].
    pub fn set_bank_pace(&self, pace: Option<BankPace>) {
        self.core.state().books.bank_pace = pace;
    }

    /// Refunds from now on take this long.
    pub fn set_refund_pace(&self, pace: RefundPace) {
        self.core.state().books.refund_pace = pace;
    }

    /// The next `times` calls of the seller's server go wrong. A buyer's calls are spared.
    pub fn fail_next(&self, times: u32, fault: CallFault) {
        self.core.state().call_faults.plan(None, 0, times, fault);
    }

    /// The next `times` calls of `operation` go wrong, whoever makes them.
    pub fn fail_next_of(&self, operation: Operation, times: u32, fault: CallFault) {
        self.fail_after(operation, 0, times, fault);
    }

    /// Spares the next `skip` calls of `operation`; the `times` after them go wrong, whoever makes them.
    pub fn fail_after(&self, operation: Operation, skip: u32, times: u32, fault: CallFault) {
        self.core.state().call_faults.plan(Some(operation), skip, times, fault);
    }

    /// Makes the fake go away or come back, on the same port. Deliveries of events go on.
    ///
    /// # Errors
    /// When its port was taken meanwhile.
    pub async fn set_availability(&self, availability: Availability) -> Result<(), SandboxError> {
        self.core.state().availability = availability;
        match availability {
            Availability::Unreachable => {
                self.listener.close().await;
                Ok(())
            }
            Availability::Available | Availability::Answering503 => self.listener.reopen().await,
        }
    }

    /// Makes and delivers an event that no call caused, and says its id.
    pub fn deliver(&self, kind: &str, object: &Value) -> String {
        self.core.change(|state| state.announce(kind, object))
    }

    /// Delivers an event once more, at once.
    ///
    /// # Errors
    /// When there is no such event.
    pub fn redeliver(&self, event: &str) -> Result<(), Refused> {
        self.core.change(|state| {
            let number = state.books.journal.number(event).ok_or_else(|| Refused(format!("no event {event}")))?;
            state.books.journal.schedule(number, Instant::now());
            Ok(())
        })
    }

    /// Waits until no delivery is due or under way; says whether that came about in time.
    pub async fn wait_until_delivered(&self, at_most: Duration) -> bool {
        let deadline = Instant::now() + at_most;
        while self.core.state().books.journal.pending() > 0 {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
    }

    /// The buyer leaves 3-D Secure.
    ///
    /// # Errors
    /// When the intent does not wait for it.
    pub fn authenticate(&self, intent: &str, outcome: Authentication) -> Result<(), Refused> {
        self.on_its_own(|books, cause| books.authenticate(intent, outcome, cause).map(drop))
    }

    /// The bank answers at last, for a card that processes.
    ///
    /// # Errors
    /// When the intent does not wait for it.
    pub fn bank_answers(&self, intent: &str, answer: BankAnswer) -> Result<(), Refused> {
        self.on_its_own(|books, cause| books.bank_answers(intent, answer, cause))
    }

    /// A refund arrives, or comes back.
    ///
    /// # Errors
    /// When it cannot end like that any more.
    pub fn refund_ends(&self, refund: &str, outcome: RefundOutcome) -> Result<(), Refused> {
        self.on_its_own(|books, cause| books.refund_ends(refund, outcome, cause))
    }

    /// A bank disputes `amount` of a captured payment; says the id of the dispute. No money moves yet.
    ///
    /// # Errors
    /// When that much was not captured.
    pub fn open_dispute(&self, intent: &str, amount: i64, kind: DisputeKind) -> Result<String, Refused> {
        self.on_its_own(|books, cause| books.open_dispute(intent, amount, kind, cause))
    }

    /// A dispute goes one step on; the table of steps is in the module of disputes.
    ///
    /// # Errors
    /// When the step does not follow its status, or the money is withdrawn already.
    pub fn dispute_goes_on(&self, id: &str, step: DisputeStep) -> Result<(), Refused> {
        self.on_its_own(|books, cause| books.dispute_goes_on(id, step, cause))
    }

    /// Stripe takes `amount` minor units for itself, as it does once a month; says the id of the balance transaction.
    pub fn takes_fee(&self, currency: &str, amount: i64, why: &str) -> String {
        self.core.change(|state| {
            let cause = state.by_itself();
            state.books.take_fee(currency, amount, why, &cause)
        })
    }

    /// The authorisation runs out.
    ///
    /// # Errors
    /// When the intent is not authorised.
    pub fn lapse(&self, intent: &str) -> Result<(), Refused> {
        self.on_its_own(|books, cause| books.lapse(intent, cause))
    }

    /// Ends the fake and waits for its tasks.
    pub async fn shutdown(self) {
        self.listener.close().await;
        self.core.stop();
        self.core.stopped().await;
    }

    fn on_its_own<T>(&self, change: impl FnOnce(&mut Books, &Cause) -> Result<T, Refusal>) -> Result<T, Refused> {
        self.core
            .change(|state| {
                let cause = state.by_itself();
                change(&mut state.books, &cause)
            })
            .map_err(|refusal| Refused(refusal.body().to_string()))
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        self.core.stop();
    }
}
