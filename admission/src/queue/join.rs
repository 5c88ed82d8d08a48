//! Joining, many at once: one script for everyone who came to a gateway within a few milliseconds.
//!
//! The script must know its keys beforehand, so the buckets in which the askers are kept travel as keys, each once, and an
//! ask names its bucket by position.

use domain::PlaceNumber;
use domain::token::{Allowance, Holder};
use fred::types::Value;

use super::{Mark, bytes, text};
use crate::AdmissionError;
use crate::keys;
use crate::scripts::Reply;

/// The most asks of one batch: about a millisecond of Redis.
pub const JOIN_BATCH_MAX: usize = 256;

/// How long a holder's number is remembered after the last join in its bucket; places live far shorter.
const VISITORS_KEPT_S: u32 = 24 * 60 * 60;

/// A wish for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinAsk {
    /// Whose.
    pub holder: Holder,
    /// The number that the holder's place token proves, if there is one: it is found also when Redis was lost and does not
    /// know any more whose it is.
    pub proven: Option<PlaceNumber>,
    /// How much time the holder asked for.
    pub allowance: Allowance,
}

/// What a join came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// A new place at the end of the line.
    New {
        /// Its number.
        number: PlaceNumber,
        /// The epoch in which it was given.
        epoch: u32,
    },
    /// The holder has a live place already: waiting, with a turn, or shopping.
    Existing {
        /// Its number.
        number: PlaceNumber,
        /// The epoch that Redis is in.
        epoch: u32,
    },
    /// Every reserved number is handed out: reserve a block in Postgres, call [`crate::Queue::raise_reserved`], join again.
    ReserveNumbers,
    /// A draw of this sale is not in Redis yet, and its numbers come first: join again in a moment.
    Drawing,
}

/// A batch as the script takes it.
pub(super) struct Batch {
    pub(super) buckets: Vec<u16>,
    pub(super) arguments: Vec<Value>,
}

impl Batch {
    pub(super) fn of(asks: &[JoinAsk], cohorts: u32, mark: Mark) -> Self {
        assert!(asks.len() <= JOIN_BATCH_MAX, "the caller collects no more than {JOIN_BATCH_MAX} asks");
        let mut buckets: Vec<u16> = asks.iter().map(|ask| keys::visitor_bucket(ask.holder)).collect();
        buckets.sort_unstable();
        buckets.dedup();
        let mut arguments = vec![text(VISITORS_KEPT_S), text(cohorts), text(mark)];
        for ask in asks {
            let bucket = buckets.binary_search(&keys::visitor_bucket(ask.holder)).expect("it was collected above");
            let proven = ask.proven.map(|number| number.0.to_string()).unwrap_or_default();
            let time = match ask.allowance {
                Allowance::Usual => "usual",
                Allowance::MoreTime => "more",
            };
            arguments.extend([text(bucket + 1), bytes(keys::visitor_field(&ask.holder)), text(proven), time.into()]);
        }
        Self { buckets, arguments }
    }
}

/// The answers of the script, one for each ask.
pub(super) fn answers(mut reply: Reply, asks: usize) -> Result<Vec<Join>, AdmissionError> {
    super::expect_word(&reply, "answered")?;
    let epoch = reply.parsed()?;
    let pairs = reply.value()?.into_array();
    let answers: Option<Vec<_>> = pairs.chunks_exact(2).map(|pair| answer(&pair[0], &pair[1], epoch)).collect();
    answers.filter(|answers| answers.len() == asks).ok_or_else(|| reply.odd("not an answer for each ask"))
}

fn answer(word: &Value, number: &Value, epoch: u32) -> Option<Join> {
    let number = PlaceNumber(number.as_u64()?);
    match word.as_str()?.as_ref() {
        "new" => Some(Join::New { number, epoch }),
        "existing" => Some(Join::Existing { number, epoch }),
        "reserve" => Some(Join::ReserveNumbers),
        "drawing" => Some(Join::Drawing),
        _ => None,
    }
}
