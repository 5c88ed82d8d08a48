//! What a job says of itself, and what the queue writes down.

use std::time::Duration;

use super::{ATTEMPTS_MAX, backoff};

/// What a job says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is left to do; why, in a word or two.
    Done(&'static str),
    /// Nothing is left to do, and the queue knows: the work and its mark were one call.
    Settled,
    /// It failed and may succeed another time.
    Retry(String),
    /// What it needs is away: not its fault, so the attempt does not count.
    Away(String),
    /// Something else that runs by itself has to come first: not its fault either, and nobody else need wait.
    Early(String),
    /// Its turn has not come: nobody's fault, and no reason for anybody else to wait.
    NotYet {
        /// What it waits for.
        reason: &'static str,
        /// How long at least.
        wait: Duration,
    },
    /// It cannot succeed.
    Park(String),
    /// It cannot be ours, or cannot be read.
    Quarantine(String),
}

/// What the queue writes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is over.
    Done(&'static str),
    /// It is over and that is written already.
    Settled,
    /// Again, after a delay that grows.
    Retry { error: String, delay_s: u32 },
    /// Again, as if it had not been tried.
    Postpone { reason: String, delay_s: u32 },
    /// The same, and nothing is wrong.
    NotYet { reason: &'static str, delay_s: u32 },
    /// People must look.
    Park(String),
    /// People must look, and not trust what it says.
    Quarantine(String),
}

impl Verdict {
    /// Every [`Self::word`].
    pub(crate) const WORDS: [&str; 6] = ["done", "retry", "postponed", "not_yet", "parked", "quarantined"];

    /// Judges an outcome of the item's `attempt`-th claim.
    pub(crate) fn of(outcome: Outcome, attempt: u32, item: &str) -> Verdict {
        match outcome {
            Outcome::Done(note) => Verdict::Done(note),
            Outcome::Settled => Verdict::Settled,
            Outcome::Retry(error) if attempt >= ATTEMPTS_MAX => Verdict::Park(error),
            Outcome::Retry(error) => Verdict::Retry { error, delay_s: backoff::retry_s(item, attempt) },
            Outcome::Away(reason) => Verdict::Postpone { reason, delay_s: backoff::AWAY_S },
            Outcome::Early(reason) => Verdict::Postpone { reason, delay_s: backoff::EARLY_S },
            Outcome::NotYet { reason, wait } => Verdict::NotYet { reason, delay_s: backoff::not_yet_s(item, wait) },
            Outcome::Park(error) => Verdict::Park(error),
            Outcome::Quarantine(reason) => Verdict::Quarantine(reason),
        }
    }

    /// Whether something is wrong with the work itself.
    pub(crate) const fn is_failure(&self) -> bool {
        matches!(self, Self::Retry { .. } | Self::Park(_) | Self::Quarantine(_))
    }

    /// The word in metrics.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Done(_) | Self::Settled => "done",
            Self::Retry { .. } => "retry",
            Self::Postpone { .. } => "postponed",
            Self::NotYet { .. } => "not_yet",
            Self::Park(_) => "parked",
            Self::Quarantine(_) => "quarantined",
        }
    }
}
