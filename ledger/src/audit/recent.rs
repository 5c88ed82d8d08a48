//! The audit that runs all the time: what was posted since it last found nothing wrong, and the stock of sales that are live.
//!
//! Shape: one worker at a time (who comes meanwhile leaves it to them) goes from the checkpoint to the commit horizon in pieces,
//! and moves the checkpoint behind the last piece up to which all was well. When that is all there is, it notes the time
//! ([`audit_good_age`]). What it costs follows what is new, however large
//! the books are. A breach keeps the checkpoint where it is, so it is named each time until it is repaired.
//!
//! Guarantees: a transfer is looked at once at least, after it was decided: below the horizon nothing comes or goes.
//! Bounds: [`PIECES_MAX`] pieces of [`PIECE_TRANSFERS`] a round, each with a snapshot of its own, so that nothing is kept from
//! vacuum. What is further behind than that is the next round's.
//!
//! What it does not do: an old transfer that somebody changed past every rule is found by [`crate::audit::audit`] and
//! [`crate::audit::audit_chain`], which read everything; orders, payments and tickets are those of the former too.

use std::time::Duration;

use tokio_postgres::Transaction;
use uuid::Uuid;

use super::{AuditLine, AuditReport, BREACHES_MAX, SETTINGS, books, check, seats};
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// Transfers looked at by one statement: some 50 ms.
pub const PIECE_TRANSFERS: u32 = 10_000;
/// Pieces of a round: half a minute at most, for a worker that was away for a million transfers.
const PIECES_MAX: u32 = 100;

/// The same lock for all workers and both audits that they do.
pub(super) const TURN: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended('audit', 0))";

/// From the checkpoint, or from the beginning when it lies in the future (see `rollup_upto`).
pub(super) const FROM: &str = "
    SELECT (CASE WHEN upto > pg_snapshot_xmax(pg_current_snapshot()) THEN '0'::xid8 ELSE upto END)::text FROM audit_checkpoint";

/// Where a piece ends, and whether that is the horizon. The transfers of one transaction are never parted.
pub(super) const PIECE: &str = "
    WITH horizon AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid),
    last AS (
        SELECT xid FROM transfers WHERE xid >= $1::text::xid8 AND xid < (SELECT xid FROM horizon)
         ORDER BY xid, sale_id, id OFFSET $2 LIMIT 1)
    SELECT coalesce((SELECT (xid::text::bigint + 1)::text FROM last), (SELECT xid::text FROM horizon)), NOT EXISTS (SELECT FROM last)";

pub(super) const COUNT: &str = "
    SELECT count(DISTINCT (t.sale_id, t.id)), count(e.leg)
      FROM transfers t LEFT JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
     WHERE t.xid >= $1::text::xid8 AND t.xid < $2::text::xid8";

pub(super) const FIND: &str = "
    WITH recent AS MATERIALIZED (
        SELECT sale_id, id, reverses FROM transfers WHERE xid >= $1::text::xid8 AND xid < $2::text::xid8),
    legs AS (
        SELECT t.sale_id, t.id, e.unit_of_account, sum(e.amount) AS off_by, count(e.leg) AS legs
          FROM recent t
          LEFT JOIN LATERAL (SELECT leg, unit_of_account, amount FROM entries
                              WHERE sale_id = t.sale_id AND transfer_id = t.id OFFSET 0) AS e ON true
         GROUP BY t.sale_id, t.id, e.unit_of_account)
    SELECT CASE WHEN legs = 0 THEN format('transfer %s of sale %s has no entries', id, sale_id)
                ELSE format('transfer %s of sale %s is off by %s %s in %s legs', id, sale_id, off_by, unit_of_account, legs) END
      FROM legs WHERE legs < 2 OR off_by <> 0
     UNION ALL
    SELECT format('transfer %s of sale %s reverses %s, but is not its exact undo', r.id, r.sale_id, r.reverses)
      FROM recent r
     WHERE r.reverses IS NOT NULL AND (r.reverses = r.id OR EXISTS (
           SELECT FROM entries e
            WHERE e.sale_id = r.sale_id AND e.transfer_id IN (r.id, r.reverses)
            GROUP BY e.account, e.unit_of_account HAVING sum(e.amount) <> 0))
     LIMIT $3::bigint";

/// Whose stock is looked at: of sales that are live, and of those that had news.
pub(super) const SALES: &str = "
    SELECT id FROM sales WHERE state IN ('published', 'paused')
     UNION SELECT sale_id FROM transfers WHERE xid >= $1::text::xid8";

/// Moves the checkpoint, and says when all was well.
pub(super) const MOVE: &str = "
    UPDATE audit_checkpoint SET upto = $1::text::xid8, audited_at = CASE WHEN $2 THEN onsale_now() ELSE audited_at END";

pub(super) const GOOD_AGE: &str = "
    SELECT greatest((extract(epoch FROM onsale_now() - audited_at) * 1000)::bigint, 0) FROM audit_checkpoint";

/// Where a round is.
struct Walk {
    from: String,
    /// Up to here all was well, from the checkpoint on.
    clean: String,
    /// Whether there is nothing behind it that is decided.
    arrived: bool,
    line: AuditLine,
}

/// Audits what is new; none when another worker is at it.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit_recent(ledger: &Ledger) -> Result<Option<AuditReport>, LedgerError> {
    let mut client = ledger.client().await?;
    // Each statement has its own snapshot, and only the last one writes: nothing waits for this transaction.
    let turn = client.transaction().await?;
    turn.batch_execute(SETTINGS).await?;
    if !turn.query_one(TURN, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let checkpoint: String = turn.query_one(FROM, &[]).await?.try_get(0)?;
    let mut walk = Walk::from(checkpoint.clone());
    for _ in 0..PIECES_MAX {
        walk.steps(&turn).await?;
        if walk.arrived {
            break;
        }
    }
    let mut lines = stock(&turn, &checkpoint).await?;
    lines.push(check(&turn, &books::GUARDS, None).await?);
    if lines.iter().all(|line| line.breaches.is_empty()) {
        let is_all_well = walk.arrived && walk.line.breaches.is_empty();
        turn.execute(MOVE, &[&walk.clean, &is_all_well]).await?;
    }
    lines.push(walk.line);
    turn.commit().await?;
    Ok(Some(AuditReport { lines }))
}

/// For how long no worker's [`audit_recent`] has come to the end of what is new and found nothing wrong; before the first, since
/// the database was made.
///
/// # Errors
/// The database is away or refuses.
pub async fn audit_good_age(ledger: &Ledger) -> Result<Duration, LedgerError> {
    let age_ms: i64 = ledger.one(GOOD_AGE, &[]).await?.try_get(0)?;
    Ok(Duration::from_millis(fit(age_ms)?))
}

/// I1 and I2 of the sales that may have changed.
async fn stock(turn: &Transaction<'_>, checkpoint: &str) -> Result<Vec<AuditLine>, LedgerError> {
    let mut lines = Vec::new();
    for sale in turn.query(SALES, &[&checkpoint]).await? {
        let sale: Uuid = sale.try_get(0)?;
        for invariant in [&seats::I1, &seats::I2_KEPT] {
            lines.push(check(turn, invariant, Some(sale)).await?);
        }
    }
    Ok(lines)
}

impl Walk {
    fn from(checkpoint: String) -> Self {
        let figures = vec![("transfers", 0), ("entries", 0)];
        let line = AuditLine { invariant: books::I3.number, title: books::I3.title, figures, breaches: Vec::new() };
        Self { from: checkpoint.clone(), clean: checkpoint, arrived: false, line }
    }

    async fn steps(&mut self, turn: &Transaction<'_>) -> Result<(), LedgerError> {
        let piece = turn.query_one(PIECE, &[&self.from, &(i64::from(PIECE_TRANSFERS) - 1)]).await?;
        let (upto, arrived): (String, bool) = (piece.try_get(0)?, piece.try_get(1)?);
        let counted = turn.query_one(COUNT, &[&self.from, &upto]).await?;
        for (index, (_, figure)) in self.line.figures.iter_mut().enumerate() {
            *figure += counted.try_get::<_, i64>(index)?;
        }
        let room = BREACHES_MAX - fit::<_, i64>(self.line.breaches.len())?;
        for breach in turn.query(FIND, &[&self.from, &upto, &room]).await? {
            self.line.breaches.push(breach.try_get(0)?);
        }
        if self.line.breaches.is_empty() {
            self.clean.clone_from(&upto);
        }
        (self.from, self.arrived) = (upto, arrived);
        Ok(())
    }
}
