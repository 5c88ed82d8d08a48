//! How paying is going through this gateway: what each tick tells Redis, so that admission slows down when paying does.
//!
//! Every call that makes a payment is noted when it begins and when it ends. A reading looks back [`PULSE_WINDOW`]:
//!
//! | a call counts as | when |
//! |------------------|------|
//! | done             | Stripe answered within the window, a refused card included: that is an answer |
//! | bad              | a fault, a time-out or a 429; or slower than 3 × the calm mean and than 1 s; or in flight for longer than that |
//!
//! The calm mean follows the calls that are neither bad nor slow; slow ones move it too, but hardly: a bad quarter of an
//! hour does not become the new normal, while a Stripe that is slower for good does not hold admission down for ever.
//! Until [`CALM_FROM`] calls were seen it is taken as a second.
//!
//! Postgres is heard when it answers the tick or the directory, which asks it all the time; an answer counts for
//! [`HEARD_FOR`]. Stripe is away while calls of the window ended and all of them were faults, slow ones not counted: it
//! answers those.
//!
//! One for all sales of the gateway: they are paid into one account of Stripe. Bounds: [`CALLS_MAX`] ended calls are
//! remembered, and one entry for each in flight.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use admission::{Health, PULSE_WINDOW_S, Pulse};
use uuid::Uuid;

/// How far a reading looks back.
const PULSE_WINDOW: Duration = Duration::from_secs(PULSE_WINDOW_S as u64);
/// Calls remembered: at Stripe's 100 writes a second the window has 500; the oldest are forgotten first.
const CALLS_MAX: usize = 4_096;
/// A call is slow when it takes so many times the calm mean,
const SLOW_FACTOR: u32 = 3;
/// and longer than this: a fast answer that was three times as fast before worries nobody.
const SLOW_FROM: Duration = Duration::from_secs(1);
/// Calls that make a mean.
const CALM_FROM: u32 = 5;
/// How slowly the mean follows calls that are not slow: each counts as one in so many.
const CALM_WEIGHT: u32 = 32;
/// The same for slow ones: at ten payments a second the mean is half way in some minutes.
const SLOW_WEIGHT: u32 = 4_096;
/// How long an answer of Postgres says that it answers: three looks of the directory.
const HEARD_FOR: Duration = Duration::from_millis(2_500);

/// The pulse of one gateway.
pub(crate) struct PaymentPulse {
    gateway: Uuid,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    next: u64,
    in_flight: HashMap<u64, Instant>,
    ended: VecDeque<Ended>,
    calm: Calm,
    postgres_heard_at: Option<Instant>,
}

struct Ended {
    at: Instant,
    took: Duration,
    outcome: CallOutcome,
    slow: bool,
}

/// The mean of calls when all is well.
#[derive(Default)]
struct Calm {
    calls: u32,
    mean: Duration,
}

/// How a call to Stripe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// Stripe answered, if only with a refusal of the card.
    Answered,
    /// A fault, no answer in time, or too many calls.
    Failed,
}

/// A call in flight. One that is dropped without an end was given up, and failed.
pub(crate) struct Call<'a> {
    pulse: &'a PaymentPulse,
    id: u64,
    began: Instant,
    ended: bool,
}

impl PaymentPulse {
    /// The pulse of that gateway.
    pub(crate) fn new(gateway: Uuid) -> Self {
        Self { gateway, calls: Mutex::default() }
    }

    /// Notes that a call begins.
    pub(crate) fn call(&self, now: Instant) -> Call<'_> {
        let mut calls = self.calls();
        let id = calls.next;
        calls.next += 1;
        calls.in_flight.insert(id, now);
        Call { pulse: self, id, began: now, ended: false }
    }

    /// Notes that Postgres answered.
    pub(crate) fn postgres_answered(&self, now: Instant) {
        self.calls().postgres_heard_at = Some(now);
    }

    /// How things are.
    pub(crate) fn read(&self, now: Instant) -> Pulse {
        self.calls().read(self.gateway, now)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call<'_> {
    /// Notes how it ended.
    pub(crate) fn end(mut self, now: Instant, outcome: CallOutcome) {
        self.ended = true;
        self.pulse.calls().end(self.id, self.began, now, outcome);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.pulse.calls().end(self.id, self.began, Instant::now(), CallOutcome::Failed);
        }
    }
}

impl Calls {
    fn end(&mut self, id: u64, began: Instant, now: Instant, outcome: CallOutcome) {
        self.in_flight.remove(&id);
        let took = now.saturating_duration_since(began);
        let slow = took > self.calm.slow_from();
        match outcome {
            CallOutcome::Answered if slow => self.calm.creep(took),
            CallOutcome::Answered => self.calm.follow(took),
            CallOutcome::Failed => {}
        }
        if self.ended.len() == CALLS_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { at: now, took, outcome, slow });
    }

    fn read(&mut self, gateway: Uuid, now: Instant) -> Pulse {
        while self.ended.front().is_some_and(|call| now.saturating_duration_since(call.at) > PULSE_WINDOW) {
            self.ended.pop_front();
        }
        let slow_from = self.calm.slow_from();
        let stuck = self.in_flight.values().filter(|began| now.saturating_duration_since(**began) > slow_from).count();
        let failed = self.ended.iter().filter(|call| call.outcome == CallOutcome::Failed).count();
        let bad = self.ended.iter().filter(|call| call.outcome == CallOutcome::Failed || call.slow).count();
        let sum: Duration = self.ended.iter().map(|call| call.took).sum();
        Pulse {
            gateway,
            payments: count(self.ended.len() + stuck),
            bad: count(bad + stuck),
            sum_ms: u64::try_from(sum.as_millis()).unwrap_or(u64::MAX),
            stripe: match self.ended.len() {
                0 => Health::Unknown,
                ended if ended == failed => Health::Away,
                _ => Health::Answers,
            },
            postgres: self.postgres(now),
        }
    }

    fn postgres(&self, now: Instant) -> Health {
        let heard = self.postgres_heard_at.is_some_and(|at| now.saturating_duration_since(at) <= HEARD_FOR);
        if heard { Health::Answers } else { Health::Away }
    }
}

impl Calm {
    /// A running mean at first, then one that forgets slowly.
    fn follow(&mut self, took: Duration) {
        self.calls = (self.calls + 1).min(CALM_WEIGHT);
        self.mean = (self.mean * (self.calls - 1) + took) / self.calls;
    }

    fn creep(&mut self, took: Duration) {
        self.mean = (self.mean * (SLOW_WEIGHT - 1) + took) / SLOW_WEIGHT;
    }

    fn slow_from(&self) -> Duration {
        let mean = if self.calls < CALM_FROM { SLOW_FROM } else { self.mean };
        (mean * SLOW_FACTOR).max(SLOW_FROM)
    }
}

fn count(calls: usize) -> u32 {
    u32::try_from(calls).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
