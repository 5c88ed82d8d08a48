//! Events: what happened, and what still has to be delivered.
//!
//! Bounds: [`EVENTS_MAX`] events, the oldest forgotten first; each due at most [`ATTEMPTS_MAX`] times, the pause doubling
//! from [`PAUSE_FIRST`] to [`PAUSE_MAX`] (Stripe's own pauses grow to hours, which no test waits for).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::page::{Listed, Row};

/// Events kept, of about 3 KiB each.
const EVENTS_MAX: usize = 50_000;
/// Attempts before a delivery is given up; about three minutes.
const ATTEMPTS_MAX: u32 = 100;
/// Pause after the first failed attempt.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// An event as the list of events shows it.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) object: String,
    pub(super) created: i64,
    /// The event object; what is delivered, byte for byte, every time.
    pub(super) body: Bytes,
    pub(super) attempts: u32,
    pub(super) acknowledged: u32,
    /// Deliveries not yet acknowledged or given up.
    outstanding: u32,
}

/// One delivery that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    event: u64,
    attempt: u32,
}

/// What a receiver made of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receipt {
    /// It answered 2xx.
    Acknowledged,
    /// It answered something else, or nothing.
    Refused,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Deliver(Delivery, Bytes),
    WaitUntil(Instant),
    Nothing,
}

/// All events, in order, and the deliveries due, by time.
#[derive(Debug, Default)]
pub(super) struct Journal {
    events: BTreeMap<u64, Event>,
    numbers: HashMap<String, u64>,
    due: BTreeMap<(Instant, u64), Delivery>,
    last_event: u64,
    last_due: u64,
    under_way: usize,
}

impl Journal {
    /// Adds an event and says its number, from 1.
    pub(super) fn record(&mut self, id: String, kind: &str, object: String, created: i64, body: Bytes) -> u64 {
        self.last_event += 1;
        let kind = kind.to_owned();
        self.numbers.insert(id.clone(), self.last_event);
        let event = Event { id, kind, object, created, body, attempts: 0, acknowledged: 0, outstanding: 0 };
        self.events.insert(self.last_event, event);
        if self.events.len() > EVENTS_MAX
            && let Some((_, oldest)) = self.events.pop_first()
        {
            self.numbers.remove(&oldest.id);
        }
        self.last_event
    }

    /// Makes event `number` due at `at`.
    pub(super) fn schedule(&mut self, number: u64, at: Instant) {
        if let Some(event) = self.events.get_mut(&number) {
            event.outstanding += 1;
            self.push(at, Delivery { event: number, attempt: 1 });
        }
    }

    /// The event `id`.
    pub(super) fn event(&self, id: &str) -> Option<&Event> {
        self.events.get(&self.number(id)?)
    }

    /// The delivery that is due at `now`, taken; or when the next one is.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        while let Some((&(at, order), &delivery)) = self.due.first_key_value() {
            if at > now {
                return Next::WaitUntil(at);
            }
            self.due.remove(&(at, order));
            // An event so old that it was forgotten is not delivered any more.
            if let Some(event) = self.events.get_mut(&delivery.event) {
                event.attempts += 1;
                self.under_way += 1;
                return Next::Deliver(delivery, event.body.clone());
            }
        }
        Next::Nothing
    }

    /// The receiver answered 2xx.
    pub(super) fn acknowledged(&mut self, delivery: Delivery) {
        self.under_way -= 1;
        if let Some(event) = self.events.get_mut(&delivery.event) {
            event.acknowledged += 1;
            event.outstanding -= 1;
        }
    }

    /// The receiver answered something else, or nothing: again after a pause, or given up.
    pub(super) fn failed(&mut self, delivery: Delivery, now: Instant) {
        self.under_way -= 1;
        if delivery.attempt < ATTEMPTS_MAX {
            let pause = PAUSE_FIRST.saturating_mul(1 << (delivery.attempt - 1).min(16)).min(PAUSE_MAX);
            self.push(now + pause, Delivery { attempt: delivery.attempt + 1, ..delivery });
        } else if let Some(event) = self.events.get_mut(&delivery.event) {
            tracing::warn!(event = event.id, kind = event.kind, "a delivery was given up");
            event.outstanding -= 1;
        }
    }

    /// Deliveries that are due or under way.
    pub(super) fn pending(&self) -> usize {
        self.due.len() + self.under_way
    }

    fn push(&mut self, at: Instant, delivery: Delivery) {
        self.last_due += 1;
        self.due.insert((at, self.last_due), delivery);
    }
}

impl Listed for Journal {
    type Row = Event;

    fn number(&self, id: &str) -> Option<u64> {
        self.numbers.get(id).copied()
    }

    fn older(&self, than: Option<u64>) -> impl Iterator<Item = &Event> {
        self.events.range(..than.unwrap_or(u64::MAX)).rev().map(|(_, event)| event)
    }

    fn newer(&self, than: u64) -> impl Iterator<Item = &Event> {
        self.events.range(than + 1..).map(|(_, event)| event)
    }
}

impl Row for Event {
    const WHAT: &'static str = "event";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Event {
    /// Whether no delivery is outstanding and at least one was acknowledged.
    pub(super) fn is_delivered(&self) -> bool {
        self.outstanding == 0 && self.acknowledged > 0
    }
}
