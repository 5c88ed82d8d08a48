//! The live socket of a fan: small buffers, a source address shared with few enough others that ports suffice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::rehearse::tally::{Raised, Step, Tally};

const SUB_PROTOCOL: &str = "v1.onsale";
const OPEN_WITHIN: Duration = Duration::from_secs(20);
/// A position has some hundred bytes.
const BUFFER_BYTES: usize = 1_024;
/// Sockets that share a source address: well below the ports of one.
const FANS_OF_ADDRESS: u32 = 10_000;

/// An open socket.
pub(super) struct Live {
    stream: WebSocketStream<TcpStream>,
    _open: Raised,
    _room: OwnedSemaphorePermit,
}

/// A frame as far as a fan cares.
#[derive(Debug, Deserialize)]
struct Frame {
    #[serde(default)]
    data: Data,
}

/// What a position, a turn or news of the sale says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Data {
    #[serde(default)]
    pub(super) ahead: Option<u64>,
    #[serde(default)]
    pub(super) eta_s: Option<Eta>,
    #[serde(default)]
    pub(super) pass: Option<String>,
    #[serde(default)]
    pub(super) poll_after_ms: Option<u64>,
}

/// How long it may take.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Eta {
    pub(super) p50: u32,
    pub(super) p90: u32,
}

/// What comes out of a socket.
pub(super) enum Heard {
    News(Data),
    Closed,
}

/// Where a fan's socket comes from: 127.1.0.1 and the next ones.
fn source(fan: u32) -> SocketAddr {
    let [.., high, low] = (fan / FANS_OF_ADDRESS + 1).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, high, low)), 0)
}

impl Live {
    /// Opens the socket of a place.
    pub(super) async fn open(
        gateway: SocketAddr,
        path: &str,
        (fan, address): (u32, &str),
        place: &str,
        (tally, open, room): (&Tally, Raised, OwnedSemaphorePermit),
    ) -> Option<Self> {
        let began = Instant::now();
        let opened = timeout(OPEN_WITHIN, connected(gateway, path, (fan, address), place)).await.ok().flatten();
        tally.answered(Step::Live, if opened.is_some() { 101 } else { 0 }, began.elapsed());
        match opened {
            Some(stream) => Some(Self { stream, _open: open, _room: room }),
            None => {
                tally.refused(Step::Live, "no_answer");
                None
            }
        }
    }

    /// The next frame, or the end. Pings are answered on the way.
    pub(super) async fn hears(&mut self) -> Heard {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Option<Frame> = serde_json::from_str(&text).ok();
                    return Heard::News(frame.map(|frame| frame.data).unwrap_or_default());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Heard::Closed,
            }
        }
    }
}

async fn connected(
    gateway: SocketAddr,
    path: &str,
    (fan, address): (u32, &str),
    place: &str,
) -> Option<WebSocketStream<TcpStream>> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(source(fan)).ok()?;
    let tcp = socket.connect(gateway).await.ok()?;
    tcp.set_nodelay(true).ok()?;
    let mut request = format!("ws://{gateway}{path}").into_client_request().ok()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUB_PROTOCOL));
    request.headers_mut().insert("x-forwarded-for", HeaderValue::from_str(address).ok()?);
    let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(0);
    let (mut stream, _) = tokio_tungstenite::client_async_with_config(request, tcp, Some(config)).await.ok()?;
    stream.send(Message::text(serde_json::json!({ "place": place }).to_string())).await.ok()?;
    Some(stream)
}
