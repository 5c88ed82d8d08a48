//! A Stripe event, read.
//!
//! Two readings of the same bytes. [`envelope`] takes what the inbox stores beside them and succeeds for any JSON that
//! names itself an event. [`parse`] also reads the object inside, strictly, through the generated types (disputes through one of our own): an object of a
//! kind we act on that does not parse is [`Unreadable`], because acting on half of it would be guessing. An event of another API
//! version ([`Version`]) whose object does not read like that is read by what decides alone.
//!
//! Events are hints: they may be late, doubled or out of order, and the object is as it was when the event was made.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_client_core::VERSION;

use super::plain;
use crate::dispute::Dispute;
use crate::intent::Intent;
use crate::refund::Refund;

/// The events that the webhook's endpoint must hear: each moves an order, or money in the books. Reconcilers look again for what
/// was not heard, within minutes; a sale whose endpoint lacks one of them shows its buyers that much later what they paid.
pub const NEEDED: [&str; 14] = [
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

/// What storing an event needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Envelope {
    /// `evt_…`; one id, one effect.
    pub id: String,
    /// `payment_intent.succeeded`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// When Stripe made the event, not when it arrived.
    #[serde(deserialize_with = "crate::intent::unix_seconds")]
    pub created: Timestamp,
    /// Whether real money is meant.
    pub livemode: bool,
    /// The connected account it is about; absent for our own.
    pub account: Option<String>,
    /// The API version its object is written in.
    pub api_version: Option<String>,
}

/// An event with its object.
#[derive(Debug, Clone)]
pub struct Event {
    /// `evt_…`; one id, one effect.
    pub id: String,
    /// `payment_intent.succeeded`, …
    pub kind: String,
    /// When Stripe made the event, not when it arrived.
    pub created: Timestamp,
    /// Whether real money is meant.
    pub livemode: bool,
    /// The connected account it is about; absent for our own.
    pub account: Option<String>,
    /// The API version its object is written in.
    pub api_version: Option<String>,
    /// What it is about.
    pub object: EventObject,
}

/// The object of an event, of the kinds we act on.
#[derive(Debug, Clone)]
pub enum EventObject {
    /// A payment intent.
    Intent(Box<Intent>),
    /// A refund.
    Refund(Box<Refund>),
    /// A dispute.
    Dispute(Box<Dispute>),
    /// A kind we take note of and leave alone.
    Other {
        /// Stripe's word for it: `charge`, `customer`, …
        object: String,
    },
}

/// Whether an event is written in the API version that our types were made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// It is, or does not say.
    Ours,
    /// The endpoint, or the account, is at another.
    Another,
}

impl Envelope {
    /// The version its object is written in.
    #[must_use]
    pub fn version(&self) -> Version {
        match self.api_version.as_deref() {
            Some(version) if version != VERSION.as_str() => Version::Another,
            Some(_) | None => Version::Ours,
        }
    }
}

/// Why a verified body is no event we can use.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not the shape of an event.
    #[error("not an event: {0}")]
    NotAnEvent(#[source] serde_json::Error),
    /// The object inside is not what the pinned API version says it is.
    #[error("unreadable {object} in {kind}: {fault}")]
    Object {
        /// The event's type.
        kind: String,
        /// Stripe's word for the object.
        object: String,
        /// What is wrong with it.
        fault: String,
    },
}

/// Reads what storing needs.
///
/// # Errors
/// [`Unreadable::NotAnEvent`].
pub fn envelope(raw: &[u8]) -> Result<Envelope, Unreadable> {
    serde_json::from_slice(raw).map_err(Unreadable::NotAnEvent)
}

/// Reads the whole event.
///
/// # Errors
/// [`Unreadable`].
pub fn parse(raw: &[u8]) -> Result<Event, Unreadable> {
    let envelope = envelope(raw)?;
    let version = envelope.version();
    let Envelope { id, kind, created, livemode, account, api_version } = envelope;
    let body: Body<'_> = serde_json::from_slice(raw).map_err(Unreadable::NotAnEvent)?;
    let object = object(&kind, version, body.data.object)?;
    Ok(Event { id, kind, created, livemode, account, api_version, object })
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Named {
    object: String,
}

fn object(kind: &str, version: Version, raw: &RawValue) -> Result<EventObject, Unreadable> {
    let Named { object } = serde_json::from_str(raw.get()).map_err(Unreadable::NotAnEvent)?;
    let another = version == Version::Another;
    let read = match object.as_str() {
        "payment_intent" => Intent::read(raw.get())
            .or_else(|fault| if another { plain::intent(raw.get()) } else { Err(fault) })
            .map(|intent| EventObject::Intent(Box::new(intent))),
        "refund" => Refund::read(raw.get())
            .or_else(|fault| if another { plain::refund(raw.get()) } else { Err(fault) })
            .map(|refund| EventObject::Refund(Box::new(refund))),
        "dispute" => Dispute::read(raw.get()).map(|dispute| EventObject::Dispute(Box::new(dispute))),
        _ => return Ok(EventObject::Other { object }),
    };
    read.map_err(|fault| Unreadable::Object { kind: kind.to_owned(), object, fault: fault.to_string() })
}

#[cfg(test)]
mod tests;
