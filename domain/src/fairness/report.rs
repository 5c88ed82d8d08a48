//! What came of checking a fairness file: a line for each check, and what they come to.

use crate::ids::PhaseId;

/// What came of checking a file, a line for each check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FairnessReport {
    /// The checks, phase by phase.
    pub checks: Vec<Check>,
}

/// One check of one draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The phase that was drawn.
    pub phase: PhaseId,
    /// What was checked.
    pub subject: Subject,
    /// What came of it.
    pub outcome: Outcome,
    /// The figures.
    pub detail: String,
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Whether everything is there.
    Record,
    /// The order of events.
    Times,
    /// How many registrations there are.
    Count,
    /// The registrations and the root over them.
    Leaves,
    /// The seed and its hash.
    Seed,
    /// The beacon's round and value.
    Beacon,
    /// The beacon's signature.
    Signature,
    /// The order itself.
    Order,
    /// The block of numbers.
    Numbers,
    /// Somebody's own registration.
    Yours,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is as it should be.
    Holds,
    /// The file does not prove it.
    Open,
    /// It is not as it should be.
    Broken,
}

/// What a file is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is broken, and every draw that was due could be drawn again.
    Verified,
    /// Nothing is broken, and nothing was drawn yet.
    NotDrawn,
    /// Something is broken.
    Broken,
}

impl FairnessReport {
    /// What the file is worth.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let any = |outcome, subject: fn(Subject) -> bool| {
            self.checks.iter().any(|check| check.outcome == outcome && subject(check.subject))
        };
        if any(Outcome::Broken, |_| true) {
            Verdict::Broken
        } else if any(Outcome::Holds, |subject| subject == Subject::Order) {
            Verdict::Verified
        } else {
            Verdict::NotDrawn
        }
    }
}

impl Subject {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Times => "times",
            Self::Count => "count",
            Self::Leaves => "leaves",
            Self::Seed => "seed",
            Self::Beacon => "beacon",
            Self::Signature => "signature",
            Self::Order => "order",
            Self::Numbers => "numbers",
            Self::Yours => "yours",
        }
    }
}
