//! `ONSALE_RATE_LIMITS`: `join=5/10s,hold=20/10s` changes single limits, `off` switches all of them off.

use std::num::NonZeroU32;
use std::str::FromStr;

use super::{Limit, RateLimit};

/// How often one client may ask, per limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimits([Option<RateLimit>; Limit::ALL.len()]);

/// Why a text is no list of limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateLimitsError {
    /// An entry is not `name=burst/period`.
    #[error("{0:?} is not like join=5/10s")]
    Shape(String),
    /// There is no limit of that name.
    #[error(
        "{0:?} is none of join, read, page, file, live, shop, organizer, code, wish, place, hold, order, pay, door"
    )]
    Name(String),
}

impl Default for RateLimits {
    /// One person never meets one; 5,000 people behind one address can join in one burst.
    fn default() -> Self {
        Self(Limit::ALL.map(|limit| Some(default_of(limit))))
    }
}

impl RateLimits {
    /// No limit at all, for rehearsals from one address.
    #[must_use]
    pub const fn off() -> Self {
        Self([None; Limit::ALL.len()])
    }

    pub(crate) fn of(&self, limit: Limit) -> Option<RateLimit> {
        Limit::ALL.iter().zip(self.0).find_map(|(other, rate)| (*other == limit).then_some(rate)).flatten()
    }

    fn set(&mut self, entry: &str) -> Result<(), RateLimitsError> {
        let shape = || RateLimitsError::Shape(entry.to_owned());
        let (name, rate) = entry.split_once('=').ok_or_else(shape)?;
        let known = |limit: &Limit| limit.word() == name.trim();
        let index = Limit::ALL.iter().position(known).ok_or_else(|| RateLimitsError::Name(name.trim().to_owned()))?;
        self.0[index] = Some(rate_of(rate.trim()).ok_or_else(shape)?);
        Ok(())
    }
}

impl FromStr for RateLimits {
    type Err = RateLimitsError;

    fn from_str(text: &str) -> Result<Self, RateLimitsError> {
        if text.trim() == "off" {
            return Ok(Self::off());
        }
        let mut limits = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            limits.set(entry)?;
        }
        Ok(limits)
    }
}

fn rate_of(text: &str) -> Option<RateLimit> {
    let (burst, period) = text.split_once('/')?;
    let period_s: NonZeroU32 = period.trim().strip_suffix('s')?.parse().ok()?;
    Some(RateLimit { burst: burst.trim().parse().ok()?, period_s })
}

/// What 5,000 people behind one address do at the opening of a sale goes through; the figures beside each.
const fn default_of(limit: Limit) -> RateLimit {
    match limit {
        // Each twice: who is asked for a code or a proof comes again.
        Limit::Join => per(10_000, 10),
        Limit::Read => per(20_000, 10),
        // A first visit is one page and about a dozen files.
        Limit::Page => per(100_000, 10),
        // The fairness file of a large sale has tens of megabytes: somebody fetches it, not everybody.
        Limit::File => per(60, 60),
        Limit::Live => per(10_000, 10),
        // Each polls once a second, where sockets are blocked.
        Limit::Shop => per(60_000, 10),
        Limit::Organizer => per(600, 60),
        // Each once, and one in fifty mistypes it (see `Limits::count_wrong_code`); it fills up slowly, for guessers.
        Limit::Code => per(10_000, 1_800),
        // Each once or twice; it fills up slowly, because letters follow.
        Limit::Wish => per(10_000, 1_800),
        // One person: a poll comes at most once a second; a buyer presses Pay a few times.
        Limit::Place => per(60, 30),
        Limit::Hold => per(60, 30),
        Limit::Order => per(60, 30),
        Limit::Pay => per(20, 60),
        // Every gate of a venue behind one address, each as fast as people walk.
        Limit::Door => per(20_000, 10),
    }
}

const fn per(burst: u32, period_s: u32) -> RateLimit {
    match (NonZeroU32::new(burst), NonZeroU32::new(period_s)) {
        (Some(burst), Some(period_s)) => RateLimit { burst, period_s },
        _ => panic!("a limit of nothing is no limit"),
    }
}
