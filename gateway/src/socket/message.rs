//! What goes over a live connection: frames of ours, messages of clients.
//!
//! A frame is `{"v":1,"type":…,"seq":n,"server_time":…,"data":{…}}`, below 1 KiB for a sale of a few tiers
//! without a long notice, and more only because a position names what is left of each of up to
//! [`TIERS_MAX`](domain::sale::TIERS_MAX) tiers and carries the organizer's notice. `seq` counts the frames of one
//! connection, so a client sees that it missed none.
//!
//! As an event of a stream the frame is the data, its type the event, its `seq` the id. A client that connects again is
//! told everything, so the id it sends back says nothing to us.

use domain::sale::SaleState;
use domain::trace::TraceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::availability::TierAvailability;
use crate::endpoints::waitlist::EntryBody;
use crate::floor::{NoticeBody, PauseBody};
use crate::odds::Odds;
use crate::position::Position;
use crate::problem::Problem;
use crate::seat_map::SeatsDelta;
use crate::written::Written;

/// What most frames fit into, so that they are written without moving house.
const FRAME_USUAL_BYTES: usize = 512;

/// What a client says: whose connection it is.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ClientMessage {
    /// The holder's of a place.
    Place {
        /// Its token.
        place: String,
    },
    /// The holder's of an entry of the waitlist.
    Entry {
        /// Its id.
        entry: String,
        /// Either of its tokens.
        token: String,
    },
}

/// What we say.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub(crate) enum News {
    /// Everything a poll would answer.
    Position(Position),
    /// An entry of the waitlist, as its own address answers it: everything, each time.
    Entry(EntryBody),
    /// It is the visitor's turn.
    Admitted {
        /// Opens a shopping session.
        pass: String,
        /// When the turn, or the session, is over.
        #[schema(value_type = String, format = DateTime)]
        pass_expires_at: Timestamp,
    },
    /// What is left.
    Availability {
        /// Of each tier.
        #[schema(value_type = Vec<TierAvailability>)]
        availability: Written<Vec<TierAvailability>>,
        /// Whether anything will be left at one's turn; none when one is not in line.
        odds: Option<Odds>,
    },
    /// Which seats changed hands, for who is inside a sale with rows; see `GET …/seats`.
    #[schema(value_type = SeatsDelta)]
    Seats(Written<SeatsDelta>),
    /// The sale changed: told alone when nothing else of the position did.
    Sale {
        /// Where it is.
        #[schema(value_type = String, example = "paused")]
        state: SaleState,
        /// Why nobody is let in and no clock runs, if so.
        pause: Option<PauseBody>,
        /// What the organizer tells everyone waiting.
        #[schema(value_type = Option<NoticeBody>)]
        notice: Option<Written<NoticeBody>>,
    },
    /// The connection will be closed: open another one.
    Reconnect {
        /// When.
        after_ms: u64,
    },
    /// What was said is refused: a problem, as in answers.
    #[schema(value_type = Object)]
    Error(serde_json::Value),
}

impl News {
    /// A refusal.
    pub(super) fn error(problem: &Problem, trace: TraceId) -> Self {
        Self::Error(serde_json::to_value(problem.body(trace)).expect("a problem is made of text and numbers"))
    }

    /// Its type.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Position(_) => "position",
            Self::Entry(_) => "entry",
            Self::Admitted { .. } => "admitted",
            Self::Availability { .. } => "availability",
            Self::Seats(_) => "seats",
            Self::Sale { .. } => "sale",
            Self::Reconnect { .. } => "reconnect",
            Self::Error(_) => "error",
        }
    }
}

/// News on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Frame<'a> {
    /// The version of the protocol.
    v: u8,
    /// What it says.
    #[serde(flatten)]
    #[schema(inline)]
    news: &'a News,
    /// Counts the frames of a connection, from 1.
    seq: u64,
    /// The time, for countdowns.
    #[schema(value_type = String, format = DateTime)]
    server_time: Timestamp,
}

/// A frame as it is sent.
#[derive(Debug)]
pub(super) struct FrameText {
    kind: &'static str,
    seq: u64,
    json: String,
}

impl FrameText {
    /// Writes news.
    pub(super) fn new(news: &News, seq: u64, server_time: Timestamp) -> Self {
        let mut json = Vec::with_capacity(FRAME_USUAL_BYTES);
        let frame = Frame { v: 1, news, seq, server_time };
        serde_json::to_writer(&mut json, &frame).expect("a frame has string keys");
        Self { kind: news.kind(), seq, json: String::from_utf8(json).expect("JSON is UTF-8") }
    }

    /// As a message.
    pub(super) fn into_message(self) -> String {
        self.json
    }

    /// As an event. JSON on one line has no line break, which is all that an event must not have in its data.
    pub(super) fn event(&self) -> String {
        let Self { kind, seq, json } = self;
        format!("event: {kind}\nid: {seq}\ndata: {json}\n\n")
    }
}

#[cfg(test)]
mod tests;
