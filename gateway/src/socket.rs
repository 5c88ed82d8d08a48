//! `GET /v1/sales/{sale}/live`: the position, pushed.
//!
//! ```text
//! floor ── tick, call ──► audience ──► seat: watch (what is news to this visitor) ──► frames ─┬─► connection (WebSocket)
//!                                                                                          └─► event_stream
//! ```
//!
//! The [`audience`] asks each visitor's [`watch`] in turn, which decides what is told and when, for both ways of telling it;
//! [`message`] is the frames. A WebSocket speaks `v1.onsale`; a client that accepts `text/event-stream` gets the same frames
//! as events. While a connection is open it is the visitor's sign of life, and it takes room ([`App::sockets`]).
//!
//! Who is asking is known from the cookie or the bearer token; a WebSocket may also show the place in its first message,
//! `{"place":"…"}`, because browsers cannot send headers with one. Never from the URL: addresses are logged everywhere.
//!
//! Who shows an entry of the waitlist instead, `{"entry":"wle_…","token":"…"}` or its token as bearer of a stream, is told of
//! that ([`crate::entries`]): no position, no sign of life, and the connection ends with the entry.

use std::sync::Arc;

use domain::token::PlaceToken;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::answer::{Answer, With as _, empty};
use crate::app::App;
use crate::floor::Floor;
use crate::identity;
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

mod audience;
mod connection;
mod event_stream;
mod message;
mod seat;
mod watch;

pub(crate) use audience::Audience;
use event_stream::Shown;
pub(crate) use message::Frame;

/// The sub-protocol. A client that offers others only is told to upgrade.
const SUB_PROTOCOL: &str = "v1.onsale";

/// How much of the room a socket takes.
const SOCKET_ROOM: u32 = 1;
/// How much an event stream takes: its HTTP connection stays, with buffers of its own, at about 32 KiB (see the bench).
const STREAM_ROOM: u32 = 8;

/// Answers with a stream of events or with a handshake, as the client asks, and leaves the rest to a task.
///
/// # Errors
/// It asks for neither, the sale has no queue, or there is no place and no entry, or none that is valid.
pub(crate) async fn open(app: &Arc<App>, request: &mut Request) -> Result<Answer, Problem> {
    if asks_for_events(request) { open_stream(app, request).await } else { open_socket(app, request).await }
}

fn asks_for_events(request: &Request) -> bool {
    let accepts = request.parts.headers.get_all(header::ACCEPT).iter().filter_map(|list| list.to_str().ok());
    let mut types = accepts.flat_map(|list| list.split(','));
    types.any(|item| item.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream"))
}

async fn open_stream(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let shown = shown(app, request, &sale)?;
    let floor = live_floor(app, &sale).await?;
    // A HEAD asks for what a GET would answer, and holds nothing.
    if request.parts.method == Method::HEAD {
        return Ok(event_stream::head());
    }
    let room = take_room(app, STREAM_ROOM)?;
    event_stream::open(app, floor, (shown, request.trace.here.trace), room)
}

/// A bearer token may be an entry's.
fn shown(app: &App, request: &Request, sale: &Sale) -> Result<Shown, Problem> {
    match request.bearer().filter(|token| app.signer.verify_entry(token).is_ok()) {
        Some(token) => identity::verified_entry(token, sale.id(), &app.signer).map(Shown::Entry),
        None => identity::place(request, sale.id(), &app.signer, &app.cookies).map(Shown::Place),
    }
}

async fn open_socket(app: &Arc<App>, request: &mut Request) -> Result<Answer, Problem> {
    let accept_key = accept_key(request)?;
    let sale = app.sale(request.params.text("sale")).await?;
    let place = place_in_cookie(app, request, &sale)?;
    let floor = live_floor(app, &sale).await?;
    let room = take_room(app, SOCKET_ROOM)?;
    let upgrade = request.upgrade.take().ok_or(Code::UpgradeRequired)?;
    app.visits.spawn(connection::run(Arc::clone(app), floor, (place, request.trace.here.trace), upgrade, room));
    Ok(empty(StatusCode::SWITCHING_PROTOCOLS)
        .with(header::UPGRADE, HeaderValue::from_static("websocket"))
        .with(header::CONNECTION, HeaderValue::from_static("upgrade"))
        .with(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUB_PROTOCOL))
        .with_text(header::SEC_WEBSOCKET_ACCEPT, &accept_key))
}

/// The floor of a sale that can be watched.
///
/// # Errors
/// The sale has no queue, or the gateway stops.
async fn live_floor(app: &Arc<App>, sale: &Arc<Sale>) -> Result<Arc<Floor>, Problem> {
    let (floor, _) = app.live(sale).await?;
    if app.parting.is_cancelled() { Err(Code::StoreUnavailable.into()) } else { Ok(floor) }
}

/// Room for one more, as long as the value lives.
///
/// # Errors
/// The gateway is full.
fn take_room(app: &App, size: u32) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&app.sockets).try_acquire_many_owned(size).map_err(|_| Code::Overloaded.into())
}

/// RFC 6455, section 4.2.1.
fn accept_key(request: &Request) -> Result<String, Problem> {
    let is = |name: &HeaderName, word: &str| {
        request.header(name).is_some_and(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
    };
    let asks = request.parts.version == Version::HTTP_11
        && is(&header::UPGRADE, "websocket")
        && is(&header::CONNECTION, "upgrade")
        && is(&header::SEC_WEBSOCKET_VERSION, "13")
        && offers_protocol(request);
    let key = request.header(&header::SEC_WEBSOCKET_KEY).filter(|_| asks);
    key.map(|key| derive_accept_key(key.as_bytes())).ok_or_else(upgrade_required)
}

/// A client may offer several, in one header or in many.
fn offers_protocol(request: &Request) -> bool {
    let lists = request.parts.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut words = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    words.any(|word| word.trim() == SUB_PROTOCOL)
}

fn upgrade_required() -> Problem {
    Problem::new(Code::UpgradeRequired)
        .header(header::UPGRADE, HeaderValue::from_static("websocket"))
        .header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

/// The place of a client that shows one with the handshake. A browser shows cookies to any page that opens a socket, so
/// they count from our own pages only; a client without a place shows it in the first message.
fn place_in_cookie(app: &App, request: &Request, sale: &Sale) -> Result<Option<PlaceToken>, Problem> {
    match identity::place(request, sale.id(), &app.signer, &app.cookies) {
        Ok(place) => Ok(Some(place)),
        Err(problem) if problem.code() == Code::Unauthorized => Ok(None),
        // An old cookie is no reason to turn a client away that has not spoken yet.
        Err(problem) if problem.code() == Code::PlaceInvalid && request.bearer().is_none() => Ok(None),
        Err(problem) => Err(problem),
    }
}
