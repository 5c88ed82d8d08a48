//! What is deleted when it is old and over: rows that only keep tables large.
//!
//! Shape: [`prune`] deletes one batch of one kind and answers how many it was; whoever wants more asks again. Guarantees: only
//! what is over goes; nothing that money, seats or people hang on is here at all. A lost answer loses the count. Any number may
//! prune at once: a row is one caller's.
//!
//! | kind | goes | because until then |
//! |---|---|---|
//! | [`Prunable::Events`] | 31 days after it was over | Stripe tries for 3 days and lists for 30: the id tells a duplicate. Later, its effect's own key does |
//! | [`Prunable::Jobs`] | with its sale, 180 days after that was closed | its key keeps an act from ordering the same work twice |
//! | [`Prunable::Answers`] | after a day | it is the answer to a repeated request |
//! | [`Prunable::Claims`] | an hour after its lease | it keeps two calls on one payment apart |
//! | [`Prunable::Rounds`] | after 90 days, but for the last good one of each | people look back, and the next round goes on from it |

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// What is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prunable {
    /// Events of Stripe that are over.
    Events,
    /// Jobs that are over.
    Jobs,
    /// Remembered answers.
    Answers,
    /// Claims of payments.
    Claims,
    /// Rounds of reconcilers.
    Rounds,
}

const HOUR_S: u32 = 3_600;
const DAY_S: u32 = 24 * HOUR_S;

pub(crate) const STATEMENTS: &[&str] = &[
    Prunable::Events.statement(),
    Prunable::Jobs.statement(),
    Prunable::Answers.statement(),
    Prunable::Claims.statement(),
    Prunable::Rounds.statement(),
];

impl Prunable {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Events, Self::Jobs, Self::Answers, Self::Claims, Self::Rounds];

    /// For how long it is kept.
    #[must_use]
    pub const fn keep_s(self) -> u32 {
        match self {
            Self::Events => 31 * DAY_S,
            Self::Jobs => 180 * DAY_S,
            Self::Answers => DAY_S,
            Self::Claims => HOUR_S,
            Self::Rounds => 90 * DAY_S,
        }
    }

    const fn statement(self) -> &'static str {
        match self {
            Self::Events => "SELECT inbox_prune($1, $2)",
            Self::Jobs => "SELECT outbox_prune($1, $2)",
            Self::Answers => "SELECT idempotency_prune($1, $2)",
            Self::Claims => "SELECT intent_claims_prune($1, $2)",
            Self::Rounds => "SELECT reconciliations_prune($1, $2)",
        }
    }
}

/// Deletes at most `most` rows of that kind; answers how many there were.
///
/// # Errors
/// The database is away or refuses.
pub async fn prune(ledger: &Ledger, what: Prunable, most: u32) -> Result<u64, LedgerError> {
    let (keep_s, most): (i32, i32) = (fit(what.keep_s())?, fit(most)?);
    fit(ledger.one(what.statement(), &[&keep_s, &most]).await?.try_get::<_, i64>(0)?)
}
