//! The audit of one sale that its organizer asks for over HTTP: what [`super::audit`] says of it, and the admission log, without
//! what is of the whole installation.
//!
//! Bounds: one at a time on a database, whoever asks; whoever comes meanwhile is told to come again. It ends after `at_most`, done
//! or not, and Postgres works on the statement it had begun for as long again at most. Its connection is then not used again: the
//! next one to get it would wait for that statement.

use std::time::Duration;

use deadpool_postgres::Object;
use domain::SaleId;
use tokio::time::Instant;
use tokio_postgres::{Client, IsolationLevel};

use super::{AuditReport, Invariant, admissions, books, payments, seats, tickets, waitlist, whole};
use crate::{Ledger, LedgerError};

/// Not the lock of the audits that run by themselves: those read everything, and nobody who waits for one sale should wait for that.
pub(super) const TURN: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended('audit of a sale', 0))";

const OF_A_SALE: [&Invariant; 9] = [
    &seats::I1,
    &seats::I2,
    &books::I3,
    &payments::I4_OF_SALE,
    &payments::I5,
    &tickets::I6,
    &admissions::I9,
    &waitlist::I11,
    &payments::I12,
];

/// How an audit of a sale went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditSale {
    /// It was read to the end.
    Done(AuditReport),
    /// Another one is under way.
    Busy,
    /// It is too much to be read in that time.
    TooLong,
}

/// Checks what Postgres can tell of one sale, within `at_most`.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit_sale(ledger: &Ledger, sale: SaleId, at_most: Duration) -> Result<AuditSale, LedgerError> {
    let mut client = ledger.client().await?;
    let started = Instant::now();
    match tokio::time::timeout(at_most, read(&mut client, sale, at_most)).await {
        // Postgres gives up by its own clock, which a process that was held up hears before it looks at its own.
        Ok(Err(LedgerError::Unavailable(_))) if started.elapsed() >= at_most => Ok(AuditSale::TooLong),
        Ok(read) => read,
        Err(_) => {
            drop(Object::take(client));
            Ok(AuditSale::TooLong)
        }
    }
}

async fn read(client: &mut Client, sale: SaleId, at_most: Duration) -> Result<AuditSale, LedgerError> {
    let snapshot =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    let at_most_ms = at_most.as_millis();
    // Of a statement and of a lock: whoever changes the schema is waited for, too.
    let settings = format!("SET LOCAL statement_timeout = {at_most_ms}; SET LOCAL lock_timeout = {at_most_ms}");
    snapshot.batch_execute(&settings).await?;
    let is_our_turn: bool = snapshot.query_one(TURN, &[]).await?.try_get(0)?;
    let outcome =
        if is_our_turn { AuditSale::Done(whole(&snapshot, Some(sale), &OF_A_SALE).await?) } else { AuditSale::Busy };
    snapshot.rollback().await?;
    Ok(outcome)
}
