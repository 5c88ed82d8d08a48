//! `…/orders/{order}/tickets/{ticket}/qr.svg` and `qr.png`: the QR code of a ticket.
//!
//! Its bytes are fixed for each rotation, however often it is drawn. A void ticket has none: what does not open the door
//! must not look as if it did.

use std::sync::Arc;

use bytes::Bytes;
use domain::ticket::TicketPayload;
use domain::{OrderId, SaleId, TicketId};
use http::{HeaderValue, StatusCode, header};
use ledger::tickets::{TicketRow, TicketState};

use crate::answer::{Answer, With as _, bytes_answer, empty};
use crate::app::App;
use crate::identity;
use crate::limits::{Client, Limit};
use crate::problem::{Code, Problem};
use crate::request::Request;

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
    let sale = app.sale(request.params.text("sale")).await?;
    let order: OrderId = request.params.id("order")?;
    let ticket: TicketId = request.params.id("ticket")?;
    identity::artefact(request, sale.id(), order, &app.signer)?;
    app.count(Limit::Order, Client::Order(order))?;
    let row = ledger::orders::order_fetch(&app.ledger, sale.id(), order).await?.ok_or(Code::NotFound)?;
    let found = row.tickets.into_iter().find(|row| row.id == ticket && row.state != TicketState::Void);
    let found = found.ok_or(Code::NotFound)?;
    let etag = format!("\"{}-{}-{}\"", found.id, found.rotation, found.qr_kid);
    let answer = if request.has_etag(&etag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let image = draw(&text(app, sale.id(), &found)?).map_err(|_| Code::InternalError)?;
        bytes_answer(StatusCode::OK, media_type, image)
    };
    let cached = HeaderValue::from_static("private, max-age=300");
    Ok(answer.with_text(header::ETAG, &etag).with(header::CACHE_CONTROL, cached))
}

fn text(app: &App, sale: SaleId, ticket: &TicketRow) -> Result<String, Problem> {
    let payload = TicketPayload { ticket: ticket.id, sale, rotation: ticket.rotation };
    app.ticket_signer.qr_text(&payload, ticket.qr_kid).ok_or_else(|| {
        tracing::error!(kid = %ticket.qr_kid, "the key of a ticket is not in ONSALE_TICKET_KEYS");
        Code::InternalError.into()
    })
}
