//! Lists of payments, and the search among them.

use serde_json::{Value, json};

use super::Books;
use crate::stripe::form::Form;
use crate::stripe::journal::Event;
use crate::stripe::page::{Found, PAGE_PARAMETERS, Page};
use crate::stripe::refusal::Refusal;
use crate::stripe::search::Query;

const EVENT_PARAMETERS: [&str; 3] = ["delivery_success", "type", "types"];
const SEARCH_PARAMETERS: [&str; 4] = ["expand", "limit", "page", "query"];
/// Most `types[]`; Stripe takes twenty.
const TYPES_MAX: usize = 20;

impl Books {
    /// Nobody has a customer here, so a list of a customer's is empty.
    pub(super) fn list_intents(&self, form: &Form) -> Result<Value, Refusal> {
        form.knows_only(&[&PAGE_PARAMETERS[..], &["customer"]].concat())?;
        let found = Page::of(form)?.cut(&self.intents, |_| form.text("customer").is_none())?;
        Ok(found.list("/v1/payment_intents", |intent| self.shape.intent(intent)))
    }

    /// What is younger than the lag of the index is not found yet.
    pub(super) fn search_intents(&self, form: &Form, now: i64) -> Result<Value, Refusal> {
        form.knows_only(&SEARCH_PARAMETERS)?;
        let query = Query::parse(form.text("query").ok_or_else(|| Refusal::missing_parameter("query"))?)?;
        let found = Page::after(form, "page")?
            .cut(&self.intents, |intent| intent.created + self.search_lag_s <= now && query.finds(intent))?;
        let next = found.next_page().map(str::to_owned);
        let mut answer = found.list("/v1/payment_intents/search", |intent| self.shape.intent(intent));
        answer["object"] = "search_result".into();
        answer["next_page"] = json!(next);
        Ok(answer)
    }

    pub(super) fn list_charges(&self, form: &Form) -> Result<Value, Refusal> {
        form.knows_only(&[&PAGE_PARAMETERS[..], &["payment_intent"]].concat())?;
        let intent = form.text("payment_intent");
        let found = Page::of(form)?.cut(&self.charges, |charge| intent.is_none_or(|intent| charge.intent == intent))?;
        Ok(found.list("/v1/charges", |charge| self.shape.charge(charge)))
    }

    pub(super) fn list_refunds(&self, form: &Form) -> Result<Value, Refusal> {
        form.knows_only(&[&PAGE_PARAMETERS[..], &["charge", "payment_intent"]].concat())?;
        let (charge, intent) = (form.text("charge"), form.text("payment_intent"));
        let found = Page::of(form)?.cut(&self.refunds, |refund| {
            charge.is_none_or(|charge| refund.charge == charge) && intent.is_none_or(|intent| refund.intent == intent)
        })?;
        Ok(found.list("/v1/refunds", |refund| self.shape.refund(refund)))
    }

    /// `type` may end in `.*`; an event is delivered once no delivery of it is outstanding and one was acknowledged.
    pub(super) fn list_events(&self, form: &Form) -> Result<Value, Refusal> {
        form.knows_only(&[&PAGE_PARAMETERS[..], &EVENT_PARAMETERS].concat())?;
        let (kind, kinds) = (form.text("type"), form.list("types"));
        if (kind.is_some() && !kinds.is_empty()) || kinds.len() > TYPES_MAX {
            return Err(Refusal::invalid("types", "Give one `type`, or up to 20 `types`."));
        }
        let delivered = form.text("delivery_success").map(|_| form.is_set("delivery_success")).transpose()?;
        let found: Found<'_, Event> = Page::of(form)?.cut(&self.journal, |event| {
            kind.is_none_or(|kind| is_of_kind(event, kind))
                && (kinds.is_empty() || kinds.contains(&event.kind))
                && delivered.is_none_or(|wanted| wanted == event.is_delivered())
        })?;
        Ok(found.list("/v1/events", super::read::body))
    }
}

fn is_of_kind(event: &Event, kind: &str) -> bool {
    match kind.strip_suffix('*') {
        Some(group) => event.kind.starts_with(group),
        None => event.kind == kind,
    }
}
