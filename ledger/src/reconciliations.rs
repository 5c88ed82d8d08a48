//! The rounds of the reconcilers: who may begin one, how far the last one came, what it found.
//!
//! Shape: [`begin`] takes the turn and writes the round down, [`end`] closes it. Guarantees: of one reconciler one round at a
//! time, over all workers, and none sooner than asked for; who overslept its lease ends nothing. What is lost with a lost
//! answer: of `begin` the turn, until the lease is over; of `end` nothing, for the round is closed, or it is `lost` with its
//! lease and the next one looks at the same again. Bounds: [`TOLD_MAX`] findings are kept of a round. Not here: what a
//! reconciler does, and when it is asked to.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// Findings kept of a round in words.
pub const TOLD_MAX: usize = 20;

/// A round that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Whose it is.
    pub name: &'static str,
    /// Proof of it.
    pub id: Uuid,
    /// How far the last good round came, in the reconciler's own words.
    pub resume: Option<String>,
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many things it looked at.
    pub looked_at: u64,
    /// How many were not as they should be.
    pub found: u64,
    /// How many of them it put right, or saw to that somebody does.
    pub mended: u64,
    /// How many people must look at.
    pub alerted: u64,
    /// How far it came.
    pub cursor: Option<String>,
    /// Those that people must look at, in words.
    pub told: Vec<String>,
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It looked at everything it was to look at.
    Done,
    /// It could not; what it found until then is counted.
    Failed,
}

/// The rounds of one reconciler, as people and gauges see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// The reconciler.
    pub name: String,
    /// When the last round began.
    pub began_at: Timestamp,
    /// `done`, `failed`, `lost`; none while it runs.
    pub result: Option<String>,
    /// What the last round found.
    pub findings: Findings,
    /// For how long there was no good round; none when there never was one.
    pub good_age_s: Option<u64>,
}

pub(crate) const STATEMENTS: &[&str] = &[BEGIN, END, LATEST, MENDED];

const BEGIN: &str = "SELECT run, resume FROM reconciliation_begin($1, $2, $3)";
const END: &str = "SELECT reconciliation_end($1, $2, $3, $4, $5, $6, $7, $8::text, $9::text[])";
const LATEST: &str = "
    SELECT r.name, r.began_at, r.result, r.looked_at, r.found, r.mended, r.alerted, r.cursor, r.told,
           (SELECT greatest(extract(epoch FROM onsale_now() - g.ended_at), 0)::bigint
              FROM reconciliations g WHERE g.name = r.name AND g.result = 'done' ORDER BY g.began_at DESC LIMIT 1)
      FROM (SELECT DISTINCT name FROM reconciliations) AS n
     CROSS JOIN LATERAL (SELECT * FROM reconciliations WHERE name = n.name ORDER BY began_at DESC LIMIT 1) AS r
     ORDER BY r.name";

const MENDED: &str = "
    SELECT EXISTS (SELECT FROM reconciliations
                    WHERE name = $1 AND mended > 0 AND began_at > onsale_now() - make_interval(secs => $2::integer))";

/// Begins a round of that reconciler, unless one is under way or the last one began less than `every_s` ago.
///
/// # Errors
/// The database is away or refuses.
pub async fn begin(
    ledger: &Ledger,
    name: &'static str,
    every_s: u32,
    lease_s: u32,
) -> Result<Option<Round>, LedgerError> {
    let (every_s, lease_s): (i32, i32) = (fit(every_s)?, fit(lease_s)?);
    let row = ledger.row(BEGIN, &[&name, &every_s, &lease_s]).await?;
    row.map(|row| Ok(Round { name, id: row.try_get(0)?, resume: row.try_get(1)? })).transpose()
}

/// Ends a round. Whether it was still the caller's.
///
/// # Errors
/// The database is away or refuses.
pub async fn end(ledger: &Ledger, round: &Round, ended: Ended, found: &Findings) -> Result<bool, LedgerError> {
    let result = match ended {
        Ended::Done => "done",
        Ended::Failed => "failed",
    };
    let Findings { looked_at, found, mended, alerted, cursor, told } = found;
    let figures = [fit(*looked_at)?, fit(*found)?, fit(*mended)?, fit(*alerted)?];
    let [looked_at, found, mended, alerted]: [i64; 4] = figures;
    let told: Vec<&str> = told.iter().take(TOLD_MAX).map(String::as_str).collect();
    let row = ledger
        .one(END, &[&round.name, &round.id, &result, &looked_at, &found, &mended, &alerted, cursor, &told])
        .await?;
    Ok(row.try_get(0)?)
}

/// Whether a round of that reconciler that began within the last `age_s` put something right.
///
/// # Errors
/// The database is away or refuses.
pub async fn mended_within(ledger: &Ledger, name: &str, age_s: u32) -> Result<bool, LedgerError> {
    let age_s: i32 = fit(age_s)?;
    Ok(ledger.one(MENDED, &[&name, &age_s]).await?.try_get(0)?)
}

/// The last round of each reconciler that ever ran.
///
/// # Errors
/// The database is away or refuses.
pub async fn latest(ledger: &Ledger) -> Result<Vec<Reconciled>, LedgerError> {
    ledger.rows(LATEST, &[]).await?.iter().map(reconciled).collect()
}

fn reconciled(row: &Row) -> Result<Reconciled, LedgerError> {
    let figure = |index: usize| row.try_get::<_, i64>(index).map_err(LedgerError::from).and_then(fit);
    Ok(Reconciled {
        name: row.try_get(0)?,
        began_at: row.try_get(1)?,
        result: row.try_get(2)?,
        findings: Findings {
            looked_at: figure(3)?,
            found: figure(4)?,
            mended: figure(5)?,
            alerted: figure(6)?,
            cursor: row.try_get(7)?,
            told: row.try_get(8)?,
        },
        good_age_s: row.try_get::<_, Option<i64>>(9)?.map(fit).transpose()?,
    })
}
