//! Taking turns at rebuilding Redis: one worker a sale, from the beginning of an epoch until Redis has it.
//!
//! A lock of the database's session, so it ends with the worker however that ends. It guards work, not truth: what an
//! epoch allows is decided by `epoch_begin` and by the script that loads it, also when the line to the database broke and
//! two workers are at it after all.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object};
use domain::SaleId;

use crate::{Ledger, LedgerError};

/// This worker's turn, until it is dropped. Holds a connection of its own, which ends with it and gives the lock back.
pub struct RebuildTurn {
    _session: ClientWrapper,
}

/// How long the answer may take when the line is dead; the lock itself is not waited for.
const ANSWER_MAX_S: u64 = 5;

/// A text beside the sale's id, so that the lock is no other lock of the sale.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('rebuild ' || $1::uuid::text, 0))";

pub(crate) const STATEMENTS: &[&str] = &[TRY_LOCK];

/// The turn at rebuilding a sale; none while another worker has it.
///
/// # Errors
/// The database is away.
pub async fn rebuild_turn(ledger: &Ledger, sale: SaleId) -> Result<Option<RebuildTurn>, LedgerError> {
    // Out of the pool before it has the lock: a connection that went back would take the lock along.
    let session = Object::take(ledger.client().await?);
    let (sale, bound) = (sale.uuid(), Duration::from_secs(ANSWER_MAX_S));
    let answer = tokio::time::timeout(bound, session.query_one(TRY_LOCK, &[&sale])).await;
    let no_answer = |_| LedgerError::Unavailable("no answer in time".into());
    let locked: bool = answer.map_err(no_answer)??.try_get(0)?;
    Ok(locked.then_some(RebuildTurn { _session: session }))
}
