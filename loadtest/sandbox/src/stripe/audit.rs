//! What a test or an audit asks the fake itself, past its API.

use std::collections::BTreeMap;

use super::FakeStripe;
use super::books::IntentSnapshot;
use super::call::Operation;
use super::journal;
use super::movement::{Movement, Tally};
use super::page::Listed;

/// An event as the fake remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSummary {
    /// `evt_…`
    pub id: String,
    /// `payment_intent.succeeded`, …
    pub kind: String,
    /// The id of the object it is about.
    pub object: String,
    /// Deliveries tried.
    pub attempts: u32,
    /// Deliveries answered 2xx.
    pub acknowledged: u32,
}

impl FakeStripe {
    /// What was captured in `currency`, in minor units.
    #[must_use]
    pub fn captured_total(&self, currency: &str) -> i64 {
        self.core.state().books.totals(currency).0
    }

    /// What was refunded in `currency`, in minor units.
    #[must_use]
    pub fn refunded_total(&self, currency: &str) -> i64 {
        self.core.state().books.totals(currency).1
    }

    /// Every payment intent, in the order of creation.
    #[must_use]
    pub fn payment_intents(&self) -> Vec<IntentSnapshot> {
        self.core.state().books.snapshots()
    }

    /// One payment intent.
    #[must_use]
    pub fn payment_intent(&self, id: &str) -> Option<IntentSnapshot> {
        self.core.state().books.snapshot(id)
    }

    /// How often each operation was called, whatever came of it.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<Operation, u64> {
        self.core.state().calls.clone()
    }

    /// How often each operation was answered with each HTTP status. A lost answer is none.
    #[must_use]
    pub fn answers(&self) -> BTreeMap<(Operation, u16), u64> {
        self.core.state().answers.clone()
    }

    /// The most writes of the seller's server that were taken on within any one second, those that got the answer of their key
    /// again and those that failed included; those refused at a limit or with 503 not.
    #[must_use]
    pub fn peak_writes(&self) -> usize {
        self.core.state().limiter.peak_writes()
    }

    /// Every event, the oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<EventSummary> {
        let state = self.core.state();
        let mut events: Vec<EventSummary> = state.books.journal.older(None).map(EventSummary::of).collect();
        events.reverse();
        events
    }

    /// The bytes of an event, as they are delivered.
    #[must_use]
    pub fn event_body(&self, id: &str) -> Option<bytes::Bytes> {
        self.core.state().books.journal.event(id).map(|event| event.body.clone())
    }

    /// What the account has in each currency by the balance transactions: their net, available or not, in minor units.
    #[must_use]
    pub fn balance(&self) -> BTreeMap<String, i64> {
        self.core.state().books.balance()
    }

    /// Every balance transaction, the oldest first.
    #[must_use]
    pub fn movements(&self) -> Vec<Movement> {
        self.core.state().books.movements()
    }

    /// The balance transactions of each payment intent that has any, added up.
    #[must_use]
    pub fn tallies(&self) -> BTreeMap<String, Tally> {
        self.core.state().books.tallies()
    }
}

impl EventSummary {
    fn of(event: &journal::Event) -> EventSummary {
        EventSummary {
            id: event.id.clone(),
            kind: event.kind.clone(),
            object: event.object.clone(),
            attempts: event.attempts,
            acknowledged: event.acknowledged,
        }
    }
}
