//! `…/orders/{order}/tickets/{ticket}/qr.svg`, `qr.png` and `ticket.pdf`, and `…/orders/{order}/calendar.ics`.
//!
//! The bytes of a code are fixed for each rotation, however often it is drawn; those of a file follow from what is on it. A void
//! ticket has neither: what does not open the door must not look as if it did. A calendar outlives the tickets: it is what tells
//! whoever keeps it that the visit is off.

use std::sync::Arc;

use bytes::Bytes;
use domain::sale::StoredState;
use domain::{OrderId, TicketId};
use http::{HeaderValue, StatusCode, header};
use ledger::orders::OrderRow;
use ledger::tickets::{TicketRow, TicketState};
use sha2::{Digest as _, Sha256};
use tickets::calendar::Standing;
use tickets::order::{Bought, Held, Issued, KeyGone};

use crate::answer::{Answer, With as _, bytes_answer, empty};
use crate::app::App;
use crate::identity;
use crate::limits::{Client, Limit};
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

pub(crate) mod acts;

/// `GET …/qr.svg`
pub(crate) async fn svg(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    drawn(app, request, "image/svg+xml", |text| tickets::qr::svg(text).map(Bytes::from)).await
}

/// `GET …/qr.png`
pub(crate) async fn png(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    drawn(app, request, "image/png", |text| tickets::qr::png(text).map(Bytes::from)).await
}

async fn drawn(
    app: &Arc<App>,
    request: &Request,
    media_type: &'static str,
    draw: impl FnOnce(&str) -> Result<Bytes, tickets::qr::QrError>,
) -> Result<Answer, Problem> {
    let asked = Asked::read(app, request).await?;
    let ticket = asked.ticket(request)?;
    let etag = format!("\"{}-{}-{}\"", ticket.id, ticket.rotation, ticket.qr_kid);
    if request.has_etag(&etag) {
        return Ok(cached(empty(StatusCode::NOT_MODIFIED), &etag));
    }
    let text = asked.bought(None).qr_text(&issued(ticket), &app.ticket_signer).map_err(key_gone)?;
    let image = draw(&text).map_err(|_| Code::InternalError)?;
    Ok(cached(bytes_answer(StatusCode::OK, media_type, image), &etag))
}

/// `GET …/ticket.pdf`
pub(crate) async fn pdf(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let asked = Asked::read(app, request).await?;
    let ticket = asked.ticket(request)?;
    let contact = ledger::orders::order_contact(&app.ledger, asked.sale.id(), asked.order.id).await?;
    let holder = contact.as_ref().map(|contact| contact.name.as_str());
    let sheet = asked.bought(holder).sheet(&issued(ticket), &app.ticket_signer).map_err(key_gone)?;
    let file = app.artefacts.pdf(sheet, &app.visits).await?;
    Ok(kept_as(answer_of(request, "application/pdf", file), &format!("{}.pdf", ticket.id)))
}

/// `GET …/calendar.ics`
pub(crate) async fn calendar(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let asked = Asked::read(app, request).await?;
    let held = Held::of(asked.order.tickets.iter().map(|ticket| ticket.state != TicketState::Void));
    if asked.order.tickets.is_empty() {
        return Err(Code::NotFound.into());
    }
    let standing = match asked.sale.stored_state() {
        StoredState::Cancelled => Standing::Cancelled,
        _ if held.open == 0 => Standing::Cancelled,
        StoredState::Draft | StoredState::Published | StoredState::Paused | StoredState::Closed => Standing::Confirmed,
    };
    let visit = asked.bought(None).visit(held, standing, app.public_url().host()).ok_or(Code::NotFound)?;
    let file = tickets::calendar::calendar(&visit).into();
    Ok(kept_as(answer_of(request, "text/calendar; charset=utf-8", file), &format!("{}.ics", asked.order.id)))
}

/// What a request is about, once it may be.
struct Asked {
    sale: Arc<Sale>,
    order: OrderRow,
}

impl Asked {
    async fn read(app: &Arc<App>, request: &Request) -> Result<Self, Problem> {
        let sale = app.sale(request.params.text("sale")).await?;
        let order: OrderId = request.params.id("order")?;
        identity::artefact(request, sale.id(), order, &app.signer)?;
        app.count(Limit::Order, Client::Order(order))?;
        let order = ledger::orders::order_fetch(&app.ledger, sale.id(), order).await?.ok_or(Code::NotFound)?;
        Ok(Self { sale, order })
    }

    /// The ticket in the path, if it is not void.
    fn ticket(&self, request: &Request) -> Result<&TicketRow, Problem> {
        let ticket: TicketId = request.params.id("ticket")?;
        let found = self.order.tickets.iter().find(|row| row.id == ticket && row.state != TicketState::Void);
        found.ok_or_else(|| Code::NotFound.into())
    }

    fn bought<'a>(&'a self, holder: Option<&'a str>) -> Bought<'a> {
        Bought {
            sale: self.sale.id(),
            version: self.sale.version(),
            config: self.sale.config(),
            order: self.order.id,
            created_at: self.order.created_at,
            holder,
        }
    }
}

const fn issued(ticket: &TicketRow) -> Issued<'_> {
    Issued { id: ticket.id, tier: &ticket.tier, unit: ticket.unit, rotation: ticket.rotation, kid: ticket.qr_kid }
}

fn key_gone(gone: KeyGone) -> Problem {
    tracing::error!(kid = %gone.0, "the key of a ticket is not in ONSALE_TICKET_KEYS");
    Code::InternalError.into()
}

/// A file, or that it is still the one the client has.
fn answer_of(request: &Request, media_type: &'static str, file: Bytes) -> Answer {
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&file)[..16]));
    if request.has_etag(&etag) {
        return cached(empty(StatusCode::NOT_MODIFIED), &etag);
    }
    cached(bytes_answer(StatusCode::OK, media_type, file), &etag)
}

fn cached(answer: Answer, etag: &str) -> Answer {
    let cached = HeaderValue::from_static("private, max-age=300");
    answer.with_text(header::ETAG, etag).with(header::CACHE_CONTROL, cached)
}

/// The name a browser keeps a file under; ids are fit for it.
fn kept_as(answer: Answer, name: &str) -> Answer {
    answer.with_text(header::CONTENT_DISPOSITION, &format!("inline; filename=\"{name}\""))
}
