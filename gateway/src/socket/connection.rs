//! The life of one socket.
//!
//! It looks at the sale in its own time, near the front every tick and far back every few seconds, and sends what its
//! visitor would see changed; the first frame is everything. So a tick costs nothing per socket, and a socket that
//! nothing happens to is a timer.
//!
//! Bounds: small buffers ([`READ_BUFFER_BYTES`], [`WRITE_BUFFER_MAX_BYTES`]), short messages ([`MESSAGE_MAX_BYTES`], else
//! 1009), few of them ([`MESSAGES_MAX_PER_S`], else 1008), a place within [`PLACE_MAX`] (else 1008), a sign of life within
//! [`SILENT_MAX`], a frame taken within [`SEND_MAX`]: who does not read is dropped, not buffered.
//!
//! Drain: sockets part one after the other, each with `reconnect` and then 1012.

use std::sync::Arc;
use std::time::Duration;

use domain::sale::SaleState;
use domain::token::PlaceToken;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use uuid::Uuid;

use super::message::{ClientMessage, Frame, News};
use crate::app::App;
use crate::endpoints::queue;
use crate::floor::{Connected, Floor};
use crate::identity;
use crate::metrics;
use crate::position::{Eta, PlaceState, Position, Standing};
use crate::problem::{Code, Problem};
use crate::sale::Sale;

/// Reserved for each socket as long as it lives; what clients say is short and rare.
const READ_BUFFER_BYTES: usize = 1024;
/// What may wait for a client that reads slowly: a few frames.
const WRITE_BUFFER_MAX_BYTES: usize = 16 * 1024;
/// The longest message of a client; a place token has about 150 characters.
const MESSAGE_MAX_BYTES: usize = 4 * 1024;
/// Messages of a client in one second, pings included; one is needed in all.
const MESSAGES_MAX_PER_S: u32 = 10;
/// How long a client without a cookie may take to show its place.
const PLACE_MAX: Duration = Duration::from_secs(10);
/// Pings come every 20 to 25 s: before proxies cut an idle connection, which most do after 60 s.
const PING_MIN: Duration = Duration::from_secs(20);
const PING_JITTER: Duration = Duration::from_secs(5);
/// Two pings without an answer.
const SILENT_MAX: Duration = Duration::from_secs(50);
/// How long a frame may take to be taken.
const SEND_MAX: Duration = Duration::from_secs(5);
/// How long a handshake may take to end.
const UPGRADE_MAX: Duration = Duration::from_secs(10);
/// How long, and how much, is read from a client that was told to go, so that it hears why before the connection is reset.
const LINGER_MAX: Duration = Duration::from_secs(1);
const LINGER_MAX_BYTES: usize = 256 * 1024;
/// How often one looks when the store is away.
const BLIND_LOOK: Duration = Duration::from_secs(1);
/// Who is told to reconnect does so within this long, at random.
const RECONNECT_SPREAD: Duration = Duration::from_secs(5);

/// Serves a socket to its end.
pub(super) async fn run(app: Arc<App>, sale: Arc<Sale>, place: Option<PlaceToken>, upgrade: OnUpgrade) {
    let Ok(Ok(upgraded)) = timeout(UPGRADE_MAX, upgrade).await else {
        return;
    };
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(socket_config())).await;
    metrics::socket_opened();
    let floor = app.floor(&sale);
    let mut connection = Connection::new(app, sale, floor, socket);
    if let Some(place) = place {
        connection.sit(place);
    }
    let end = connection.live().await;
    connection.close(end).await;
    metrics::socket_closed();
}

fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX_BYTES)
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES))
}

/// Why a socket ends.
enum End {
    /// The client is gone, or does not read.
    Gone,
    /// It is told to go, and why.
    Told(CloseCode, &'static str),
}

struct Connection {
    app: Arc<App>,
    sale: Arc<Sale>,
    floor: Arc<Floor>,
    socket: WebSocketStream<TokioIo<Upgraded>>,
    /// Whose position is told.
    place: Option<(PlaceToken, Connected)>,
    /// What was told last.
    told: Option<Position>,
    /// Whether the client knows that the store is away.
    blind: bool,
    seq: u64,
    begun: Instant,
    look_at: Instant,
    ping_at: Instant,
    part_at: Option<Instant>,
    heard_at: Instant,
    /// Messages since a moment.
    messages: (Instant, u32),
}

impl Connection {
    fn new(app: Arc<App>, sale: Arc<Sale>, floor: Arc<Floor>, socket: WebSocketStream<TokioIo<Upgraded>>) -> Self {
        let now = Instant::now();
        Self {
            app,
            sale,
            floor,
            socket,
            place: None,
            told: None,
            blind: false,
            seq: 0,
            begun: now,
            look_at: now,
            ping_at: now + PING_MIN + part_of(PING_JITTER),
            part_at: None,
            heard_at: now,
            messages: (now, 0),
        }
    }

    /// Takes on a place: its position is told in full.
    fn sit(&mut self, place: PlaceToken) {
        let connected = self.floor.connected(place.number);
        self.place = Some((place, connected));
        self.told = None;
        self.look_at = Instant::now();
    }

    async fn live(&mut self) -> End {
        let app = Arc::clone(&self.app);
        loop {
            let wake_at = self.wake_at();
            let step = tokio::select! {
                message = self.socket.next() => self.hear(message).await,
                () = sleep_until(wake_at) => self.wake().await,
                () = app.draining.cancelled(), if self.part_at.is_none() => {
                    self.part_at = Some(Instant::now() + part_of(app.config.drain.sockets_spread));
                    Ok(())
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let look_at = if self.place.is_some() { self.look_at } else { self.begun + PLACE_MAX };
        let earliest = look_at.min(self.ping_at);
        self.part_at.map_or(earliest, |part_at| earliest.min(part_at))
    }

    async fn wake(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.part_at.is_some_and(|at| at <= now) {
            return self.part().await;
        }
        if now.duration_since(self.heard_at) > SILENT_MAX {
            return Err(End::Gone);
        }
        if self.ping_at <= now {
            self.ping_at = now + PING_MIN + part_of(PING_JITTER);
            self.send(Message::Ping(Bytes::new())).await?;
        }
        if self.place.is_none() && self.begun + PLACE_MAX <= now {
            return Err(End::Told(CloseCode::Policy, "no place was shown"));
        }
        if self.place.is_some() && self.look_at <= now { self.look().await } else { Ok(()) }
    }

    async fn part(&mut self) -> Result<(), End> {
        let after_ms = part_of(RECONNECT_SPREAD).as_millis();
        let after_ms = u64::try_from(after_ms).expect("a few seconds fit");
        self.tell(&News::Reconnect { after_ms }).await?;
        Err(End::Told(CloseCode::Restart, "the gateway stops"))
    }

    /// Looks at the sale and tells what is new.
    async fn look(&mut self) -> Result<(), End> {
        let Some((place, _)) = &self.place else {
            return Ok(());
        };
        let Some(seen) = self.floor.seen() else {
            return self.look_blindly().await;
        };
        self.blind = false;
        let standing = Standing::of(&seen, place.number);
        self.look_at = Instant::now() + pause(standing);
        let position = queue::position(&self.app, &self.sale, &seen, standing, place);
        for news in news(self.told.as_ref(), &position) {
            self.tell(&news).await?;
        }
        self.told = Some(position);
        Ok(())
    }

    /// Nothing is seen: the store is away, or the sale is over.
    async fn look_blindly(&mut self) -> Result<(), End> {
        self.look_at = Instant::now() + BLIND_LOOK;
        if self.floor.is_over() {
            self.tell(&News::Sale { state: SaleState::Closed }).await?;
            return Err(End::Told(CloseCode::Normal, "the sale is over"));
        }
        if !std::mem::replace(&mut self.blind, true) {
            self.tell(&News::error(&Problem::new(Code::StoreUnavailable))).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, message: Option<Result<Message, Error>>) -> Result<(), End> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
                return Err(End::Told(CloseCode::Size, "at most 4 KiB a message"));
            }
            Some(Err(Error::Protocol(_) | Error::Utf8(_))) => return Err(End::Told(CloseCode::Protocol, "")),
            Some(Err(_)) | None => return Err(End::Gone),
        };
        self.heard_at = Instant::now();
        self.count_message()?;
        match message {
            Message::Text(text) => self.hear_text(text.as_str()).await,
            Message::Binary(_) => Err(End::Told(CloseCode::Unsupported, "text only")),
            // tungstenite answers both: a ping with a pong, a good-bye with a good-bye.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn count_message(&mut self) -> Result<(), End> {
        let (since, count) = &mut self.messages;
        if since.elapsed() >= Duration::from_secs(1) {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        if *count > MESSAGES_MAX_PER_S {
            return Err(End::Told(CloseCode::Policy, "at most 10 messages a second"));
        }
        Ok(())
    }

    /// A place token, even when a cookie told one: what is said counts. What we do not understand says nothing.
    async fn hear_text(&mut self, text: &str) -> Result<(), End> {
        let Some(token) = serde_json::from_str::<ClientMessage>(text).ok().and_then(|message| message.place) else {
            return Ok(());
        };
        match identity::verified_place(&token, self.sale.id(), &self.app.signer) {
            Ok(place) => {
                if self.place.as_ref().is_none_or(|(seated, _)| seated.number != place.number) {
                    self.sit(place);
                }
                Ok(())
            }
            Err(problem) => {
                self.tell(&News::error(&problem)).await?;
                Err(End::Told(CloseCode::Policy, "the place is not valid"))
            }
        }
    }

    async fn tell(&mut self, news: &News) -> Result<(), End> {
        self.seq += 1;
        let text = Frame::new(news, self.seq, self.app.clock.now()).text();
        self.send(Message::text(text)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_MAX, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    async fn close(mut self, end: End) {
        let End::Told(code, reason) = end else {
            return;
        };
        let frame = CloseFrame { code, reason: reason.into() };
        if let Ok(Ok(())) = timeout(SEND_MAX, self.socket.close(Some(frame))).await {
            let _ = timeout(LINGER_MAX, linger(self.socket.into_inner())).await;
        }
    }
}

/// Bytes that were sent and not read would reset the connection and take our last words with it.
async fn linger(mut stream: TokioIo<Upgraded>) {
    let mut rest = [0; 1024];
    let mut read = 0;
    while read < LINGER_MAX_BYTES {
        match stream.read(&mut rest).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => read += bytes,
        }
    }
}

/// What a client does not know yet. At first, everything.
fn news(told: Option<&Position>, now: &Position) -> Vec<News> {
    let Some(told) = told else {
        return std::iter::once(News::Position(now.clone())).chain(admitted(None, now)).collect();
    };
    let moved = (told.state, told.ahead, &told.pass) != (now.state, now.ahead, &now.pass)
        || told.pass_expires_at != now.pass_expires_at
        || eta_moved(told.eta_s, now.eta_s);
    if moved {
        return std::iter::once(News::Position(now.clone())).chain(admitted(Some(told), now)).collect();
    }
    let sale = (told.sale_state != now.sale_state).then_some(News::Sale { state: now.sale_state });
    let left =
        (told.availability != now.availability).then(|| News::Availability { availability: now.availability.clone() });
    sale.into_iter().chain(left).collect()
}

/// The turn itself is news of its own, once.
fn admitted(told: Option<&Position>, now: &Position) -> Option<News> {
    if told.is_some_and(|told| told.state == PlaceState::Admitted) {
        return None;
    }
    let (pass, pass_expires_at) = now.pass.clone().zip(now.pass_expires_at)?;
    Some(News::Admitted { pass, pass_expires_at })
}

/// A waiting time that moves by less than a quarter is no news.
fn eta_moved(told: Option<Eta>, now: Option<Eta>) -> bool {
    match (told, now) {
        (Some(told), Some(now)) => told.p50.abs_diff(now.p50) * 4 > told.p50.max(8),
        (told, now) => told.is_some() != now.is_some(),
    }
}

/// How long until the next look: a turn must be seen at once, a hundredth of the way back need not.
fn pause(standing: Standing) -> Duration {
    match standing {
        Standing::Waiting { ahead: 0..500 } => Duration::from_millis(200),
        Standing::Waiting { ahead: 500..5_000 } => Duration::from_secs(1),
        Standing::Waiting { .. } => Duration::from_secs(3),
        Standing::Inside { .. } => Duration::from_millis(500),
        Standing::Left | Standing::Expired => Duration::from_secs(5),
    }
}

/// A random part of a duration.
fn part_of(whole: Duration) -> Duration {
    let [a, b, ..] = Uuid::new_v4().into_bytes();
    whole * u32::from(u16::from_be_bytes([a, b])) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests;
