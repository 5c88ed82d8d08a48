//! The life of one WebSocket.
//!
//! What is told is decided by its [`Watch`] and written by the [audience](super::audience); this is the other direction, how
//! long a client is listened to, and what takes waiting: a client that reads slowly, and good-byes.
//!
//! Bounds: small buffers ([`READ_BUFFER_BYTES`], [`WRITE_BUFFER_MAX_BYTES`]), short messages ([`MESSAGE_MAX_BYTES`], else
//! 1009), few of them ([`MESSAGES_MAX_PER_S`], else 1008), a place within [`PLACE_MAX`] (else 1008), a sign of life within
//! [`PONG_MAX`] of a ping, a frame taken within [`SEND_MAX`], and none written before that: who does not read is dropped, not
//! buffered. What an idle one costs is measured by `cargo bench -p gateway --bench sockets`; so the rare things it does are
//! boxed, and hyper's connection is taken apart down to the bare stream.
//!
//! Drain: sockets part one after the other, each with `reconnect` and then 1012.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use domain::token::PlaceToken;
use domain::trace::TraceId;
use futures_util::{Sink as _, Stream as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::audience::{Audience, Listed, Listener as _};
use super::message::{ClientMessage, FrameText};
use super::seat::{Gone, Outlet, Seat, Stage};
use super::watch::{Watch, part_of};
use crate::app::App;
use crate::floor::Floor;
use crate::identity;
use crate::metrics;
use crate::problem::{Code, Problem};

/// Reserved for each socket as long as it lives; what clients say is short and rare, and a longer message gets what it
/// needs while it is read.
const READ_BUFFER_BYTES: usize = 256;
/// What may wait for a client that reads slowly: the frames of one look, and answers to its pings.
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
/// How long a ping may stay without an answer, or anything else said: a proxy may keep a connection open whose client is
/// gone, and who is not there must not be given a turn.
const PONG_MAX: Duration = Duration::from_secs(10);
/// How long a frame may take to be taken.
pub(super) const SEND_MAX: Duration = Duration::from_secs(5);
/// How long a handshake may take to end.
const UPGRADE_MAX: Duration = Duration::from_secs(10);
/// How long, and how much, is read from a client that was told to go, so that it hears why before the connection is reset.
const LINGER_MAX: Duration = Duration::from_secs(1);
const LINGER_MAX_BYTES: usize = 256 * 1024;

/// Serves a socket to its end.
pub(super) async fn run(
    app: Arc<App>,
    floor: Arc<Floor>,
    (place, trace): (Option<PlaceToken>, TraceId),
    upgrade: OnUpgrade,
    room: OwnedSemaphorePermit,
) {
    let Some(socket) = Box::pin(open(upgrade)).await else {
        return;
    };
    metrics::socket_opened();
    let mut watch = Watch::new(Arc::clone(&app), Arc::clone(&floor), trace);
    let refused = place.and_then(|place| watch.sit(place).err());
    let seat = Arc::new(Seat::new(watch, Wire::new(socket)));
    let listed = Audience::list(&app, &floor, Arc::clone(&seat) as _);
    seat.tell(Instant::now());
    let mut connection = Connection::new(app, seat);
    let end = match refused {
        None => connection.live(&listed).await,
        Some(problem) => connection.refuse(&problem).await,
    };
    drop(listed);
    Box::pin(connection.close(end)).await;
    metrics::socket_closed();
    drop(room);
}

/// The bare stream, without the layers and the buffers that HTTP needed around it.
async fn open(upgrade: OnUpgrade) -> Option<WebSocketStream<TcpStream>> {
    let upgraded: Upgraded = timeout(UPGRADE_MAX, upgrade).await.ok()?.ok()?;
    let parts = downcast::<TokioIo<TcpStream>>(upgraded).ok()?;
    let (stream, read) = (parts.io.into_inner(), parts.read_buf.to_vec());
    Some(WebSocketStream::from_partially_read(stream, read, Role::Server, Some(socket_config())).await)
}

fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX_BYTES)
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES))
}

/// The way to the client. What is written goes out at once, or waits in the socket's buffer until its task sees to it.
struct Wire {
    socket: WebSocketStream<TcpStream>,
    /// Who is to hear that the client takes or says something, whoever asks.
    task: Waker,
}

impl Wire {
    fn new(socket: WebSocketStream<TcpStream>) -> Self {
        Self { socket, task: Waker::noop().clone() }
    }

    /// The socket, for the task that waits for it.
    fn waited_for(&mut self, context: &Context<'_>) -> Pin<&mut WebSocketStream<TcpStream>> {
        self.task.clone_from(context.waker());
        Pin::new(&mut self.socket)
    }

    fn write(&mut self, message: Message) -> Result<(), Gone> {
        Pin::new(&mut self.socket).start_send(message).map_err(|_| Gone)
    }
}

impl Outlet for Wire {
    fn has_room(&mut self) -> bool {
        Pin::new(&mut self.socket).poll_ready(&mut Context::from_waker(&self.task)).is_ready()
    }

    fn give(&mut self, frame: FrameText) -> Result<(), Gone> {
        self.write(Message::text(frame.into_message()))
    }
}

/// Why a socket ends.
enum End {
    /// The client is gone, or does not read.
    Gone,
    /// It is told to go, and why.
    Told(CloseCode, &'static str),
}

impl From<Gone> for End {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

struct Connection {
    app: Arc<App>,
    seat: Arc<Seat<Wire>>,
    begun: Instant,
    ping_at: Instant,
    /// The ping that nothing was heard after.
    pinged_at: Option<Instant>,
    part_at: Option<Instant>,
    /// Messages since a moment.
    messages: (Instant, u32),
}

impl Connection {
    fn new(app: Arc<App>, seat: Arc<Seat<Wire>>) -> Self {
        let now = Instant::now();
        Self {
            app,
            seat,
            begun: now,
            ping_at: now + PING_MIN + part_of(PING_JITTER),
            pinged_at: None,
            part_at: None,
            messages: (now, 0),
        }
    }

    async fn live(&mut self, listed: &Listed) -> End {
        let mut timer = pin!(sleep_until(self.begun));
        loop {
            self.part_at = self.part_at.or_else(|| self.seat.line().watch.parts_at());
            timer.as_mut().reset(self.wake_at());
            let step = tokio::select! {
                message = next_message(&self.seat) => self.hear(message, listed).await,
                () = self.seat.attention() => self.attend().await,
                () = timer.as_mut() => self.wake().await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let is_seated = self.seat.line().watch.is_seated();
        let place_by = if is_seated { self.ping_at } else { self.begun + PLACE_MAX };
        let gone_at = self.pinged_at.map(|at| at + PONG_MAX);
        [Some(place_by), Some(self.ping_at), gone_at, self.part_at]
            .into_iter()
            .flatten()
            .min()
            .expect("there is a next ping")
    }

    async fn wake(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.part_at.is_some_and(|at| at <= now) {
            return self.part().await;
        }
        if self.pinged_at.is_some_and(|at| at + PONG_MAX <= now) {
            return Err(End::Gone);
        }
        if self.ping_at <= now {
            self.pinged_at = Some(now);
            self.ping_at = now + PING_MIN + part_of(PING_JITTER);
            self.send(Message::Ping(Bytes::new())).await?;
        }
        if !self.seat.line().watch.is_seated() && self.begun + PLACE_MAX <= now {
            return Err(End::Told(CloseCode::Policy, "no place was shown"));
        }
        Ok(())
    }

    /// Sees to what the audience left: frames that were not taken yet, and the end.
    async fn attend(&self) -> Result<(), End> {
        flush(&self.seat).await?;
        let stage = self.seat.line().stage;
        match stage {
            Stage::Open => {
                self.seat.tell(Instant::now());
                Ok(())
            }
            Stage::Over(last) => Err(End::Told(CloseCode::Normal, last.in_words())),
            Stage::Closed => Err(End::Gone),
        }
    }

    async fn part(&self) -> Result<(), End> {
        let (reconnect, _) = self.seat.line().watch.parting();
        self.send(Message::text(reconnect.into_message())).await?;
        Err(End::Told(CloseCode::Restart, "the gateway stops"))
    }

    async fn hear(&mut self, message: Option<Result<Message, Error>>, listed: &Listed) -> Result<(), End> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
                return Err(End::Told(CloseCode::Size, "at most 4 KiB a message"));
            }
            Some(Err(Error::Protocol(_) | Error::Utf8(_))) => return Err(End::Told(CloseCode::Protocol, "")),
            Some(Err(_)) | None => return Err(End::Gone),
        };
        self.pinged_at = None;
        self.count_message()?;
        match message {
            Message::Text(text) => self.hear_text(text.as_str(), listed).await,
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

    /// Whose connection it is, even when a cookie told that: what is said counts. What we do not understand says nothing.
    async fn hear_text(&self, text: &str, listed: &Listed) -> Result<(), End> {
        let Ok(message) = serde_json::from_str(text) else {
            return Ok(());
        };
        match self.sit(message) {
            Ok(()) => {
                self.seat.tell(Instant::now());
                listed.ask_next_tick();
                Ok(())
            }
            Err(problem) => Err(self.refuse(&problem).await),
        }
    }

    fn sit(&self, message: ClientMessage) -> Result<(), Problem> {
        let mut line = self.seat.line();
        let (sale, signer) = (line.watch.sale(), &self.app.signer);
        match message {
            ClientMessage::Place { place } => line.watch.sit(identity::verified_place(&place, sale, signer)?),
            ClientMessage::Entry { entry, token } => {
                let entry = entry.parse().map_err(|_| Code::TokenInvalid)?;
                let proof = identity::verified_entry(&token, sale, signer)?;
                line.watch.sit_by_entry(&identity::of_entry(proof, entry)?)
            }
        }
    }

    async fn refuse(&self, problem: &Problem) -> End {
        let refusal = self.seat.line().watch.refusal(problem);
        let sent = self.send(Message::text(refusal.into_message())).await;
        sent.err().unwrap_or(End::Told(CloseCode::Policy, "what was shown is refused"))
    }

    async fn send(&self, message: Message) -> Result<(), End> {
        self.seat.line().outlet.write(message)?;
        flush(&self.seat).await
    }

    async fn close(self, end: End) {
        self.seat.line().stage = Stage::Closed;
        let End::Told(code, reason) = end else {
            return;
        };
        let good_bye = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        if self.send(good_bye).await.is_ok() {
            let _ = timeout(LINGER_MAX, linger(&self.seat)).await;
        }
    }
}

async fn next_message(seat: &Seat<Wire>) -> Option<Result<Message, Error>> {
    poll_fn(|context| seat.line().outlet.waited_for(context).poll_next(context)).await
}

/// Waits until everything is written. Most often it is, and needs no clock.
async fn flush(seat: &Seat<Wire>) -> Result<(), End> {
    let mut flush = poll_fn(|context| seat.line().outlet.waited_for(context).poll_flush(context));
    let flushed = match poll_fn(|context| Poll::Ready(Pin::new(&mut flush).poll(context))).await {
        Poll::Ready(flushed) => flushed,
        Poll::Pending => Box::pin(timeout(SEND_MAX, flush)).await.map_err(|_| End::Gone)?,
    };
    flushed.map_err(|_| End::Gone)
}

/// Bytes that were sent and not read would reset the connection and take our last words with it.
async fn linger(seat: &Seat<Wire>) {
    let mut rest = vec![0; 1024];
    let mut read = 0;
    while read < LINGER_MAX_BYTES {
        let mut buffer = ReadBuf::new(&mut rest);
        let more =
            poll_fn(|context| Pin::new(seat.line().outlet.socket.get_mut()).poll_read(context, &mut buffer)).await;
        match (more, buffer.filled().len()) {
            (Err(_), _) | (Ok(()), 0) => return,
            (Ok(()), bytes) => read += bytes,
        }
    }
}

#[cfg(test)]
mod tests;
