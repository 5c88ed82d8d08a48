//! Lists of the whole account, page by page: what happened that we were not told, and what moved in the balance.
//!
//! Read as JSON and not through the generated types: an event is kept byte for byte as the webhook would have brought it, and
//! of a balance transaction a handful of fields matter, whatever its source is. Pages go from the newest to the oldest; a
//! cursor is the id of the last object of the page before. Bounds: [`PAGE`] objects a call.

use domain::Currency;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Stripe;
use crate::dispute::Dispute;
use crate::error::{StripeError, UnknownOutcome};
use crate::intent::{IntentFault, SALE_KEY};
use crate::refund::Refund;
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

/// What moved in the balance of the account.
#[derive(Debug, Clone)]
pub struct BalanceTransaction {
    /// Stripe's id, `txn_…`.
    pub id: String,
    /// Stripe's reporting category: `charge`, `refund`, `dispute`, `fee`, `payout`, …
    pub category: String,
    /// What moved, in minor units; less than nothing left.
    pub amount: i64,
    /// What Stripe took of it.
    pub fee: i64,
    /// The currency of both.
    pub currency: Currency,
    /// When.
    pub created: Timestamp,
    /// What moved it, where something did.
    pub source: Option<BalanceSource>,
}

/// What moved the balance.
#[derive(Debug, Clone)]
pub struct BalanceSource {
    /// Its id: `ch_…`, `re_…`, `du_…`.
    pub id: String,
    /// The payment intent it is of.
    pub payment_intent: Option<String>,
    /// Whether it says that it is of a sale of ours.
    pub names_a_sale: bool,
    /// Itself, where it is more than a charge.
    pub object: BalanceObject,
}

/// What moved the balance, as far as it can be told to the books by itself.
#[derive(Debug, Clone)]
pub enum BalanceObject {
    /// A refund.
    Refund(Box<Refund>),
    /// A dispute.
    Dispute(Box<Dispute>),
    /// A charge, whose intent tells more, or something else.
    Other,
}

#[derive(Deserialize)]
struct RawTransaction<'a> {
    id: String,
    reporting_category: String,
    amount: i64,
    fee: i64,
    currency: Currency,
    #[serde(deserialize_with = "crate::intent::unix_seconds")]
    created: Timestamp,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawSource {
    id: String,
    object: String,
    payment_intent: Option<String>,
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
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
        self.page("/events", &format!("delivery_success=false&{}", query(span)), listed_event).await
    }

    /// Events of the span of these kinds, whether they reached us or not. Stripe takes at most twenty kinds.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn events(&self, kinds: &[&str], span: &Span) -> Result<Page<ListedEvent>, StripeError> {
        let kinds: String = kinds.iter().map(|kind| format!("types%5B%5D={kind}&")).collect();
        self.page("/events", &format!("{kinds}{}", query(span)), listed_event).await
    }

    /// Refunds that were made in that span, ours and others, also those that failed.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn refunds(&self, span: &Span) -> Result<Page<Refund>, StripeError> {
        let read = |raw: &RawValue| {
            let refund = Refund::read(raw.get()).map_err(|fault| unreadable(&fault))?;
            let id = refund.id.clone();
            Ok((refund, id))
        };
        self.page("/refunds", &query(span), read).await
    }

    /// What moved in the balance in that span, with what moved it.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn balance_transactions(&self, span: &Span) -> Result<Page<BalanceTransaction>, StripeError> {
        let read = |raw: &RawValue| {
            let transaction = BalanceTransaction::read(raw.get()).map_err(|fault| unreadable(&fault))?;
            let id = transaction.id.clone();
            Ok((transaction, id))
        };
        self.page("/balance_transactions", &format!("expand%5B%5D=data.source&{}", query(span)), read).await
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

impl BalanceTransaction {
    fn read(json: &str) -> Result<Self, IntentFault> {
        let raw: RawTransaction<'_> = serde_json::from_str(json).map_err(|_| IntentFault::Shape)?;
        let source = raw.source.map(|source| BalanceSource::read(source.get())).transpose()?;
        Ok(Self {
            id: raw.id,
            category: raw.reporting_category,
            amount: raw.amount,
            fee: raw.fee,
            currency: raw.currency,
            created: raw.created,
            source,
        })
    }
}

impl BalanceSource {
    fn read(json: &str) -> Result<Self, IntentFault> {
        let raw: RawSource = serde_json::from_str(json).map_err(|_| IntentFault::Shape)?;
        let object = match raw.object.as_str() {
            "refund" => BalanceObject::Refund(Box::new(Refund::read(json)?)),
            "dispute" => BalanceObject::Dispute(Box::new(Dispute::read(json)?)),
            _ => BalanceObject::Other,
        };
        let names_a_sale = raw.metadata.contains_key(SALE_KEY);
        Ok(Self { id: raw.id, payment_intent: raw.payment_intent, names_a_sale, object })
    }
}

fn listed_event(raw: &RawValue) -> Result<(ListedEvent, String), StripeError> {
    let raw = raw.get().as_bytes().to_vec();
    let envelope = envelope(&raw).map_err(|fault| unreadable(&fault))?;
    let id = envelope.id.clone();
    Ok((ListedEvent { envelope, raw }, id))
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
