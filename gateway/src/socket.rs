//! `GET /v1/sales/{sale}/live`: the position, pushed.
//!
//! A WebSocket with the sub-protocol `v1.onsale`. Who is asking is known from the cookie, or from the first message,
//! `{"place":"…"}`. While it is open it is the visitor's sign of life. Frames are in [`message`], the life of a socket in
//! [`connection`].

use std::sync::Arc;

use domain::token::PlaceToken;
use http::header::{self, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::answer::{Answer, With as _, empty};
use crate::app::App;
use crate::identity;
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

mod connection;
mod message;

pub(crate) use message::Frame;

/// The sub-protocol. A client that offers others only is told to upgrade.
const SUB_PROTOCOL: &str = "v1.onsale";

/// Answers the handshake and leaves the connection to a task.
///
/// # Errors
/// It is no handshake, the sale has no queue, or the place in the cookie is not one.
pub(crate) async fn open(app: &Arc<App>, mut request: Request) -> Result<Answer, Problem> {
    let accept_key = accept_key(&request)?;
    let sale = app.sale(request.params.text("sale")).await?;
    let place = place_in_cookie(app, &request, &sale)?;
    app.live(&sale).await?;
    if app.draining.is_cancelled() {
        return Err(Code::StoreUnavailable.into());
    }
    let room = Arc::clone(&app.sockets).try_acquire_owned().map_err(|_| Code::Overloaded)?;
    let upgrade = request.upgrade.take().ok_or(Code::UpgradeRequired)?;
    let socket = connection::run(Arc::clone(app), sale, place, upgrade);
    app.visits.spawn(async move {
        socket.await;
        drop(room);
    });
    Ok(empty(StatusCode::SWITCHING_PROTOCOLS)
        .with(header::UPGRADE, HeaderValue::from_static("websocket"))
        .with(header::CONNECTION, HeaderValue::from_static("upgrade"))
        .with(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUB_PROTOCOL))
        .with_text(header::SEC_WEBSOCKET_ACCEPT, &accept_key))
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
