//! What happened to turns and places, and to the whole line, for the log in Postgres.

use std::fmt;
use std::str::FromStr;

use domain::PlaceNumber;
use jiff::Timestamp;

use crate::Standstill;

/// What an event of the whole line begins with.
const STANDS: &str = "stands ";

/// Something that happened to a number. It is delivered by every tick until it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueEvent {
    /// What.
    pub kind: EventKind,
    /// To whom.
    pub number: PlaceNumber,
    /// When, by the clock of Redis.
    pub at: Timestamp,
}

/// What can happen to a number after it was given, save for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Its turn lapsed unused; it waits again.
    Lapsed,
    /// It gave up its place.
    Left,
    /// Its turn or session is over.
    Ended,
    /// It was let in before its turn.
    Bypassed,
}

/// The sale stands still from here on, or goes on. Delivered as other events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Why it stands still; none when it goes on.
    pub why: Option<Standstill>,
    /// When, by the clock of Redis.
    pub at: Timestamp,
}

/// Visitors who had been silent and were heard again: the people ahead of everybody behind them became more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// How many.
    pub count: u64,
    /// The lowest number among them: nobody before it saw a change.
    pub lowest: PlaceNumber,
    /// Until when they were counted.
    pub at: Timestamp,
}

impl EventKind {
    /// Its word in Redis.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lapsed => "lapsed",
            Self::Left => "left",
            Self::Ended => "ended",
            Self::Bypassed => "bypassed",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        [Self::Lapsed, Self::Left, Self::Ended, Self::Bypassed].into_iter().find(|kind| kind.word() == word)
    }
}

/// The event as Redis keeps it: `kind number ms`.
impl fmt::Display for QueueEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind.word(), self.number, self.at.as_millisecond())
    }
}

impl FromStr for QueueEvent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(());
        let kind = EventKind::of_word(word()?).ok_or(())?;
        let number = PlaceNumber(word()?.parse().map_err(drop)?);
        Ok(Self { kind, number, at: moment(word()?)? })
    }
}

/// The stop as Redis keeps it: `stands reason ms`.
impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STANDS}{} {}", self.why.map_or("none", Standstill::word), self.at.as_millisecond())
    }
}

impl FromStr for Stop {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (why, at) = text.strip_prefix(STANDS).and_then(|rest| rest.split_once(' ')).ok_or(())?;
        Ok(Self { why: Standstill::of_word(why)?, at: moment(at)? })
    }
}

fn moment(ms: &str) -> Result<Timestamp, ()> {
    Timestamp::from_millisecond(ms.parse().map_err(drop)?).map_err(drop)
}
