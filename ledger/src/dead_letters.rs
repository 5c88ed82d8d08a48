//! Jobs and events that were given up: parked after too many tries, or set aside because nobody may believe them.
//!
//! ```text
//!  pending ──(tries spent, or it cannot succeed)──► parked, quarantined ──retry──► pending
//!                                                          └────────────drop──► dropped
//! ```
//!
//! Shape: people look ([`list`]), mend what was wrong, and then say of one letter or of all that fit a [`Fit`] that they are
//! tried anew ([`retry`]) or given up for good ([`drop`]). Each is one call, which writes down who did it to which and why in
//! the same statement. Guarantees: what is pending is never touched, and what runs is pending; a letter is retried or dropped
//! by one caller, whoever else asks at the same time. What is lost with a lost answer: nothing but the count; the same call
//! again finds nothing left to do.
//!
//! Tried anew is not a second effect: jobs and events bear being done twice. A capture and a cancellation get another key,
//! because Stripe keeps a failure under the one it was made with; a refund keeps its own. Bounds: [`LETTERS_MAX`] a call.

use domain::SaleId;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::numbers::fit;
use crate::pool::Params;
use crate::{Ledger, LedgerError};

/// The most that a call lists, retries or drops: a statement that ends well within its time.
pub const LETTERS_MAX: u32 = 1_000;

/// Which letters: each condition that is there must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fit {
    /// This one: a job's id, or Stripe's of an event.
    pub letter: Option<String>,
    /// Of this queue: `stripe`, `stock`, `mail`, or `inbox` for events.
    pub queue: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Jobs of this sale. Of which sale an event is, nobody knows before it is applied.
    pub sale: Option<SaleId>,
    /// That are there for so long at least.
    pub older_s: Option<u32>,
}

/// A job or an event that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its queue; events are in `inbox`.
    pub queue: String,
    /// A job's id, or Stripe's of an event.
    pub letter: String,
    /// The sale of a job.
    pub sale: Option<SaleId>,
    /// What it is.
    pub kind: String,
    /// `parked`, or `quarantined` for an event that cannot be believed.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it became necessary, or was received.
    pub since: Timestamp,
    /// How long ago that is.
    pub age_s: u64,
    /// What was wrong the last time.
    pub note: Option<String>,
}

/// Who acts, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// Who.
    pub by: String,
    /// Why. Dropping wants a reason.
    pub why: String,
}

pub(crate) const STATEMENTS: &[&str] = &[LIST, RETRY, DROP, STATE];

const LIST: &str = "
    SELECT queue, letter, sale_id, kind, state, attempts, since, age_s, note
      FROM dead_letters($1::text, $2::text, $3::text, $4::uuid, $5::integer, $6::integer)";
const RETRY: &str =
    "SELECT dead_letters_retry($1::text, $2::text, $3::text, $4::uuid, $5::integer, $6::integer, $7, $8)";
const DROP: &str = "SELECT dead_letters_drop($1::text, $2::text, $3::text, $4::uuid, $5::integer, $6::integer, $7, $8)";
const STATE: &str = "SELECT letter_state($1)";

/// The letters that fit, oldest first, at most [`LETTERS_MAX`].
///
/// # Errors
/// The database is away or refuses.
pub async fn list(ledger: &Ledger, which: &Fit) -> Result<Vec<DeadLetter>, LedgerError> {
    let (sale, older_s, most) = which.parameters()?;
    let params: Params<'_> = &[&which.letter, &which.queue, &which.kind, &sale, &older_s, &most];
    ledger.rows(LIST, params).await?.iter().map(dead_letter).collect()
}

/// Tries those that fit anew, at once; answers how many, at most [`LETTERS_MAX`].
///
/// # Errors
/// The database is away or refuses.
pub async fn retry(ledger: &Ledger, which: &Fit, hand: &Hand) -> Result<u64, LedgerError> {
    act(ledger, RETRY, which, hand).await
}

/// Gives those that fit up for good; answers how many, at most [`LETTERS_MAX`].
///
/// # Errors
/// The database is away or refuses, also when no reason is given (`dead_letter_acts_why_check`).
pub async fn drop(ledger: &Ledger, which: &Fit, hand: &Hand) -> Result<u64, LedgerError> {
    act(ledger, DROP, which, hand).await
}

/// The state of a job or an event, whether or not it was given up; none when there is no such.
///
/// # Errors
/// The database is away or refuses.
pub async fn letter_state(ledger: &Ledger, letter: &str) -> Result<Option<String>, LedgerError> {
    Ok(ledger.one(STATE, &[&letter]).await?.try_get(0)?)
}

async fn act(ledger: &Ledger, statement: &'static str, which: &Fit, hand: &Hand) -> Result<u64, LedgerError> {
    let (sale, older_s, most) = which.parameters()?;
    let params: Params<'_> = &[&which.letter, &which.queue, &which.kind, &sale, &older_s, &most, &hand.by, &hand.why];
    fit(ledger.one(statement, params).await?.try_get::<_, i64>(0)?)
}

impl Fit {
    fn parameters(&self) -> Result<(Option<Uuid>, Option<i32>, i32), LedgerError> {
        let older_s = self.older_s.map(fit).transpose()?;
        Ok((self.sale.map(|sale| sale.uuid()), older_s, fit(LETTERS_MAX)?))
    }
}

fn dead_letter(row: &Row) -> Result<DeadLetter, LedgerError> {
    Ok(DeadLetter {
        queue: row.try_get(0)?,
        letter: row.try_get(1)?,
        sale: row.try_get::<_, Option<Uuid>>(2)?.map(SaleId::from_uuid),
        kind: row.try_get(3)?,
        state: row.try_get(4)?,
        attempts: fit(row.try_get::<_, i32>(5)?)?,
        since: row.try_get(6)?,
        age_s: fit(row.try_get::<_, i64>(7)?)?,
        note: row.try_get(8)?,
    })
}
