//! The invariants, checked on a running system.
//!
//! Everything is read in one snapshot (a read-only transaction at REPEATABLE READ), so nothing that happens meanwhile looks
//! like a breach. Breaches are named by id, at most [`BREACHES_MAX`] an invariant; figures say how much was examined, so
//! that an audit of nothing is not mistaken for a clean one. Only the ticket ids are recomputed here, and the lines of waitlists walked;
//! the rest is SQL, one file an invariant.
//!
//! [`audit`] reads everything. [`audit_recent`] reads what is new and is done all the time; [`audit_in_turn`] is the former for
//! those who do it again and again, one at a time. [`audit_sale`] is for a sale's organizer, within a time.
//! [`audit_chain`] and [`audit_admissions`] are asked for by name.
//!
//! What it does not do: the Redis half of I2, and repairing.

use domain::SaleId;
use tokio_postgres::{Client, IsolationLevel, Transaction};
use uuid::Uuid;

use crate::seals::SealHead;
use crate::{Ledger, LedgerError};

mod admissions;
mod books;
mod chain;
mod payments;
mod recent;
mod sale;
mod seats;
mod tickets;
mod waitlist;

pub use self::recent::{PIECE_TRANSFERS, audit_good_age, audit_recent};
pub use self::sale::{AuditSale, audit_sale};

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

const INVARIANTS: [&Invariant; 9] = [
    &seats::I1,
    &seats::I2,
    &books::I3,
    &books::GUARDS,
    &payments::I4,
    &payments::I5,
    &tickets::I6,
    &waitlist::I11,
    &payments::I12,
];

/// The numbers of the invariants that [`audit`] checks.
pub fn audited() -> impl Iterator<Item = &'static str> {
    let mut numbers: Vec<_> = INVARIANTS.iter().map(|invariant| invariant.number).collect();
    numbers.dedup();
    numbers.into_iter()
}

pub(crate) const STATEMENTS: &[&str] = &[
    seats::I1.count,
    seats::I1.find,
    seats::I2.count,
    seats::I2.find,
    seats::I2_KEPT.find,
    books::I3.count,
    books::I3.find,
    books::GUARDS.count,
    books::GUARDS.find,
    payments::I4.count,
    payments::I4.find,
    payments::I4_OF_SALE.count,
    payments::I5.count,
    payments::I5.find,
    tickets::I6.count,
    tickets::I6.find,
    tickets::PAGE,
    waitlist::I11.count,
    waitlist::I11.find,
    waitlist::MOMENTS,
    payments::I12.count,
    payments::I12.find,
    admissions::I9.count,
    admissions::I9.find,
    recent::TURN,
    recent::FROM,
    recent::PIECE,
    recent::COUNT,
    recent::FIND,
    recent::SALES,
    recent::MOVE,
    recent::GOOD_AGE,
    sale::TURN,
    chain::NEXT,
    chain::SEALED,
    chain::UNSEALED,
];

/// An audit may take its time, also to wait for a change of the schema: it blocks nobody.
const SETTINGS: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '1min';
                        SET LOCAL idle_in_transaction_session_timeout = '10min'";

/// Checks every invariant that Postgres alone can tell, of one sale or of all.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit(ledger: &Ledger, sale: Option<SaleId>) -> Result<AuditReport, LedgerError> {
    let mut client = ledger.client().await?;
    let snapshot = snapshot(&mut client).await?;
    let report = whole(&snapshot, sale, &INVARIANTS).await?;
    // Nothing was written, so there is nothing whose commit could fail unseen.
    snapshot.rollback().await?;
    Ok(report)
}

/// The same of all sales, unless another one who asks like this is at it: it reads all there is, and twice at once tells no more.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit_in_turn(ledger: &Ledger) -> Result<Option<AuditReport>, LedgerError> {
    let mut client = ledger.client().await?;
    let snapshot = snapshot(&mut client).await?;
    let is_our_turn: bool = snapshot.query_one(recent::TURN, &[]).await?.try_get(0)?;
    let report = if is_our_turn { Some(whole(&snapshot, None, &INVARIANTS).await?) } else { None };
    snapshot.rollback().await?;
    Ok(report)
}

/// Checks the admission log of one sale or of all. Apart from [`audit`], which is done again and again: a log only grows,
/// and reading it takes as long as the sale was large.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit_admissions(ledger: &Ledger, sale: Option<SaleId>) -> Result<AuditLine, LedgerError> {
    let mut client = ledger.client().await?;
    let snapshot = snapshot(&mut client).await?;
    let line = check(&snapshot, &admissions::I9, sale.map(SaleId::uuid)).await?;
    snapshot.rollback().await?;
    Ok(line)
}

/// Walks the chain of seals and compares the books with it, all sales at once. `kept` is a head that was printed earlier and
/// kept elsewhere: the chain must still go through it. Apart from [`audit`]: it reads everything there ever was, block by block.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit_chain(ledger: &Ledger, kept: Option<&SealHead>) -> Result<AuditLine, LedgerError> {
    let mut client = ledger.client().await?;
    chain::check(&mut client, kept).await
}

/// What is there at one moment, for as long as it is looked at.
async fn snapshot(client: &mut Client) -> Result<Transaction<'_>, LedgerError> {
    let snapshot =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    snapshot.batch_execute(SETTINGS).await?;
    Ok(snapshot)
}

async fn whole(
    snapshot: &Transaction<'_>,
    sale: Option<SaleId>,
    invariants: &[&Invariant],
) -> Result<AuditReport, LedgerError> {
    let sale = sale.map(SaleId::uuid);
    let mut lines = Vec::with_capacity(invariants.len());
    for invariant in invariants {
        lines.push(check(snapshot, invariant, sale).await?);
    }
    let recomputed = tickets::wrong_ids(snapshot, sale).await?;
    if let Some(line) = lines.iter_mut().find(|line| line.invariant == tickets::I6.number) {
        line.breaches.extend(recomputed);
    }
    let passed_over = waitlist::passed_over(snapshot, sale).await?;
    if let Some(line) = lines.iter_mut().find(|line| line.invariant == waitlist::I11.number) {
        line.breaches.extend(passed_over);
    }
    Ok(AuditReport { lines })
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
