//! `/v1/sales/{sale}/queue`: joining, looking, leaving.
//!
//! A place is a number in the line, or before a draw a registration for it; the place token says which, and stays good
//! when the registration becomes a number. How a visitor comes to one is in [`mod@join`].

use std::sync::Arc;

use admission::Release;
use domain::PlaceNumber;
use domain::token::{Allowance, PassToken, PlaceToken, Spot};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::CODE_BYTES_MAX;
use crate::answer::{Answer, With as _, empty, json};
use crate::app::App;
use crate::endpoints::challenge::Proof;
use crate::floor::{Floor, NoticeBody, Place, Seen};
use crate::identity;
use crate::joins::Arrival;
use crate::limits::{Client, Limit};
use crate::metrics;
use crate::position::{Common, PlaceState, Position, Standing};
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;
use crate::written::Written;

mod join;

pub(crate) use join::join_visitor;

/// What a visitor says with a join; all of it may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JoinBody {
    /// Opens a phase that is not for everybody.
    #[schema(max_length = 64)]
    pub(crate) access_code: Option<String>,
    /// Asks for longer windows; no proof is asked for it.
    pub(crate) more_time: bool,
    /// The work that the sale asks for, done.
    pub(crate) proof: Option<Proof>,
}

/// A place and where it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct JoinedBody {
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
    /// Its number; none before the draw.
    #[schema(value_type = Option<u64>)]
    number: Option<PlaceNumber>,
    /// Where it is.
    state: PlaceState,
}

impl JoinBody {
    /// Reads what is said; nothing said is fine.
    fn read(request: &Request) -> Result<Self, Problem> {
        let body: Self = if request.body.is_empty() { Self::default() } else { request.json()? };
        if body.access_code.as_ref().is_some_and(|code| code.len() > CODE_BYTES_MAX) {
            return Err(Problem::invalid_at("/access_code", format!("must be at most {CODE_BYTES_MAX} bytes")));
        }
        Ok(body)
    }

    const fn allowance(&self) -> Allowance {
        if self.more_time { Allowance::MoreTime } else { Allowance::Usual }
    }
}

/// `POST /v1/sales/{sale}/queue`
pub(crate) async fn join(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let visitor = identity::visitor(request, sale.id(), &app.signer, &app.cookies)?;
    let new_cookie = visitor.new_cookie.clone();
    let body = JoinBody::read(request)?;
    // Whoever comes again after a refusal must be the same visitor: a code may be used up by now, and by them.
    let refused = |problem: Problem| match new_cookie {
        Some(cookie) => problem.header(header::SET_COOKIE, cookie),
        None => problem,
    };
    let joined = join_visitor(app, &sale, visitor, body).await.map_err(refused)?;
    let status = match joined.arrival {
        Arrival::New => StatusCode::CREATED,
        Arrival::Known => StatusCode::OK,
    };
    let position = joined.position;
    let place = PlaceBody { token: joined.token, number: position.number, state: position.state };
    let answer = json(status, &JoinedBody { place, position });
    Ok(joined.cookies.into_iter().fold(answer, |answer, cookie| answer.with(header::SET_COOKIE, cookie)))
}

/// `GET /v1/sales/{sale}/queue/place`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let place = identity::place(request, sale.id(), &app.signer, &app.cookies)?;
    app.count(Limit::Place, Client::Holder(place.holder))?;
    Ok(json(StatusCode::OK, &look(app, &sale, &place).await?))
}

/// `DELETE /v1/sales/{sale}/queue/place`
pub(crate) async fn leave(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let place = identity::place(request, sale.id(), &app.signer, &app.cookies)?;
    app.count(Limit::Place, Client::Holder(place.holder))?;
    leave_place(app, &sale, &place).await?;
    Ok(empty(StatusCode::NO_CONTENT).with(header::SET_COOKIE, app.cookies.clear_place(sale.id())))
}

/// Where a place is. Asking is a sign of life.
///
/// # Errors
/// The sale has ended; or the place has a number and Redis is away.
pub(crate) async fn look(app: &Arc<App>, sale: &Arc<Sale>, place: &PlaceToken) -> Result<Position, Problem> {
    if !sale.is_live() {
        return Err(Code::SaleClosed.into());
    }
    let floor = app.floor(sale);
    floor.heard(place);
    match floor.place_of(place) {
        Place::Prequeue(spot) => Ok(registered(app, sale, &floor, spot)),
        Place::Numbered(_) => {
            let seen = floor.seen_soon().await?;
            Ok(position(app, sale, &seen, Standing::of(&seen, place), place))
        }
    }
}

/// Gives up a place, and what it holds. A registration is part of a list that is fixed at the opening, so it cannot be
/// taken back: who is not here at the draw is passed over. It is as if this visitor closed the page; another tab, or opening
/// it again, takes part.
///
/// # Errors
/// A store is away.
pub(crate) async fn leave_place(app: &Arc<App>, sale: &Arc<Sale>, place: &PlaceToken) -> Result<(), Problem> {
    if !sale.is_live() {
        return Ok(());
    }
    let floor = app.floor(sale);
    match floor.place_of(place) {
        Place::Prequeue(spot) => floor.forget(spot),
        Place::Numbered(number) => {
            release_hold(app, sale, number).await?;
            app.queue.leave(sale.id(), number, place.holder).await?;
        }
    }
    Ok(())
}

/// Units that are only held go back on sale with their holder. What is ordered already has a clock of its own, and may be
/// paid for at this moment.
async fn release_hold(app: &App, sale: &Sale, number: PlaceNumber) -> Result<(), Problem> {
    let Some(hold) = app.holds.of_number(sale.id(), number).await? else {
        return Ok(());
    };
    match app.holds.release(sale.id(), hold, number).await? {
        Release::Released(_) => metrics::hold_released(sale.id()),
        Release::AlreadyReleased | Release::Frozen | Release::NotFound => {}
    }
    Ok(())
}

/// What the holder of a place is told, pass and all.
///
/// The pass is a function of sale, number, allowance and holder alone, so every gateway writes the same text and it
/// survives the loss of Redis. The time in it is the sale's publication, not the grant's: Redis forgets when a turn was
/// granted once it is used, and a pass whose text changed in a visitor's hands would look like another one. Whether the
/// number is inside *now* is Redis' to say.
pub(crate) fn position(app: &App, sale: &Sale, seen: &Seen, standing: Standing, place: &PlaceToken) -> Position {
    match seen.number_of(place.spot) {
        Some(number) => Position::of(seen, number, standing).with_pass(|| pass(app, sale, number, place)),
        None => Position::registered(Common::of(seen), opens_at(sale, place.spot)),
    }
}

/// The pass of a number that has its turn.
pub(crate) fn pass(app: &App, sale: &Sale, number: PlaceNumber, place: &PlaceToken) -> String {
    let PlaceToken { holder, allowance, .. } = *place;
    app.signer.sign_pass(&PassToken { sale: sale.id(), number, allowance, holder, granted_at: sale.published_at() })
}

/// What the holder of a place is told save for the pass, at no cost to speak of; none while nothing is known, which only a
/// place with a number needs.
pub(crate) fn glance(app: &App, floor: &Floor, place: &PlaceToken) -> Option<Position> {
    let shown = floor.glimpse(|seen| {
        let seen = seen?;
        Some(match seen.number_of(place.spot) {
            Some(number) => Position::of(seen, number, Standing::of(seen, place)),
            None => Position::registered(Common::of(seen), opens_at(&floor.sale(), place.spot)),
        })
    });
    shown.or_else(|| match floor.place_of(place) {
        Place::Prequeue(spot) => Some(registered(app, &floor.sale(), floor, spot)),
        Place::Numbered(_) => None,
    })
}

/// What a registered visitor is told, also while Redis is away.
fn registered(app: &App, sale: &Sale, floor: &Floor, spot: Spot) -> Position {
    let common = floor.seen().map_or_else(
        || Common {
            sale_state: app.state_of(sale),
            pause: None,
            notice: NoticeBody::of(sale).map(Written::new),
            availability: Written::new(Vec::new()),
            now: floor.now().unwrap_or_else(|| app.clock.now()),
            epoch: sale.epoch(),
        },
        |seen| Common::of(&seen),
    );
    Position::registered(common, opens_at(sale, spot))
}

fn opens_at(sale: &Sale, spot: Spot) -> Option<jiff::Timestamp> {
    match spot {
        Spot::Registration { phase, .. } => sale.phase(phase).map(|phase| phase.opens_at),
        Spot::Number(_) => None,
    }
}
