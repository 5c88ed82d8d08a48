//! `/v1/sales/{sale}/orders`: units being paid for.
//!
//! ```text
//! freeze (Redis) ─► order_create (Postgres, decides) ─► commit (Redis)
//! ```
//!
//! A gateway may die between any two steps: the sweep finds the frozen hold and asks Postgres which way it went. Everything
//! may be repeated: a hold has one order, under the hold's own UUID. A refused order leaves the hold with the time that was
//! left, to be ordered otherwise or given back; unless its units are gone, which ends it.

use std::num::NonZeroU32;
use std::sync::Arc;

use admission::{Freeze, HoldView};
use domain::order::{Finality, OrderState};
use domain::payment::PaymentState;
use domain::price::{LineKind, OrderLine};
use domain::sale::Fault;
use domain::token::{ArtefactToken, OrderToken, PassToken};
use domain::{HoldId, Money, OrderId, TicketId, TierId, UnitNo};
use http::StatusCode;
use jiff::Timestamp;
use ledger::orders::{CreateOrder, NewOrder, OrderRow};
use ledger::payments::PaymentRow;
use ledger::tickets::{TicketRow, TicketState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{Answer, json, json_bytes};
use crate::app::App;
use crate::endpoints::holds::{order_of, unknown_tier};
use crate::idempotency::{self, Done, Once};
use crate::identity;
use crate::limits::{Client, Limit};
use crate::metrics;
use crate::openapi::schema::MoneyBody;
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;
use crate::trace::{Trace, is_about_order};

mod disagreement;

/// The longest address SMTP takes (RFC 5321, as corrected by erratum 1690).
const EMAIL_MAX_BYTES: usize = 254;

/// The longest name of a person.
const NAME_MAX_CHARS: usize = 200;

/// What to order, for whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateBody {
    /// The hold whose units are ordered.
    #[schema(value_type = String)]
    hold: HoldId,
    /// Where the tickets go.
    #[schema(max_length = 254, example = "ada@example.org")]
    email: String,
    /// Whose tickets they are.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// A coupon of the sale.
    coupon: Option<String>,
}

/// An order.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderBody {
    /// Its id.
    #[schema(value_type = String, example = "ord_0190c5a0b0c07abc8def0123456789ab")]
    id: OrderId,
    /// Proves its buyer; told when the order is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Where it is.
    #[schema(value_type = String, example = "awaiting_payment")]
    state: OrderState,
    /// Whether nothing will change by itself; while it is false an expired order may still become paid.
    r#final: bool,
    /// What it costs.
    #[schema(value_type = MoneyBody)]
    total: Money,
    /// Of what that is made.
    lines: Vec<LineBody>,
    /// When its clock runs out, while it waits for payment.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// What a browser needs to pay it; none when there is nothing to pay.
    payment: Option<PaymentBody>,
    /// The latest attempt to pay it; none before Pay was pressed.
    attempt: Option<LastAttemptBody>,
    /// Its tickets, once it is paid.
    tickets: Vec<TicketBody>,
    /// When and where, as an entry of a calendar, relative to this gateway; none without tickets or without a date. The link
    /// carries all it needs.
    calendar_url: Option<String>,
}

/// One line of an order.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineBody {
    /// What it is for: base, fee or tax.
    #[schema(value_type = String, example = "base")]
    kind: LineKind,
    /// What the buyer reads.
    name: String,
    /// The tier whose units it is for.
    #[schema(value_type = String)]
    tier: TierId,
    /// Of how many units.
    quantity: u32,
    /// For all of them together.
    #[schema(value_type = MoneyBody)]
    amount: Money,
}

/// What a browser needs to pay.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentBody {
    /// Who takes the money.
    #[schema(example = "stripe")]
    provider: &'static str,
    /// What Stripe.js is told.
    publishable_key: String,
    /// Where the page loads a stand-in for Stripe.js; none for the real one.
    browser_base: Option<String>,
}

/// The latest attempt to pay an order.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastAttemptBody {
    /// Where it is: `planned`, `requires_action`, `processing`, `authorised`, `captured`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "failed")]
    state: PaymentState,
    /// Why it came to nothing, in Stripe's words; `card_limit` when the card has paid for as many as one buyer may have.
    #[schema(example = "insufficient_funds")]
    reason: Option<String>,
    /// What was taken; of an order that is over, all of it goes back.
    #[schema(value_type = MoneyBody)]
    captured: Money,
}

/// A ticket.
#[derive(Serialize, ToSchema)]
pub(crate) struct TicketBody {
    /// Its id.
    #[schema(value_type = String)]
    id: TicketId,
    /// The tier of its unit.
    #[schema(value_type = String)]
    tier: TierId,
    /// Its unit.
    #[schema(value_type = u32)]
    unit: UnitNo,
    /// Its seat; none for general admission.
    seat: Option<String>,
    /// How often its code was replaced.
    rotation: u16,
    /// Whether it opens the door: valid, used or void.
    #[schema(example = "valid")]
    state: &'static str,
    /// Its QR code, relative to this gateway; the link carries all it needs.
    qr_url: String,
    /// The ticket to print or to keep, in the same way; none when it is void.
    pdf_url: Option<String>,
}

/// `POST /v1/sales/{sale}/orders`
pub(crate) async fn create(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let pass = identity::pass(request, sale.id(), &app.signer)?;
    app.count(Limit::Order, Client::Holder(pass.holder))?;
    let key = request.required_idempotency_key()?;
    let body: CreateBody = request.json()?;
    check(&body)?;
    let once = Once::new(format!("order/{}/{}", sale.id(), pass.number), key, &request.body);
    let work = write(Arc::clone(app), request.trace, sale, pass, body);
    match once.run(app, work, |(status, body)| (*status, body.clone())).await? {
        Done::Now((status, body)) => Ok(json_bytes(status, body.into())),
        Done::Before(status, body) => Ok(idempotency::replayed(json_bytes(status, body.into()))),
    }
}

/// `GET /v1/sales/{sale}/orders/{order}`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let order: OrderId = request.params.id("order")?;
    identity::order(request, sale.id(), order, &app.signer)?;
    app.count(Limit::Order, Client::Order(order))?;
    let row = ledger::orders::order_fetch(&app.ledger, sale.id(), order).await?.ok_or(Code::NotFound)?;
    Ok(json(StatusCode::OK, &body(app, &sale, row, Token::Kept)))
}

fn check(body: &CreateBody) -> Result<(), Problem> {
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault { pointer: pointer.to_owned(), detail });
    if let Some(detail) = email_fault(&body.email) {
        fault("/email", detail);
    }
    if let Some(detail) = name_fault(&body.name) {
        fault("/name", detail);
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    // No sale has coupons yet, so every coupon is one that the sale does not have.
    if body.coupon.is_some() { Err(Code::CouponInvalid.into()) } else { Ok(()) }
}

/// What is wrong with an address, if anything is.
pub(crate) fn email_fault(text: &str) -> Option<String> {
    (!is_email(text)).then(|| format!("must be an e-mail address of at most {EMAIL_MAX_BYTES} bytes"))
}

/// What is wrong with a person's name, if anything is.
pub(crate) fn name_fault(text: &str) -> Option<String> {
    (!is_name(text)).then(|| format!("must be 1 to {NAME_MAX_CHARS} characters, none of them a control character"))
}

/// Only what every mail system agrees on; whether an address exists, mail alone can tell.
fn is_email(text: &str) -> bool {
    let plain = text.len() <= EMAIL_MAX_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let parts = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.contains('@') && domain::email::ascii_domain(domain).is_some()
    });
    plain && parts
}

fn is_name(text: &str) -> bool {
    let chars = text.chars().count();
    (1..=NAME_MAX_CHARS).contains(&chars) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// Makes the order of a hold, or finds it.
async fn write(
    app: Arc<App>,
    trace: Trace,
    sale: Arc<Sale>,
    pass: PassToken,
    body: CreateBody,
) -> Result<(StatusCode, Vec<u8>), Problem> {
    let epoch = app.live(&sale).await?.1.view.epoch;
    let hold = match app.holds.freeze(sale.id(), body.hold, pass.number).await? {
        Freeze::Frozen(hold) | Freeze::Committed(hold) => hold,
        Freeze::Expired => return Err(Code::HoldExpired.into()),
        Freeze::NotFound => return ordered_before(&app, &sale, &pass, body.hold).await,
    };
    let order = new_order(&app, &sale, &pass, &hold, epoch, body)?;
    is_about_order(order.id);
    let outcome = ledger::orders::order_create(&app.ledger.traced(trace.here), &order).await?;
    let (status, row) = settle(&app, &sale, &hold, outcome).await?;
    Ok((status, told(&app, &sale, row)))
}

/// A hold that Redis does not know may have become an order before Redis was lost.
async fn ordered_before(
    app: &App,
    sale: &Sale,
    pass: &PassToken,
    hold: HoldId,
) -> Result<(StatusCode, Vec<u8>), Problem> {
    let order = ledger::orders::order_fetch(&app.ledger, sale.id(), order_of(hold)).await?;
    let row = order.filter(|row| row.number == pass.number).ok_or(Code::HoldNotFound)?;
    Ok((StatusCode::OK, told(app, sale, row)))
}

/// The answer to who made an order.
pub(crate) fn told(app: &App, sale: &Sale, row: OrderRow) -> Vec<u8> {
    serde_json::to_vec(&body(app, sale, row, Token::Told)).expect("our answers have string keys")
}

fn new_order(
    app: &App,
    sale: &Sale,
    pass: &PassToken,
    hold: &HoldView,
    epoch: u32,
    body: CreateBody,
) -> Result<NewOrder, Problem> {
    let lines = lines(sale, hold)?;
    let total = domain::price::total(sale.config(), &lines).expect("a stored configuration has prices in range");
    Ok(NewOrder {
        id: order_of(hold.id),
        sale: sale.id(),
        hold: hold.id,
        epoch,
        number: hold.number,
        email: body.email,
        name: body.name,
        units: hold.units.iter().map(|held| (held.tier.clone(), held.unit)).collect(),
        lines,
        total,
        pay_within_s: sale.hold_ttl_s(pass.allowance),
        qr_kid: app.ticket_signer.kid(),
    })
}

/// The lines of a hold, tier by tier in the order of the sale.
fn lines(sale: &Sale, hold: &HoldView) -> Result<Vec<OrderLine>, Problem> {
    if let Some(held) = hold.units.iter().find(|held| sale.price(&held.tier).is_none()) {
        return Err(unknown_tier(&held.tier));
    }
    let mut lines = Vec::new();
    for (tier, _) in sale.tiers() {
        let units = hold.units.iter().filter(|held| held.tier == tier.id).count();
        let units = u32::try_from(units).expect("a hold has at most PER_BUYER_LIMIT_MAX units");
        if let Some(of_tier) = NonZeroU32::new(units).and_then(|units| sale.lines(&tier.id, units)) {
            lines.extend(of_tier);
        }
    }
    Ok(lines)
}

/// Tells Redis what Postgres decided.
async fn settle(
    app: &Arc<App>,
    sale: &Arc<Sale>,
    hold: &HoldView,
    outcome: CreateOrder,
) -> Result<(StatusCode, OrderRow), Problem> {
    match outcome {
        CreateOrder::Created(row) => {
            metrics::order_created(sale.id(), row.state);
            commit(app, sale, hold).await;
            if row.state == OrderState::Paid {
                leave_the_shop(app, sale, hold).await;
            }
            Ok((StatusCode::CREATED, row))
        }
        CreateOrder::Existing(row) => {
            commit(app, sale, hold).await;
            Ok((StatusCode::OK, row))
        }
        CreateOrder::UnitsLost(lost) => Err(disagreement::settle(app, sale, hold, lost).await?),
        CreateOrder::LimitReached { limit, tier } => {
            let of_tier = tier.map(|tier| format!(" of {tier}")).unwrap_or_default();
            let detail =
                format!("At most {limit}{of_tier} for one buyer, over all orders of this sale. The hold stays.");
            Err(Problem::new(Code::LimitReached).detail(detail))
        }
        CreateOrder::HoldExpired => Err(Code::HoldExpired.into()),
        CreateOrder::EpochStale => Err(Code::StoreUnavailable.into()),
        CreateOrder::SaleNotOpen => Err(not_open(app, sale)),
    }
}

/// The order stands whether or not Redis hears of it now; if not, the sweep tells it.
async fn commit(app: &App, sale: &Sale, hold: &HoldView) {
    if let Err(error) = app.holds.commit(sale.id(), hold.id).await {
        tracing::warn!(sale = %sale.id(), hold = %hold.id, %error, "the commit of a hold is left to the sweep");
    }
}

/// Who got something for nothing is done; a slot that is not freed here is freed when the session ends.
async fn leave_the_shop(app: &App, sale: &Sale, hold: &HoldView) {
    if let Err(error) = app.queue.end_session(sale.id(), hold.number).await {
        tracing::debug!(sale = %sale.id(), %error, "a session goes on to its end");
    }
}

fn not_open(app: &App, sale: &Sale) -> Problem {
    use domain::sale::SaleState;
    match app.state_of(sale) {
        SaleState::Paused => Code::SalePaused.into(),
        SaleState::Draft | SaleState::Scheduled | SaleState::Prequeue => Code::SaleNotOpen.into(),
        SaleState::Open | SaleState::SoldOut | SaleState::Closed | SaleState::Cancelled => Code::SaleClosed.into(),
    }
}

/// Whether an answer carries the order's token.
#[derive(Clone, Copy)]
enum Token {
    Told,
    Kept,
}

fn body(app: &App, sale: &Sale, row: OrderRow, token: Token) -> OrderBody {
    let order = row.id;
    let token = match token {
        Token::Told => Some(app.signer.sign_order(&OrderToken { sale: row.sale, order })),
        Token::Kept => None,
    };
    OrderBody {
        id: order,
        token,
        state: row.state,
        r#final: row.finality == Finality::Final,
        total: row.total,
        payment: payment(app, &row),
        attempt: row.payment.as_ref().map(last_attempt),
        tickets: tickets(app, sale, &row),
        calendar_url: calendar_url(app, sale, &row),
        lines: row.lines.into_iter().map(line).collect(),
        expires_at: row.expires_at,
    }
}

fn line(line: OrderLine) -> LineBody {
    LineBody { kind: line.kind, name: line.name, tier: line.tier, quantity: line.quantity, amount: line.amount }
}

fn payment(app: &App, row: &OrderRow) -> Option<PaymentBody> {
    let payable = row.state == OrderState::AwaitingPayment && !row.total.is_zero();
    payable.then(|| PaymentBody {
        provider: "stripe",
        publishable_key: app.config.stripe_publishable_key.clone(),
        browser_base: app.config.stripe_browser_base.clone(),
    })
}

fn last_attempt(payment: &PaymentRow) -> LastAttemptBody {
    LastAttemptBody {
        state: payment.state,
        reason: payment.failure.clone(),
        captured: Money::new(payment.captured, payment.amount.currency),
    }
}

fn calendar_url(app: &App, sale: &Sale, row: &OrderRow) -> Option<String> {
    let token = app.signer.sign_artefact(&ArtefactToken { sale: row.sale, order: row.id });
    let is_there = !row.tickets.is_empty() && sale.config().performance().is_some();
    is_there.then(|| format!("/v1/sales/{}/orders/{}/calendar.ics?token={token}", row.sale, row.id))
}

fn tickets(app: &App, sale: &Sale, row: &OrderRow) -> Vec<TicketBody> {
    let artefacts = app.signer.sign_artefact(&ArtefactToken { sale: row.sale, order: row.id });
    let path = |ticket: &TicketRow| format!("/v1/sales/{}/orders/{}/tickets/{}", row.sale, row.id, ticket.id);
    let ticket = |ticket: &TicketRow| TicketBody {
        id: ticket.id,
        tier: ticket.tier.clone(),
        unit: ticket.unit,
        seat: sale.seat(&ticket.tier, ticket.unit),
        rotation: ticket.rotation,
        state: ticket.state.word(),
        qr_url: format!("{}/qr.svg?token={artefacts}", path(ticket)),
        pdf_url: (ticket.state != TicketState::Void).then(|| format!("{}/ticket.pdf?token={artefacts}", path(ticket))),
    };
    row.tickets.iter().map(ticket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_mail_could_reach_are_refused() {
        for good in ["ada@example.org", "a+b@x.y", "ü@例え.jp"] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(EMAIL_MAX_BYTES));
        for bad in ["", "ada", "@example.org", "ada@", "a@b@c", "ada@example.org\r\nBcc: x@y.z", "a b@c.d", &long] {
            assert!(!is_email(bad), "{bad:?}");
        }
    }

    #[test]
    fn names_are_anything_but_empty_endless_or_control_characters() {
        assert!(is_name("Ada Lovelace") && is_name("山田 花子") && is_name(&"x".repeat(NAME_MAX_CHARS)));
        assert!(!is_name("") && !is_name("  ") && !is_name("Ada\nX") && !is_name(&"x".repeat(NAME_MAX_CHARS + 1)));
    }
}
