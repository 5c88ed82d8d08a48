//! Stripe's events that did not reach us: fetched, and stored as the webhook would have stored them.
//!
//! Stripe tries to deliver an event for three days and lists it for thirty, so an endpoint may be away for that long. What is
//! found goes the one way into the inbox, under its own id: whoever brings it first, the other is a duplicate. That is all it
//! does; the pool of events does the rest.
//!
//! A round looks at a span of Stripe's time, from an hour before the end of the last one to [`GRACE`] ago: what is younger
//! may be on its way. The newest come first; a span with more than [`PAGES_MAX`] pages is gone on with in the next round, behind
//! the last event of this one.
//!
//! An event in the list is written in the account's API version, one that is delivered in its endpoint's. Where they differ so
//! much that it cannot be read it is quarantined, and people see it.

use std::sync::Arc;
use std::time::Duration;

use ledger::inbox::{RawEvent, Stored, event_store};
use ledger::reconciliations::Findings;
use payments::{ListedEvent, Page, StripeError};

use super::place::Place;
use super::{ReconcileError, Reconciler};
use crate::context::Context;

/// The reconciler.
pub(crate) struct UndeliveredEvents(pub(crate) Arc<Context>);

/// What is younger may be on its way still.
const GRACE: Duration = Duration::from_secs(30);
/// Pages of a round: 10,000 events.
const PAGES_MAX: u32 = 200;

impl Reconciler for UndeliveredEvents {
    const NAME: &'static str = "undelivered_events";
    const EVERY: Duration = Duration::from_secs(60);

    async fn round(&self, resume: Option<&str>, found: &mut Findings) -> Result<(), ReconcileError> {
        let now = self.0.ledger.now().await?;
        let mut place = Place::of(resume, now, GRACE);
        for _ in 0..PAGES_MAX {
            let page = self.page(&mut place).await?;
            for event in page.objects {
                self.stores(event, found).await?;
            }
            place.after = page.next;
            if place.after.is_none() {
                break;
            }
        }
        found.cursor = Some(place.in_words());
        Ok(())
    }
}

impl UndeliveredEvents {
    /// An event to go on behind that Stripe does not list any more: then from the newest again.
    async fn page(&self, place: &mut Place) -> Result<Page<ListedEvent>, StripeError> {
        match self.0.stripe.undelivered_events(&place.span()).await {
            Err(StripeError::Refused { .. }) if place.after.take().is_some() => {
                self.0.stripe.undelivered_events(&place.span()).await
            }
            page => page,
        }
    }

    async fn stores(&self, event: ListedEvent, found: &mut Findings) -> Result<(), ReconcileError> {
        let ListedEvent { envelope, raw } = event;
        let event = RawEvent {
            id: envelope.id,
            kind: envelope.kind,
            livemode: envelope.livemode,
            account: envelope.account,
            api_version: envelope.api_version,
            created: envelope.created,
            raw,
        };
        found.looked_at += 1;
        if event_store(&self.0.ledger, &event).await? == Stored::New {
            found.found += 1;
            found.mended += 1;
        }
        Ok(())
    }
}
