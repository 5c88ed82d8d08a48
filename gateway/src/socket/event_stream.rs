//! The life of one stream of events, for browsers and proxies that let no WebSocket through.
//!
//! Over HTTP/1.1 and HTTP/2, the same frames as a WebSocket's from the same [`Watch`]. A browser connects again by itself,
//! after a time that we tell it at random; the first event is then the full state, so nothing is missed by it.
//!
//! Bounds: [`EVENTS_MAX`] events wait for a client that reads slowly, an event is taken within [`SEND_MAX`], else the
//! visitor is not here any more and the stream ends; what the system buffers goes when it stays unread (see
//! [`crate::server`]). A comment every 20 to 25 s keeps proxies from cutting the connection and finds out who is gone.
//!
//! Drain: streams part one after the other, each with `reconnect` and the end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::token::{EntryToken, PlaceToken};
use domain::trace::TraceId;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::audience::{Audience, Listener as _};
use super::connection::SEND_MAX;
use super::message::FrameText;
use super::seat::{Gone, Outlet, Seat, Stage};
use super::watch::{FRAMES_OF_A_LOOK, Watch, part_of};
use crate::answer::{Answer, Body, With as _, empty};
use crate::app::App;
use crate::floor::Floor;
use crate::metrics;
use crate::problem::Problem;

/// Events that wait to be taken: those of a look, and one of the task's own.
const EVENTS_MAX: usize = FRAMES_OF_A_LOOK + 1;
/// Comments come this often, as pings do.
const COMMENT_MIN: Duration = Duration::from_secs(20);
const COMMENT_JITTER: Duration = Duration::from_secs(5);
/// Browsers that lost the connection come back after this long, and up to as much again.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_JITTER: Duration = Duration::from_secs(4);

/// Whose stream it is.
pub(super) enum Shown {
    /// The holder's of a place.
    Place(PlaceToken),
    /// The holder's of an entry of the waitlist.
    Entry(EntryToken),
}

/// The answer without its events.
pub(super) fn head() -> Answer {
    empty(StatusCode::OK)
        .with(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))
        .with(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))
}

/// Answers with a visitor's events.
///
/// # Errors
/// The place, or the entry, has too many connections.
pub(super) fn open(
    app: &Arc<App>,
    floor: Arc<Floor>,
    (shown, trace): (Shown, TraceId),
    room: OwnedSemaphorePermit,
) -> Result<Answer, Problem> {
    let (events, body) = mpsc::channel(EVENTS_MAX);
    let mut watch = Watch::new(Arc::clone(app), Arc::clone(&floor), trace);
    match shown {
        Shown::Place(place) => watch.sit(place)?,
        Shown::Entry(entry) => watch.sit_by_entry(&entry)?,
    }
    app.visits.spawn(run(Arc::clone(app), floor, watch, events, room));
    let mut answer = head();
    *answer.body_mut() = Body::Stream(body);
    Ok(answer)
}

async fn run(app: Arc<App>, floor: Arc<Floor>, watch: Watch, events: mpsc::Sender<Bytes>, room: OwnedSemaphorePermit) {
    metrics::stream_opened();
    let seat = Arc::new(Seat::new(watch, Events(events.clone())));
    let listed = Audience::list(&app, &floor, Arc::clone(&seat) as _);
    let mut stream = EventStream { seat, events, comment_at: next_comment(), part_at: None };
    let _ended = stream.live().await;
    stream.seat.line().stage = Stage::Closed;
    drop(listed);
    metrics::stream_closed();
    drop(room);
}

/// The way to the client.
struct Events(mpsc::Sender<Bytes>);

impl Outlet for Events {
    fn has_room(&mut self) -> bool {
        self.0.capacity() >= FRAMES_OF_A_LOOK
    }

    fn give(&mut self, frame: FrameText) -> Result<(), Gone> {
        self.0.try_send(frame.event().into()).map_err(|_| Gone)
    }
}

struct EventStream {
    seat: Arc<Seat<Events>>,
    events: mpsc::Sender<Bytes>,
    comment_at: Instant,
    part_at: Option<Instant>,
}

impl EventStream {
    async fn live(&mut self) -> Result<(), Gone> {
        self.send(retry(RETRY_MIN + part_of(RETRY_JITTER))).await?;
        self.seat.tell(Instant::now());
        let mut timer = pin!(sleep_until(self.comment_at));
        loop {
            self.part_at = self.part_at.or_else(|| self.seat.line().watch.parts_at());
            timer.as_mut().reset(self.part_at.map_or(self.comment_at, |part_at| part_at.min(self.comment_at)));
            tokio::select! {
                () = self.events.closed() => return Err(Gone),
                () = self.seat.attention() => self.attend().await?,
                () = timer.as_mut() => self.wake().await?,
            }
        }
    }

    async fn wake(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        if self.part_at.is_some_and(|at| at <= now) {
            return self.part().await;
        }
        if self.comment_at <= now {
            self.comment_at = next_comment();
            self.send(": still here\n\n".to_owned()).await?;
        }
        Ok(())
    }

    /// Sees to what the audience left: a client that reads slowly, and the end.
    async fn attend(&self) -> Result<(), Gone> {
        let room = timeout(SEND_MAX, self.events.reserve_many(FRAMES_OF_A_LOOK)).await;
        drop(room.map_err(|_| Gone)?.map_err(|_| Gone)?);
        let stage = self.seat.line().stage;
        match stage {
            Stage::Open => {
                self.seat.tell(Instant::now());
                Ok(())
            }
            Stage::Over(_) | Stage::Closed => Err(Gone),
        }
    }

    async fn part(&self) -> Result<(), Gone> {
        let (reconnect, after) = self.seat.line().watch.parting();
        self.send(retry(after) + &reconnect.event()).await?;
        Err(Gone)
    }

    async fn send(&self, text: String) -> Result<(), Gone> {
        match timeout(SEND_MAX, self.events.send(text.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

fn next_comment() -> Instant {
    Instant::now() + COMMENT_MIN + part_of(COMMENT_JITTER)
}

/// When a browser connects again that lost the connection.
fn retry(after: Duration) -> String {
    format!("retry: {}\n\n", after.as_millis())
}
