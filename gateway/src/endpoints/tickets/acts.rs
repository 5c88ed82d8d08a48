//! `…/orders/{order}/tickets/send` and `…/tickets/{ticket}/rotate`: once more, and anew.
//!
//! Both bear being repeated. Which letter is sent follows from the order and the Idempotency-Key, so the same request writes one; who
//! replaces a code says which rotation it has, so the same request replaces it once. The organizer's are the same acts
//! ([`crate::endpoints::organizer::tickets`]).

use std::sync::Arc;

use domain::{OrderId, SaleId, TicketId};
use http::StatusCode;
use ledger::tickets::{Asker, Rotate, Rotation, SendAgain, ticket_rotate, tickets_send_again};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, empty, json};
use crate::app::App;
use crate::identity;
use crate::limits::{Client, Limit};
use crate::problem::{Code, Problem};
use crate::request::Request;

/// Which code is replaced.
#[derive(Deserialize, ToSchema)]
#[schema(as = RotateTicket)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateBody {
    /// The rotation that the ticket has.
    #[schema(maximum = 65_534)]
    rotation: u16,
}

/// A ticket whose code was replaced.
#[derive(Serialize, ToSchema)]
#[schema(as = RotatedTicket)]
pub(crate) struct RotatedBody {
    /// Its id, which stays.
    #[schema(value_type = String)]
    id: TicketId,
    /// The rotation that opens the door now. Codes with a lower one are void.
    rotation: u16,
}

/// `POST …/orders/{order}/tickets/send`
pub(crate) async fn send(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, order) = buyers(app, request).await?;
    sent(app, request, sale, order, Asker::Buyer).await
}

/// `POST …/orders/{order}/tickets/{ticket}/rotate`
pub(crate) async fn rotate(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, order) = buyers(app, request).await?;
    rotated(app, request, sale, order, Asker::Buyer, "buyer").await
}

async fn buyers(app: &App, request: &Request) -> Result<(SaleId, OrderId), Problem> {
    let sale = app.sale(request.params.text("sale")).await?.id();
    let order: OrderId = request.params.id("order")?;
    identity::order(request, sale, order, &app.signer)?;
    app.count(Limit::Order, Client::Order(order))?;
    Ok((sale, order))
}

/// Has the tickets of an order sent again.
pub(crate) async fn sent(
    app: &App,
    request: &Request,
    sale: SaleId,
    order: OrderId,
    asker: Asker,
) -> Result<Answer, Problem> {
    let letter = Uuid::new_v5(&order.uuid(), request.required_idempotency_key()?.as_bytes());
    match tickets_send_again(&app.ledger.traced(request.trace.here), sale, order, letter, asker).await? {
        SendAgain::Sent => Ok(empty(StatusCode::ACCEPTED)),
        SendAgain::NoTickets => Err(Code::TicketsNone.into()),
        SendAgain::TooOften => Err(Code::LettersLimitReached.into()),
        SendAgain::NotFound => Err(Code::NotFound.into()),
    }
}

/// Replaces the code of a ticket.
pub(crate) async fn rotated(
    app: &App,
    request: &Request,
    sale: SaleId,
    order: OrderId,
    asker: Asker,
    by: &str,
) -> Result<Answer, Problem> {
    let ticket: TicketId = request.params.id("ticket")?;
    let RotateBody { rotation: from } = request.json()?;
    let rotation = Rotation { sale, order, ticket, from, kid: app.ticket_signer.kid() };
    match ticket_rotate(&app.ledger.traced(request.trace.here), &rotation, asker, by).await? {
        Rotate::Rotated { rotation } => Ok(json(StatusCode::OK, &RotatedBody { id: ticket, rotation })),
        Rotate::Stale { rotation } => {
            Err(Problem::new(Code::RotationStale).detail(format!("The ticket has rotation {rotation}.")))
        }
        Rotate::Used => Err(Code::TicketUsed.into()),
        Rotate::Void => Err(Code::TicketVoid.into()),
        Rotate::TooOften => Err(Code::LettersLimitReached.into()),
        Rotate::NotFound => Err(Code::NotFound.into()),
    }
}
