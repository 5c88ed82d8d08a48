//! How long waiting may take, from how fast the line really moves.
//!
//! ```text
//! every tick ─► Sample ─► flow: admissions by the second ─► outlook: rate, unevenness ─► eta(ahead): p10, p50, p90
//! ```
//!
//! Seconds count only while people waited and nothing stood still: an empty line says nothing about how fast a full one
//! moves, and a pause says nothing about what comes after it. What follows from them is in [`flow`]. A range is the time
//! that so many people take at the measured rate, widened by what that rate is not known to, by what comes in lumps on the
//! way, and by how much any rate may change ([`FASTER_SHARE`], [`SLOWER_SHARE`]), for no past says when.
//!
//! What it guarantees: a pure function of its samples, the same on every gateway that saw the same views; `p10 <= p50 <=
//! p90`; no figure while nothing moves, and none so vague that it is of no use. Before anything is measured the configured
//! rate stands in, but only for those who find room by it: how soon slots come back nobody knows before the first one did.
//!
//! How good it is, is claimed for waits of 20 s and more in simulated lines of 5 to 40 minutes, whose visitors look at 25, 50
//! and 75 % of their wait (`eta/tests/simulation.rs` prints the figures and asserts them):
//!
//! - steady, random, changing (to 0.6 up to 1.5 times the rate) and stop-and-go service, and service by payments: the range
//!   holds the true rest of the wait at 80 % of the looks, is shown at 90 %, and its width is at most half of that rest
//!   **in the median**, not for everybody. It is within half for 95 % of the looks at a steady line, for some 55 % before
//!   and after a rate that rose to 1.5, and for the last few of a line with long stops it can be many times the rest.
//! - at each of the three points alone, for steady, random and stop-and-go service and for a rate that changes to 0.75 or to
//!   1.33. Not for a rate that falls to 0.6 (70 % at a quarter of the wait) or rises to 1.5 (73 % at half of it): a look
//!   before the change cannot know of it, and a range wide enough for both would be wider than half of the wait.
//!
//! Bounds: [`flow::HISTORY_MAX_S`] numbers a sale, about a dozen passes over them a second, and a few operations an answer.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use flow::Flow;
pub(crate) use flow::Outlook;

mod flow;

/// How long it may take, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Eta {
    /// Nine times out of ten later.
    pub(crate) p10: u64,
    /// As likely sooner as later.
    pub(crate) p50: u64,
    /// Nine times out of ten sooner.
    pub(crate) p90: u64,
}

/// Whether anybody can be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    /// The sale is open and goes on.
    Moving,
    /// It is not open, or stands still.
    Standing,
}

/// The line at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// When, by the clock of Redis.
    pub(crate) now: Timestamp,
    /// Turns given so far.
    pub(crate) admitted_total: u64,
    /// Live visitors in line.
    pub(crate) waiting: u64,
    /// How many more shoppers fit inside.
    pub(crate) room: u64,
    /// Whether it moves.
    pub(crate) motion: Motion,
}

/// Views further apart than this leave a gap: nobody knows how people were let in meanwhile.
const GAP_MAX_MS: i64 = 5_000;

/// How much faster than measured the rest may go, and how much slower, whatever was measured: service changes, and no past
/// says when. Together they make a range a bit less than half as wide as the wait, which is as wide as is of use.
const FASTER_SHARE: f64 = 0.235;
/// See [`FASTER_SHARE`]. It is the larger one: who is called early waits for nothing, who is called late was misled.
const SLOWER_SHARE: f64 = 0.275;

/// How many deviations of what was measured a range reaches to each side. One, not the 1.28 of a normal distribution: what
/// the rate is not known to and what comes in lumps are two views of the same unevenness, and both count in full.
const DEVIATIONS: f64 = 1.0;

/// A range that reaches further than twice its middle to one side says nothing.
const REACH_MAX: f64 = 2.0;

/// Longer than a day is no figure.
const WAIT_MAX_S: f64 = 86_400.0;

/// Measures how fast a line moves.
#[derive(Debug)]
pub(crate) struct Estimator {
    configured_per_s: f64,
    flow: Flow,
    last: Option<Sample>,
    /// What follows from the flow; none when a second was added since, or too few.
    outlook: Option<Outlook>,
}

/// What may be expected, at one moment.
#[derive(Debug, Clone)]
pub(crate) enum Forecast {
    /// Nothing moves.
    None,
    /// Nothing is measured yet: the configured rate, for those who find room by it.
    Configured {
        /// The configured rate.
        outlook: Outlook,
        /// How many more fit inside.
        room: u64,
    },
    /// It goes on as it did.
    Measured(Outlook),
}

impl Estimator {
    /// Nothing is measured yet.
    pub(crate) fn new(rate_per_s: u32) -> Self {
        Self { configured_per_s: f64::from(rate_per_s), flow: Flow::default(), last: None, outlook: None }
    }

    /// The organizer set another rate. What was measured stays until it shows.
    pub(crate) fn set_rate(&mut self, rate_per_s: u32) {
        self.configured_per_s = f64::from(rate_per_s);
    }

    /// Takes in a view.
    pub(crate) fn sample(&mut self, sample: Sample) {
        let Some(last) = self.last.replace(sample) else {
            return;
        };
        let passed_ms = sample.now.as_millisecond() - last.now.as_millisecond();
        let counts = [last, sample].iter().all(|at| at.waiting > 0 && at.motion == Motion::Moving);
        // The total begins anew when Redis was lost.
        let admitted = sample.admitted_total.checked_sub(last.admitted_total);
        if let Some(admitted) = admitted.filter(|_| counts && (1..=GAP_MAX_MS).contains(&passed_ms))
            && self.flow.pass(passed_ms, admitted)
        {
            self.outlook = None;
        }
    }

    /// What may be expected from now on.
    pub(crate) fn forecast(&mut self) -> Forecast {
        let Some(last) = self.last.filter(|last| last.motion == Motion::Moving) else {
            return Forecast::None;
        };
        self.outlook = self.outlook.or_else(|| self.flow.outlook());
        match self.outlook {
            Some(outlook) => Forecast::Measured(outlook),
            None => Forecast::Configured { outlook: Outlook::of_rate(self.configured_per_s), room: last.room },
        }
    }
}

impl Forecast {
    /// How long somebody with so many people ahead will wait; none when there is no honest figure.
    pub(crate) fn eta(&self, ahead: u64) -> Option<Eta> {
        match self {
            Self::Measured(outlook) => range(outlook, ahead),
            Self::Configured { outlook, room } if ahead < *room => range(outlook, ahead),
            Self::Configured { .. } | Self::None => None,
        }
    }
}

fn range(outlook: &Outlook, ahead: u64) -> Option<Eta> {
    #[expect(clippy::cast_precision_loss, reason = "2^53 visitors are more than there are people")]
    let wait_s = (ahead as f64 + 1.0) / outlook.per_s;
    // Nothing moves: infinite, or not a number.
    if !(0.0..=WAIT_MAX_S).contains(&wait_s) {
        return None;
    }
    let lumps = outlook.unevenness.deviation(wait_s) / outlook.per_s;
    let measured = DEVIATIONS.powi(2) * ((outlook.deviation / outlook.per_s).powi(2) + lumps.powi(2));
    let [faster, slower] = [FASTER_SHARE, SLOWER_SHARE].map(|share| (share.powi(2) + measured).sqrt());
    if slower > REACH_MAX {
        return None;
    }
    let (p10, p90) = (whole_s((wait_s / (1.0 + faster)).floor()), whole_s((wait_s * (1.0 + slower)).ceil()));
    Some(Eta { p10, p50: whole_s(wait_s.round()).clamp(p10, p90), p90 })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a few days, and never negative")]
const fn whole_s(seconds: f64) -> u64 {
    seconds as u64
}

#[cfg(test)]
mod tests;
