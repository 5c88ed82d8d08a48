//! The invariants, checked on a running system.
//!
//! Everything is read in one snapshot (a read-only transaction at REPEATABLE READ), so nothing that happens meanwhile looks
//! like a breach. Breaches are named by id, at most [`BREACHES_MAX`] an invariant; figures say how much was examined, so
//! that an audit of nothing is not mistaken for a clean one. Only the ticket ids are recomputed here; the rest is SQL, one
//! file an invariant.
//!
//! What it does not do: the Redis half of I2, and repairing.

use domain::SaleId;
use tokio_postgres::{IsolationLevel, Transaction};
use uuid::Uuid;

use crate::seals::SealHead;
use crate::{Ledger, LedgerError};

mod admissions;
mod books;
mod chain;
mod payments;
mod seats;
mod tickets;

/// The most breaches named of one invariant: beyond that they have one cause.
pub const BREACHES_MAX: i64 = 100;

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// One line an invariant.
    pub lines: Vec<AuditLine>,
}

/// What was found of one invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number, like `I3`, or what the line is about.
    pub invariant: &'static str,
    /// What it says.
    pub title: &'static str,
    /// What was counted.
    pub figures: Vec<(&'static str, i64)>,
    /// What breaks it, by id; empty when it holds.
    pub breaches: Vec<String>,
}

impl AuditReport {
    /// Whether every invariant holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lines.iter().all(|line| line.breaches.is_empty())
    }
}

/// An invariant as two statements over one sale or all (`$1` is a sale or NULL): figures, as one row of `bigint`s, and
/// breaches, as rows of one text, at most `$2`.
struct Invariant {
    number: &'static str,
    title: &'static str,
    figures: &'static [&'static str],
    count: &'static str,
    find: &'static str,
}

const INVARIANTS: [&Invariant; 7] =
    [&seats::I1, &seats::I2, &books::I3, &payments::I4, &payments::I5, &tickets::I6, &payments::I12];

pub(crate) const STATEMENTS: &[&str] = &[
    seats::I1.count,
    seats::I1.find,
    seats::I2.count,
    seats::I2.find,
    books::I3.count,
    books::I3.find,
    payments::I4.count,
    payments::I4.find,
    payments::I5.count,
    payments::I5.find,
    tickets::I6.count,
    tickets::I6.find,
    tickets::PAGE,
    payments::I12.count,
    payments::I12.find,
    admissions::I9.count,
    admissions::I9.find,
    chain::PAGE,
    chain::SEALED,
    chain::UNSEALED,
];

/// An audit may take its time: it blocks nobody.
const SETTINGS: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL idle_in_transaction_session_timeout = '10min'";

/// Checks every invariant that Postgres alone can tell, of one sale or of all.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit(ledger: &Ledger, sale: Option<SaleId>) -> Result<AuditReport, LedgerError> {
    let mut client = ledger.client().await?;
    let snapshot =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    snapshot.batch_execute(SETTINGS).await?;
    let sale = sale.map(SaleId::uuid);
    let mut lines = Vec::with_capacity(INVARIANTS.len());
    for invariant in INVARIANTS {
        lines.push(check(&snapshot, invariant, sale).await?);
    }
    let recomputed = tickets::wrong_ids(&snapshot, sale).await?;
    if let Some(line) = lines.iter_mut().find(|line| line.invariant == tickets::I6.number) {
        line.breaches.extend(recomputed);
    }
    // Nothing was written, so there is nothing whose commit could fail unseen.
    snapshot.rollback().await?;
    Ok(AuditReport { lines })
}

/// Checks the admission log of one sale or of all. Apart from [`audit`], which is done again and again: a log only grows,
/// and reading it takes as long as the sale was large.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit_admissions(ledger: &Ledger, sale: Option<SaleId>) -> Result<AuditLine, LedgerError> {
    let mut client = ledger.client().await?;
    let snapshot =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    snapshot.batch_execute(SETTINGS).await?;
    let line = check(&snapshot, &admissions::I9, sale.map(SaleId::uuid)).await?;
    snapshot.rollback().await?;
    Ok(line)
}

/// Walks the chain of seals and compares the books with it, all sales at once. `kept` is a head that was printed earlier and
/// kept elsewhere: the chain must still go through it. Apart from [`audit`]: it reads everything there ever was.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit_chain(ledger: &Ledger, kept: Option<&SealHead>) -> Result<AuditLine, LedgerError> {
    let mut client = ledger.client().await?;
    let snapshot =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    snapshot.batch_execute(SETTINGS).await?;
    let line = chain::check(&snapshot, kept).await?;
    snapshot.rollback().await?;
    Ok(line)
}

async fn check(
    snapshot: &Transaction<'_>,
    invariant: &Invariant,
    sale: Option<Uuid>,
) -> Result<AuditLine, LedgerError> {
    let counted = snapshot.query_one(invariant.count, &[&sale]).await?;
    let mut figures = Vec::with_capacity(invariant.figures.len());
    for (index, name) in invariant.figures.iter().enumerate() {
        figures.push((*name, counted.try_get(index)?));
    }
    let found = snapshot.query(invariant.find, &[&sale, &BREACHES_MAX]).await?;
    let breaches = found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(AuditLine { invariant: invariant.number, title: invariant.title, figures, breaches })
}
