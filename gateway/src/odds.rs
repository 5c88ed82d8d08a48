//! Whether anything will be left at somebody's turn: said early, and in a word.
//!
//! What those before take is between two figures: of what turns took so far in this epoch, a quarter less and a quarter more;
//! before [`TURNS_MIN`] turns were used or lapsed, between one unit and as many as one buyer may have. *Those before* are the
//! live people ahead and those who have a turn and took nothing yet. Then, for who wants one unit:
//!
//! | odds | when |
//! |---|---|
//! | `likely` | what is free is enough for all before at the higher figure, and one more |
//! | `uncertain` | what is free and held is enough at the lower figure, and one more |
//! | `unlikely` | it is enough at half of the lower figure, and something is left |
//! | `waitlist` | else: only what comes back |
//!
//! It is a word and no percentage, because nobody knows what others will choose; and for all tiers together, because nobody
//! knows which.
//!
//! Shape: once a view the words become three numbers of people ([`Outlook`]); for a visitor they are compared with, so telling
//! costs nothing. A pure function of the view, and in an epoch after the first one, of the first view of it that was seen here:
//! Redis counts turns anew with each epoch, and not what was taken.
//!
//! What it does not know: that somebody wants more than one unit or one tier only, and that an organizer will release more.

use admission::View;
use serde::Serialize;
use utoipa::ToSchema;

/// Turns that make a measure, as many as it takes for no-shows to count.
const TURNS_MIN: u64 = 20;
/// What is counted in thousandths.
const WHOLE: u64 = 1_000;
/// How far those to come may differ from those who came, in thousandths: a quarter.
const MARGIN: u64 = 250;
/// Nobody ahead takes less than a tenth of a unit on average: a few turns that took nothing are no promise.
const TAKEN_MIN: u64 = 100;

/// Whether anything will be left, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Odds {
    /// By what buyers take, there is enough.
    Likely,
    /// It may just do, or just not.
    Uncertain,
    /// Those before will probably take everything.
    Unlikely,
    /// Only what comes back.
    Waitlist,
}

/// What was handed out by some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    epoch: u32,
    turns: u64,
    gone: u64,
}

/// What there is, and who comes before everybody in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    free: u64,
    held: u64,
    pending: u64,
}

/// The odds of everybody, at one moment: below so many people ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outlook {
    since: Tally,
    likely_below: u64,
    uncertain_below: u64,
    unlikely_below: u64,
}

impl Outlook {
    /// What a view says, after the one before it.
    pub(crate) fn of(view: &View, limit: u32, last: Option<&Self>) -> Self {
        let sum = |part: fn(&admission::TierStock) -> u32| {
            view.stock.values().map(|stock| u64::from(part(stock))).sum::<u64>()
        };
        let (free, held, all) = (sum(|stock| stock.free), sum(|stock| stock.held), sum(|stock| stock.all));
        let pending = view.unused_turns();
        let now = Tally {
            epoch: view.epoch,
            turns: view.admitted_total.saturating_sub(pending),
            gone: all.saturating_sub(free),
        };
        let since =
            last.map(|last| last.since).filter(|since| since.epoch == now.epoch).unwrap_or_else(|| now.beginning());
        Self::new(Left { free, held, pending }, taken_milli(since, now, limit), since)
    }

    fn new(left: Left, (least, most): (u64, u64), since: Tally) -> Self {
        let Left { free, held, pending } = left;
        let any = free + held;
        let below = |units: u64, each: u64| people(units, each).saturating_sub(pending);
        Self {
            since,
            likely_below: below(free, most),
            uncertain_below: below(any, least),
            unlikely_below: below(any, least / 2),
        }
    }

    /// The odds of somebody with so many people ahead.
    pub(crate) const fn odds(&self, ahead: u64) -> Odds {
        match ahead {
            _ if ahead < self.likely_below => Odds::Likely,
            _ if ahead < self.uncertain_below => Odds::Uncertain,
            _ if ahead < self.unlikely_below => Odds::Unlikely,
            _ => Odds::Waitlist,
        }
    }
}

impl Tally {
    /// From where to count: the first epoch began with nothing.
    const fn beginning(self) -> Self {
        if self.epoch == 1 { Self { epoch: 1, turns: 0, gone: 0 } } else { self }
    }
}

/// How many people may come before, and one unit is left: 1 and the most of them.
const fn people(units: u64, each_milli: u64) -> u64 {
    match units.checked_sub(1) {
        Some(others) => others * WHOLE / each_milli + 1,
        None => 0,
    }
}

/// How many units one takes, in thousandths: at least and at most.
fn taken_milli(since: Tally, now: Tally, limit: u32) -> (u64, u64) {
    let most = u64::from(limit.max(1)) * WHOLE;
    let turns = now.turns.saturating_sub(since.turns);
    if turns < TURNS_MIN {
        return (WHOLE, most);
    }
    let measured = (now.gone.saturating_sub(since.gone) * WHOLE / turns).clamp(TAKEN_MIN, most);
    let margin = measured * MARGIN / WHOLE;
    (measured - margin, (measured + margin).min(most))
}

#[cfg(test)]
mod tests;
