//! The one state behind all connections, and the order in which a call passes through it.
//!
//! Order of a call: counted, let in by the limits, its fault drawn, its idempotency key looked up, its payment intent locked,
//! its time drawn; then it takes that time; then it is carried out and remembered; then its events become due. A caller who hangs up meanwhile
//! changes nothing: the call runs on a task of its own, as it would at Stripe.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::books::{Books, Call, Cause};
use super::call::{Caller, Operation};
use super::clock::FakeClock;
use super::fault::{self, CallFault, CallFaults, WebhookFault};
use super::journal::{Delivery, Next, Receipt};
use super::keys::{Fingerprint, Keys, Remembered};
use super::latency::Latency;
use super::limits::Limiter;
use super::options::{Availability, FakeStripeOptions, Webhook};
use super::refusal::{LimitReason, Refusal};
use crate::clock::unix_s;
use crate::random::Random;

/// The fake's heart, shared by its connections and its deliveries.
#[derive(Debug)]
pub(super) struct Core {
    state: Mutex<State>,
    /// Something became due for delivery.
    pub(super) due: Notify,
    /// Another timer became the next one.
    pub(super) timed: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What the lock protects; held for one change at a time, never over a wait.
#[derive(Debug)]
pub(super) struct State {
    pub(super) books: Books,
    pub(super) calls: BTreeMap<Operation, u64>,
    /// Answers sent, by operation and status.
    pub(super) answers: BTreeMap<(Operation, u16), u64>,
    pub(super) limiter: Limiter,
    pub(super) call_faults: CallFaults,
    pub(super) webhook_faults: Vec<WebhookFault>,
    pub(super) latency: Latency,
    pub(super) clock: FakeClock,
    pub(super) webhook: Option<Webhook>,
    pub(super) availability: Availability,
    keys: Keys,
    /// Payment intents that a call is changing.
    locked: HashSet<String>,
    random: Random,
}

/// An answer on its way to the caller.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) request: String,
    /// The limit the call met.
    pub(super) limited: Option<LimitReason>,
    pub(super) replay: Replay,
    pub(super) delivery: AnswerDelivery,
}

/// Whether an answer was given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replay {
    First,
    Again,
}

/// Whether the caller gets to see the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerDelivery {
    Sent,
    Lost,
}

/// What was drawn for a call that is to be carried out.
struct Begun {
    fault: Option<CallFault>,
    takes: Duration,
}

impl Core {
    pub(super) fn new(options: FakeStripeOptions, books: Books) -> Core {
        let state = State {
            books,
            calls: BTreeMap::new(),
            answers: BTreeMap::new(),
            limiter: Limiter::new(options.limits),
            call_faults: CallFaults::default(),
            webhook_faults: Vec::new(),
            latency: options.latency,
            clock: FakeClock::default(),
            webhook: options.webhook,
            availability: Availability::Available,
            keys: Keys::default(),
            locked: HashSet::new(),
            random: Random::new(options.seed),
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Core { state: Mutex::new(state), due: Notify::new(), timed: Notify::new(), tasks, stop }
    }

    /// The state. A change that panicked has left it whole enough for a fake.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task that ends with the fake.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(task).await });
    }

    /// Ends every task.
    pub(super) fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Waits for the tasks to end.
    pub(super) async fn stopped(&self) {
        self.tasks.wait().await;
    }

    /// Carries a call out, whether or not the caller waits for it.
    pub(super) async fn call(self: &Arc<Self>, call: Call) -> Outcome {
        let (tell, told) = tokio::sync::oneshot::channel();
        let (core, request) = (self.clone(), call.request.clone());
        self.spawn(async move {
            // A caller who has hung up cannot be told.
            tell.send(core.run(call).await).ok();
        });
        told.await.unwrap_or_else(|_| Outcome::of(&Err(Refusal::Unavailable), request))
    }

    async fn run(&self, call: Call) -> Outcome {
        let operation = call.operation;
        let outcome = self.pass(call).await;
        if outcome.delivery == AnswerDelivery::Sent {
            *self.state().answers.entry((operation, outcome.status.as_u16())).or_default() += 1;
        }
        outcome
    }

    async fn pass(&self, call: Call) -> Outcome {
        let begun = match self.state().begin(&call) {
            Ok(Begin::Run(begun)) => begun,
            Ok(Begin::Replay(remembered)) => return Outcome::again(remembered),
            Err(refusal) => return Outcome::of(&Err(refusal), call.request),
        };
        if !begun.takes.is_zero() {
            tokio::time::sleep(begun.takes).await;
        }
        self.change(|state| state.finish(&call, begun.fault))
    }

    /// Changes the state and makes the events of the change due.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let next_timer = state.books.timers.next_ms();
        let changed = change(&mut state);
        state.schedule(Instant::now());
        let same_timer = state.books.timers.next_ms() == next_timer;
        drop(state);
        self.due.notify_one();
        if !same_timer {
            self.timed.notify_one();
        }
        changed
    }

    /// What the deliverer does next.
    pub(super) fn next_delivery(&self, now: Instant) -> Next {
        self.state().books.journal.next(now)
    }

    /// What became of one attempt.
    pub(super) fn delivered(&self, delivery: Delivery, receipt: Receipt) {
        let mut state = self.state();
        match receipt {
            Receipt::Acknowledged => state.books.journal.acknowledged(delivery),
            Receipt::Refused => state.books.journal.failed(delivery, Instant::now()),
        }
        drop(state);
        self.due.notify_one();
    }

    /// Where events go at this moment, and the time in Unix seconds they are signed with.
    pub(super) fn webhook(&self) -> Option<(Webhook, i64)> {
        let state = self.state();
        Some((state.webhook.clone()?, unix_s() + fault::skew_s(&state.webhook_faults)))
    }
}

enum Begin {
    Run(Begun),
    Replay(Remembered),
}

impl State {
    fn begin(&mut self, call: &Call) -> Result<Begin, Refusal> {
        *self.calls.entry(call.operation).or_default() += 1;
        if self.availability != Availability::Available {
            return Err(Refusal::Unavailable);
        }
        if !call.operation.is_open_to(call.caller) {
            return Err(Refusal::Forbidden);
        }
        let now = Instant::now();
        if is_limited(call) {
            self.limiter.admit(call.operation.access(), now).map_err(Refusal::RateLimited)?;
        }
        let fault = self.call_faults.take(call.operation);
        match fault {
            Some(CallFault::RateLimited) => return Err(Refusal::RateLimited(LimitReason::GlobalRate)),
            Some(CallFault::LockTimeout) => return Err(Refusal::LockTimeout),
            Some(CallFault::Refused(code)) => return Err(Refusal::OnRequest { code, decline_code: None }),
            Some(CallFault::Declined(why)) => {
                return Err(Refusal::OnRequest { code: "card_declined", decline_code: Some(why) });
            }
            Some(
                CallFault::ServerError
                | CallFault::ServerErrorRemembered
                | CallFault::ServerErrorAfterwards
                | CallFault::AnswerLost
                | CallFault::Slow { .. },
            )
            | None => {}
        }
        if is_limited(call) {
            self.limiter.taken_on(call.operation, now);
        }
        if fault == Some(CallFault::ServerError) {
            return Err(Refusal::ServerError);
        }
        if let Some(key) = &call.key
            && let Some(remembered) = self.keys.begin(key, &fingerprint(call))?
        {
            return Ok(Begin::Replay(remembered));
        }
        if let Some(intent) = locks(call)
            && !self.locked.insert(intent.to_owned())
        {
            self.forget_key(call);
            return Err(Refusal::LockTimeout);
        }
        if is_limited(call) {
            self.limiter.begun();
        }
        Ok(Begin::Run(Begun { fault, takes: self.latency.draw(&mut self.random) + extra(fault) }))
    }

    fn finish(&mut self, call: &Call, fault: Option<CallFault>) -> Outcome {
        let result = match fault {
            Some(CallFault::ServerErrorRemembered) => Err(Refusal::ServerError),
            Some(CallFault::ServerErrorAfterwards) => {
                // Whatever came of it is what nobody learns.
                let _ = self.books.carry_out(call, self.clock.now_ms());
                Err(Refusal::ServerError)
            }
            _ => self.books.carry_out(call, self.clock.now_ms()),
        };
        let mut outcome = Outcome::of(&result, call.request.clone());
        if is_limited(call) {
            self.limiter.ended();
        }
        if let Some(intent) = locks(call) {
            self.locked.remove(intent);
        }
        let remembers = result == Err(Refusal::ServerError) || result.as_ref().err().is_none_or(Refusal::is_remembered);
        match &call.key {
            Some(key) if remembers => self.keys.finish(key, Some(outcome.to_remember())),
            _ => self.forget_key(call),
        }
        if fault == Some(CallFault::AnswerLost) {
            outcome.delivery = AnswerDelivery::Lost;
        }
        outcome
    }

    fn forget_key(&mut self, call: &Call) {
        if let Some(key) = &call.key {
            self.keys.finish(key, None);
        }
    }

    /// Makes new events due, as the webhook faults will have it. Without a webhook they stay in the list only.
    fn schedule(&mut self, now: Instant) {
        for number in std::mem::take(&mut self.books.unscheduled) {
            if self.webhook.is_none() {
                continue;
            }
            for wait in fault::deliveries(&self.webhook_faults, number, &mut self.random) {
                self.books.journal.schedule(number, now + wait);
            }
        }
    }

    /// Records and makes due an event that no call caused.
    pub(super) fn announce(&mut self, kind: &str, object: &Value) -> String {
        let cause = self.by_itself();
        self.books.record(kind, object, &cause)
    }

    /// The cause of what no call caused.
    pub(super) fn by_itself(&self) -> Cause {
        let now_ms = self.clock.now_ms();
        Cause { now: now_ms / 1_000, now_ms, ..Cause::default() }
    }

    /// Everything that is due by the clock of the fake happens; says how long until the next is.
    pub(super) fn run_due(&mut self) -> Option<Duration> {
        let cause = self.by_itself();
        self.books.run_due(&cause);
        let wait_ms = self.books.timers.next_ms()?.saturating_sub(cause.now_ms);
        Some(Duration::from_millis(wait_ms.try_into().unwrap_or_default()))
    }
}

impl Outcome {
    fn of(result: &Result<Value, Refusal>, request: String) -> Outcome {
        let (status, body) = match result {
            Ok(object) => (StatusCode::OK, object.to_string()),
            Err(refusal) => (refusal.status(), refusal.body().to_string()),
        };
        let limited = result.as_ref().err().and_then(Refusal::limit_reason);
        let (replay, delivery) = (Replay::First, AnswerDelivery::Sent);
        Outcome { status, body: body.into(), request, limited, replay, delivery }
    }

    fn again(remembered: Remembered) -> Outcome {
        let Remembered { status, body, request } = remembered;
        Outcome { status, body, request, limited: None, replay: Replay::Again, delivery: AnswerDelivery::Sent }
    }

    fn to_remember(&self) -> Remembered {
        Remembered { status: self.status, body: self.body.clone(), request: self.request.clone() }
    }
}

fn extra(fault: Option<CallFault>) -> Duration {
    match fault {
        Some(CallFault::Slow { by }) => by,
        _ => Duration::ZERO,
    }
}

/// Whether the seller's limits are over the call.
fn is_limited(call: &Call) -> bool {
    call.caller == Caller::Server && call.operation.is_the_sellers()
}

fn fingerprint(call: &Call) -> Fingerprint {
    Fingerprint { path: call.path.clone(), form: call.form.clone() }
}

/// The payment intent a call changes: the one in its path, or the one it refunds.
fn locks(call: &Call) -> Option<&str> {
    match call.operation {
        operation if operation.changes_intent() => Some(&call.id),
        Operation::CreateRefund => call.form.text("payment_intent"),
        _ => None,
    }
}
