//! Lists of the whole account, page by page: what happened that we were not told, and what moved in the balance.
//!
//! Read as JSON and not through the generated types: an event is kept byte for byte as the webhook would have brought it, and
//! of a balance transaction a handful of fields matter, whatever its source is. Pages go from the newest to the oldest; a
//! cursor is the id of the last object of the page before. Bounds: [`PAGE`] objects a call.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Stripe;
use crate::error::{StripeError, UnknownOutcome};
use crate::webhook::{Envelope, envelope};

/// Objects a page: a hundred events with their objects may be larger than an answer may be.
const PAGE: u32 = 50;

/// A span of Stripe's time, both ends included, and where in it the page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Nothing older than this; none for all there is.
    pub since: Option<Timestamp>,
    /// Nothing younger than this.
    pub until: Timestamp,
    /// Behind this object.
    pub after: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What it has, the newest first.
    pub objects: Vec<T>,
    /// Behind which object the next page begins, when there is one.
    pub next: Option<String>,
}

/// An event as Stripe has it: what storing it needs, and its bytes.
#[derive(Debug, Clone)]
pub struct ListedEvent {
    /// Its outside.
    pub envelope: Envelope,
    /// All of it.
    pub raw: Vec<u8>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Box<RawValue>>,
    has_more: bool,
}

impl Stripe {
    /// Events of the span that did not reach every endpoint they were to reach, or not yet.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn undelivered_events(&self, span: &Span) -> Result<Page<ListedEvent>, StripeError> {
        let read = |raw: &RawValue| {
            let raw = raw.get().as_bytes().to_vec();
            let envelope = envelope(&raw).map_err(|fault| unreadable(&fault))?;
            let id = envelope.id.clone();
            Ok((ListedEvent { envelope, raw }, id))
        };
        self.page("/events", &format!("delivery_success=false&{}", query(span)), read).await
    }

    async fn page<T>(
        &self,
        path: &str,
        query: &str,
        read: impl Fn(&RawValue) -> Result<(T, String), StripeError>,
    ) -> Result<Page<T>, StripeError> {
        let answer = self.wire.get(path, query).await?;
        let Answer { data, has_more } = serde_json::from_slice(&answer).map_err(|fault| unreadable(&fault))?;
        let (mut objects, mut last) = (Vec::new(), None);
        for raw in data {
            let (object, id) = read(&raw)?;
            objects.push(object);
            last = Some(id);
        }
        Ok(Page { objects, next: last.filter(|_| has_more) })
    }
}

fn query(span: &Span) -> String {
    let Span { since, until, after } = span;
    let since = since.map(|since| format!("&created%5Bgte%5D={}", since.as_second())).unwrap_or_default();
    let after = after.as_ref().map(|after| format!("&starting_after={after}")).unwrap_or_default();
    format!("limit={PAGE}&created%5Blte%5D={}{since}{after}", until.as_second())
}

fn unreadable(fault: &impl std::fmt::Display) -> StripeError {
    StripeError::Unknown(UnknownOutcome::Unreadable(fault.to_string()))
}
