//! What goes over a socket: frames of ours, messages of clients.
//!
//! A frame is `{"v":1,"type":…,"seq":n,"server_time":…,"data":{…}}`: below 1 KiB for a sale of a few tiers, and below
//! 4 KiB for one of [`TIERS_MAX`](domain::sale::TIERS_MAX), because a position names what is left of each. `seq` counts
//! the frames of one connection, so a client sees that it missed none.

use domain::sale::SaleState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::availability::TierAvailability;
use crate::position::Position;
use crate::problem::Problem;

/// What a client says.
#[derive(Debug, Deserialize)]
pub(super) struct ClientMessage {
    /// Its place token.
    pub(super) place: Option<String>,
}

/// What we say.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub(crate) enum News {
    /// Everything a poll would answer.
    Position(Position),
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
        availability: Vec<TierAvailability>,
    },
    /// The sale changed its state.
    Sale {
        /// Where it is.
        #[schema(value_type = String, example = "paused")]
        state: SaleState,
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
    pub(super) fn error(problem: &Problem) -> Self {
        Self::Error(serde_json::to_value(problem.body()).expect("a problem is made of text and numbers"))
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

impl<'a> Frame<'a> {
    /// News on its way.
    pub(super) const fn new(news: &'a News, seq: u64, server_time: Timestamp) -> Self {
        Self { v: 1, news, seq, server_time }
    }

    /// Its text.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("a frame has string keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    fn text(news: &News) -> serde_json::Value {
        serde_json::from_str(&Frame::new(news, 7, Timestamp::UNIX_EPOCH).text()).unwrap()
    }

    #[test]
    fn a_frame_says_what_it_is_and_counts() {
        let frame = text(&News::Reconnect { after_ms: 1_500 });
        let told = serde_json::json!({
            "v": 1, "type": "reconnect", "seq": 7, "server_time": "1970-01-01T00:00:00Z", "data": { "after_ms": 1_500 },
        });
        assert_eq!(frame, told);
    }

    #[test]
    fn a_refusal_is_a_problem() {
        let frame = text(&News::error(&Problem::new(Code::PlaceInvalid)));
        assert_eq!((&frame["type"], &frame["data"]["code"]), (&"error".into(), &"place_invalid".into()));
        assert_eq!(frame["seq"], 7);
    }
}
