//! `…/orders/{order}/refunds`: money that the organizer gives back.
//!
//! What a refund does, and what becomes of one that fails, is in [`ledger::refunds`]. A request is named by sale, order and
//! Idempotency-Key: repeated, today or next year, with this API key or the one after it, it is answered with what it asked for
//! then and asks for nothing more. The answer says that the refund is under way; its state in the list says what came of it.
//!
//! Bounds: [`TICKETS_MAX`] tickets a request, which is more than an order has.

use std::collections::BTreeSet;
use std::sync::Arc;

use admission::RequestId;
use domain::sale::{Fault, PER_BUYER_LIMIT_MAX};
use domain::{Money, OrderId, RefundId, SaleId, TicketId};
use http::StatusCode;
use jiff::Timestamp;
use ledger::Ledger;
use ledger::refunds::{
    AskRefund, RefundAsk, RefundPage, RefundParts, RefundRow, RefundWish, refund_ask, refunds_of_order,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{decidable, readable};
use crate::answer::{Answer, json, json_bytes};
use crate::app::App;
use crate::idempotency::{self, Done, Once};
use crate::openapi::schema::MoneyBody;
use crate::problem::{Code, Problem};
use crate::request::Request;

/// The most tickets of one request: nobody can have more in one order.
const TICKETS_MAX: usize = PER_BUYER_LIMIT_MAX as usize;
/// The longest reason.
const REASON_CHARS_MAX: usize = 500;

/// What is to go back: the price of tickets, an amount, the whole, or again what failed to.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewRefund)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundBody {
    /// Tickets of the order: they become void, and their units are sold again. Void ones where their refund failed.
    #[schema(required = false, value_type = Vec<String>, min_items = 1, max_items = 20)]
    tickets: Option<Vec<TicketId>>,
    /// Minor units; tickets stay valid.
    #[schema(required = false, minimum = 1)]
    amount: Option<i64>,
    /// `true`: everything that is left; all tickets become void.
    #[schema(required = false)]
    whole: Option<bool>,
    /// A refund of the order that failed, with the reason `late_payment` or itself made again: money that came too late and
    /// bought nothing. Any other is asked for anew.
    #[schema(required = false, value_type = String, example = "ref_0190c5a0b0c07abc8def0123456789ab")]
    again: Option<RefundId>,
    /// Why. It is kept beside the books; it should name nobody.
    #[schema(max_length = 500)]
    reason: String,
}

/// A refund.
#[derive(Serialize, ToSchema)]
#[schema(as = Refund)]
pub(crate) struct RefundedBody {
    /// Its id.
    #[schema(value_type = String, example = "ref_0190c5a0b0c07abc8def0123456789ab")]
    id: RefundId,
    /// `planned` until Stripe answers, then `pending`, `succeeded` or `failed`. What failed may be asked for again. A refund of
    /// nothing has `succeeded` at once.
    #[schema(example = "planned")]
    state: &'static str,
    /// How much goes back.
    #[schema(value_type = MoneyBody)]
    amount: Money,
    /// Of what it is made; left out where it was not asked for here.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<PartsBody>,
    /// The tickets that it gives back. They are void.
    #[schema(value_type = Vec<String>)]
    tickets: Vec<TicketId>,
    /// Why: what was said, `late_payment`, or `made_at_stripe`.
    reason: String,
    /// When it was asked for, or heard of.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Of what a refund is made.
#[derive(Serialize, ToSchema)]
#[schema(as = RefundParts)]
pub(crate) struct PartsBody {
    /// Base price.
    #[schema(value_type = MoneyBody)]
    base: Money,
    /// Fees.
    #[schema(value_type = MoneyBody)]
    fee: Money,
    /// Taxes.
    #[schema(value_type = MoneyBody)]
    tax: Money,
}

/// Refunds of one page, when nothing is said, and at most.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;

/// A page of the refunds of an order.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefundList {
    /// The refunds, the oldest first.
    data: Vec<RefundedBody>,
    /// Where it goes on, towards the latest; none there.
    next_cursor: Option<String>,
}

/// `POST /v1/organizer/sales/{sale}/orders/{order}/refunds`
pub(crate) async fn ask(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    let order: OrderId = request.params.id("order")?;
    let body: RefundBody = request.json()?;
    let (wish, reason) = (body.wish()?, body.reason()?);
    let key = request.required_idempotency_key()?;
    let scope = format!("refund/{}/{order}", sale.id);
    let ask = RefundAsk {
        organizer: sale.organizer,
        sale: sale.id,
        order,
        key: name_of(sale.id, order, key),
        content: Sha256::digest(&request.body).into(),
        wish,
        reason,
        by,
    };
    let once = Once::new(scope, key, &request.body);
    let bytes = |refund: &RefundedBody| serde_json::to_vec(refund).expect("our answers have string keys");
    let work = goes_back(app.ledger.traced(request.trace.here), ask);
    match once.run(app, work, move |refund| (StatusCode::CREATED, bytes(refund))).await? {
        Done::Now(refund) => Ok(json(StatusCode::CREATED, &refund)),
        Done::Before(status, body) => Ok(idempotency::replayed(json_bytes(status, body.into()))),
    }
}

/// `GET /v1/organizer/sales/{sale}/orders/{order}/refunds`
pub(crate) async fn list(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    let (order, page) = (request.params.id("order")?, page(request)?);
    let (limit, page) = (page.limit as usize, RefundPage { limit: page.limit + 1, ..page });
    let refunds = refunds_of_order(&app.ledger, sale.organizer, sale.id, order, page).await?;
    let mut refunds = refunds.ok_or(Code::NotFound)?;
    let more = refunds.len() > limit;
    refunds.truncate(limit);
    let next_cursor = refunds.last().filter(|_| more).map(|refund| refund.id.to_string());
    let data = refunds.into_iter().map(RefundedBody::from).collect();
    Ok(json(StatusCode::OK, &RefundList { data, next_cursor }))
}

fn page(request: &Request) -> Result<RefundPage, Problem> {
    let mut page = RefundPage { after: None, limit: LIMIT_DEFAULT };
    for (name, value) in request.query() {
        let wrong = |detail: &str| Problem::invalid_at(format!("?{name}"), detail);
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                page.limit = limit.ok_or_else(|| wrong("must be 1 to 100"))?;
            }
            "cursor" => page.after = Some(value.parse().map_err(|_| wrong("must be a next_cursor"))?),
            _ => return Err(wrong("is no parameter of this list")),
        }
    }
    Ok(page)
}

/// The name of a request: for which order, and which Idempotency-Key.
fn name_of(sale: SaleId, order: OrderId, key: &str) -> [u8; 32] {
    let (sale, order) = (sale.uuid(), order.uuid());
    RequestId::of(&[b"refund", sale.as_bytes(), order.as_bytes(), key.as_bytes()]).0
}

async fn goes_back(ledger: Ledger, ask: RefundAsk) -> Result<RefundedBody, Problem> {
    match refund_ask(&ledger, &ask).await? {
        AskRefund::Asked(refund) => Ok(refund.into()),
        AskRefund::AboveCaptured { left } => {
            let detail = format!("{left} are left to go back in this way.");
            Err(Problem::new(Code::RefundAboveCaptured).detail(detail))
        }
        AskRefund::TicketUsed(tickets) => {
            Err(Problem::new(Code::TicketUsed).detail(listed(&tickets)).errors(at(&ask.wish, &tickets, "was used")))
        }
        AskRefund::TicketVoid(tickets) => Err(Problem::new(Code::TicketVoid).detail(listed(&tickets)).errors(at(
            &ask.wish,
            &tickets,
            "is void already",
        ))),
        AskRefund::TicketUnknown(tickets) => {
            Err(Problem::invalid(at(&ask.wish, &tickets, "must be a ticket of the order")))
        }
        AskRefund::RefundUnknown => {
            Err(Problem::invalid_at("/again", "must be a refund of the order that failed, of money that came too late"))
        }
        AskRefund::NotRefundable(state) => {
            Err(Problem::new(Code::OrderNotRefundable).detail(format!("The order is {}.", state.word())))
        }
        AskRefund::KeyReused => Err(Code::IdempotencyKeyReused.into()),
        AskRefund::NotFound => Err(Code::NotFound.into()),
    }
}

impl RefundBody {
    fn wish(&self) -> Result<RefundWish, Problem> {
        match (&self.tickets, self.amount, self.whole, self.again) {
            (Some(tickets), None, None, None) => tickets_of(tickets).map(RefundWish::Tickets),
            (None, Some(amount), None, None) if amount >= 1 => Ok(RefundWish::Amount(amount)),
            (None, Some(_), None, None) => Err(Problem::invalid_at("/amount", "must be at least 1")),
            (None, None, Some(true), None) => Ok(RefundWish::Whole),
            (None, None, Some(false), None) => Err(Problem::invalid_at("/whole", "must be true, or left out")),
            (None, None, None, Some(failed)) => Ok(RefundWish::Again(failed)),
            _ => Err(Problem::invalid_at("", "must have one of tickets, amount, whole and again")),
        }
    }

    fn reason(&self) -> Result<String, Problem> {
        let reason = self.reason.trim();
        let is_reason =
            (1..=REASON_CHARS_MAX).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
        if is_reason {
            Ok(reason.to_owned())
        } else {
            Err(Problem::invalid_at(
                "/reason",
                format!("must be 1 to {REASON_CHARS_MAX} characters, none of them a control character"),
            ))
        }
    }
}

fn tickets_of(tickets: &[TicketId]) -> Result<Vec<TicketId>, Problem> {
    if !(1..=TICKETS_MAX).contains(&tickets.len()) {
        return Err(Problem::invalid_at("/tickets", format!("must be 1 to {TICKETS_MAX} tickets")));
    }
    let mut seen = BTreeSet::new();
    match tickets.iter().position(|ticket| !seen.insert(ticket)) {
        Some(index) => {
            Err(Problem::invalid_at(format!("/tickets/{index}"), "must be different from the other tickets"))
        }
        None => Ok(tickets.to_vec()),
    }
}

/// What is the matter with tickets, each where the body names it.
fn at(wish: &RefundWish, tickets: &[TicketId], what: &str) -> Vec<Fault> {
    let RefundWish::Tickets(named) = wish else { return Vec::new() };
    let faulty = named.iter().enumerate().filter(|(_, ticket)| tickets.contains(ticket));
    faulty.map(|(index, _)| Fault { pointer: format!("/tickets/{index}"), detail: what.to_owned() }).collect()
}

fn listed(tickets: &[TicketId]) -> String {
    tickets.iter().map(TicketId::to_string).collect::<Vec<_>>().join(", ")
}

impl From<RefundRow> for RefundedBody {
    fn from(row: RefundRow) -> Self {
        let RefundRow { id, state, amount, parts, tickets, reason, created_at, .. } = row;
        let money = |minor| Money::new(minor, amount.currency);
        let parts = parts.map(|RefundParts { base, fee, tax }| PartsBody {
            base: money(base),
            fee: money(fee),
            tax: money(tax),
        });
        Self { id, state: state.word(), amount, parts, tickets, reason, created_at }
    }
}
