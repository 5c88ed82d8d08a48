//! The live socket of a sale, as a browser opens it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::edge::ActorError;
use super::frames::{self, Frames, Incoming};

/// The sub-protocol of the live socket.
const SUB_PROTOCOL: &str = "v1.onsale";
/// How long opening may take.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// When a page tries again whose socket was not opened.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// An open live socket.
#[derive(Debug)]
pub struct LiveSocket {
    stream: WebSocketStream<TcpStream>,
}

impl LiveSocket {
    /// Opens the socket of a sale.
    ///
    /// # Errors
    /// It does not open, because the gateway is busy or for another reason, or not with our sub-protocol.
    pub async fn open(base: &str, sale: &str, address: &str) -> Result<Self, ActorError> {
        let authority = base.trim_start_matches("http://");
        let url = format!("ws://{authority}/v1/sales/{sale}/live");
        let mut request = url.into_client_request().map_err(broken)?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUB_PROTOCOL));
        if let Ok(address) = HeaderValue::from_str(address) {
            request.headers_mut().insert("x-forwarded-for", address);
        }
        let opening = async {
            let tcp = TcpStream::connect(authority).await.map_err(|error| ActorError::Socket(error.to_string()))?;
            tokio_tungstenite::client_async(request, tcp).await.map_err(refused)
        };
        let late = |_| ActorError::Busy("did not open in time".to_owned());
        let (stream, answer) = tokio::time::timeout(OPEN_WITHIN, opening).await.map_err(late)??;
        match answer.headers().get("sec-websocket-protocol") {
            Some(chosen) if chosen == SUB_PROTOCOL => Ok(Self { stream }),
            other => Err(ActorError::Socket(format!("sub-protocol {other:?}"))),
        }
    }

    /// The same, and again while the gateway is busy, as a page does.
    ///
    /// # Errors
    /// It is busy for longer than the bound, or the socket does not open for another reason.
    pub async fn open_within(bound: Duration, base: &str, sale: &str, address: &str) -> Result<Self, ActorError> {
        let started = Instant::now();
        loop {
            match Self::open(base, sale, address).await {
                Err(ActorError::Busy(_)) if started.elapsed() < bound => tokio::time::sleep(AGAIN_AFTER).await,
                opened => return opened,
            }
        }
    }

    /// Shows a place token as the first message.
    ///
    /// # Errors
    /// The socket broke.
    pub async fn shows_place(&mut self, place: &str) -> Result<(), ActorError> {
        self.sends(&json!({ "place": place }).to_string()).await
    }

    /// Sends any text.
    ///
    /// # Errors
    /// The socket broke.
    pub async fn sends(&mut self, text: &str) -> Result<(), ActorError> {
        self.stream.send(Message::text(text)).await.map_err(broken)
    }

    /// The next frame or the close. Answers pings by itself, as browsers do.
    ///
    /// # Errors
    /// The socket broke, or sent something that is no frame.
    pub async fn next(&mut self) -> Result<Incoming, ActorError> {
        loop {
            match self.stream.next().await {
                None | Some(Err(Error::ConnectionClosed)) => return Ok(Incoming::Closed(None)),
                Some(Err(error)) => return Err(broken(error)),
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).map_err(|error| ActorError::Socket(error.to_string()))?;
                    return Ok(Incoming::Frame(frame));
                }
                Some(Ok(Message::Close(frame))) => return Ok(Incoming::Closed(frame)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => return Err(ActorError::Socket(format!("unexpected {other:?}"))),
            }
        }
    }

    /// The next frame of a type, others passed over.
    ///
    /// # Errors
    /// It does not come within the bound, or the socket closes first.
    pub async fn waits_for(&mut self, kind: &'static str, bound: Duration) -> Result<Value, ActorError> {
        self.waits_until(kind, bound, |frame| frame["type"] == kind).await
    }

    /// The next frame that is wanted, others passed over.
    ///
    /// # Errors
    /// It does not come within the bound, or the socket closes first.
    pub async fn waits_until(
        &mut self,
        what: &'static str,
        bound: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, ActorError> {
        frames::wanted(what, bound, wanted, self).await
    }
}

impl Frames for LiveSocket {
    fn bring(&mut self) -> impl Future<Output = Result<Incoming, ActorError>> + Send {
        self.next()
    }
}

fn refused(error: Error) -> ActorError {
    match &error {
        Error::Http(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
            ActorError::Busy(error.to_string())
        }
        _ => broken(error),
    }
}

fn broken(error: Error) -> ActorError {
    ActorError::Socket(error.to_string())
}
