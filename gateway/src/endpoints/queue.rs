//! `/v1/sales/{sale}/queue`: joining, looking, leaving.

use std::sync::Arc;

use admission::Join;
use domain::PlaceNumber;
use domain::sale::SaleState;
use domain::token::{PassToken, PlaceToken};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, With as _, empty, json};
use crate::app::App;
use crate::floor::{Floor, Seen};
use crate::identity::{self, Visitor};
use crate::limits::{Client, Limit};
use crate::position::{PlaceState, Position, Standing};
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

/// Numbers reserved in Postgres at once: at 10,000 joins a second one short statement a second.
const NUMBER_BLOCK: u32 = 10_000;

/// How often a join is tried when its numbers run out under it: each time a block was reserved since.
const JOIN_ATTEMPTS: u32 = 3;

/// A place and where it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct JoinBody {
    /// The place.
    place: PlaceBody,
    /// Where it is.
    position: Position,
}

/// A place in the queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlaceBody {
    /// Proves it; also kept in a cookie.
    #[schema(example = "plc_AQFr…")]
    token: String,
    /// Its number.
    #[schema(value_type = Option<u64>)]
    number: Option<PlaceNumber>,
    /// Where it is.
    state: PlaceState,
}

/// Whether a visitor's place is new.
enum Joined {
    New(PlaceNumber),
    Existing(PlaceNumber),
}

/// `POST /v1/sales/{sale}/queue`
pub(crate) async fn join(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let visitor = identity::visitor(request, sale.id(), &app.signer, &app.cookies)?;
    let (floor, seen) = app.live(&sale).await?;
    require_joinable(app.state_of(&sale))?;
    let (status, number) = match give_number(app, &sale, &floor, &visitor).await? {
        Joined::New(number) => (StatusCode::CREATED, number),
        Joined::Existing(number) => (StatusCode::OK, number),
    };
    let place = PlaceToken { sale: sale.id(), epoch: seen.view.epoch, number, holder: visitor.holder };
    let token = app.signer.sign_place(&place);
    let standing = standing_of_joined(&seen, number);
    let position = position(app, &sale, &seen, standing, &place);
    let cookies = visitor.new_cookie.into_iter().chain([app.cookies.set_place(sale.id(), &token)]);
    let place = PlaceBody { token, number: Some(number), state: position.state };
    let answer = json(status, &JoinBody { place, position });
    Ok(cookies.fold(answer, |answer, cookie| answer.with(header::SET_COOKIE, cookie)))
}

/// `GET /v1/sales/{sale}/queue/place`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let place = identity::place(request, sale.id(), &app.signer, &app.cookies)?;
    app.count(Limit::Place, Client::Holder(place.holder))?;
    let (floor, seen) = app.live(&sale).await?;
    floor.heard(place.number);
    let standing = Standing::of(&seen, place.number);
    Ok(json(StatusCode::OK, &position(app, &sale, &seen, standing, &place)))
}

/// `DELETE /v1/sales/{sale}/queue/place`
pub(crate) async fn leave(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let place = identity::place(request, sale.id(), &app.signer, &app.cookies)?;
    app.count(Limit::Place, Client::Holder(place.holder))?;
    app.queue.leave(sale.id(), place.number, place.holder).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// What the holder of a place is told, pass and all.
///
/// The pass is a function of sale, number and holder alone, so every gateway writes the same text and it survives the
/// loss of Redis. The time in it is the sale's publication: whether the number is inside *now* is Redis' to say.
pub(crate) fn position(app: &App, sale: &Sale, seen: &Seen, standing: Standing, place: &PlaceToken) -> Position {
    let granted_at = sale.published_at();
    let pass = PassToken { sale: sale.id(), number: place.number, holder: place.holder, granted_at };
    Position::of(seen, standing, || app.signer.sign_pass(&pass))
}

fn require_joinable(state: SaleState) -> Result<(), Problem> {
    match state {
        // Units of orders that are not paid come back, so a place is worth something also when nothing is left.
        SaleState::Open | SaleState::SoldOut => Ok(()),
        SaleState::Draft => Err(Code::NotFound.into()),
        SaleState::Scheduled | SaleState::Prequeue => Err(Code::SaleNotOpen.into()),
        SaleState::Paused => Err(Code::SalePaused.into()),
        SaleState::Closed | SaleState::Cancelled => Err(Code::SaleClosed.into()),
    }
}

/// The view may be a tick older than the place: a number that it says is over was given back to life by the join.
fn standing_of_joined(seen: &Seen, number: PlaceNumber) -> Standing {
    match Standing::of(seen, number) {
        Standing::Left | Standing::Expired => Standing::Waiting { ahead: seen.view.waiting() },
        standing @ (Standing::Waiting { .. } | Standing::Inside { .. }) => standing,
    }
}

/// Gives a visitor a number, or finds the one there is. Numbers are durable before they are used: when the reserved ones
/// run out, one caller of this gateway reserves a block in Postgres and the others wait for it.
async fn give_number(app: &App, sale: &Sale, floor: &Floor, visitor: &Visitor) -> Result<Joined, Problem> {
    if let Some(joined) = join_once(app, sale, visitor).await? {
        return Ok(joined);
    }
    for _ in 0..JOIN_ATTEMPTS {
        let _alone = floor.reserving.lock().await;
        if let Some(joined) = join_once(app, sale, visitor).await? {
            return Ok(joined);
        }
        let high_water = ledger::queue::numbers_reserve(&app.ledger, sale.id(), 0, NUMBER_BLOCK).await?;
        app.queue.raise_reserved(sale.id(), high_water).await?;
    }
    join_once(app, sale, visitor).await?.ok_or_else(|| Code::Overloaded.into())
}

async fn join_once(app: &App, sale: &Sale, visitor: &Visitor) -> Result<Option<Joined>, Problem> {
    let join = match visitor.proven {
        Some(number) => app.queue.join_again(sale.id(), visitor.holder, number).await?,
        None => app.queue.join(sale.id(), visitor.holder).await?,
    };
    Ok(match join {
        Join::New(number) => Some(Joined::New(number)),
        Join::Existing(number) => Some(Joined::Existing(number)),
        Join::ReserveNumbers => None,
    })
}
