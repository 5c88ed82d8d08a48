//! Payments that have not come to an end and of which nothing was heard for a while.

use domain::{OrderId, PaymentId, SaleId};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// A payment that Stripe knows and that may still change there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedPayment {
    /// The sale.
    pub sale: SaleId,
    /// The order it pays.
    pub order: OrderId,
    /// Stripe's id.
    pub intent: String,
    /// Since when nothing was heard of it, or since when it is authorised.
    pub changed_at: Timestamp,
}

/// An authorisation that ends soon, or was given long ago, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldAuthorisation {
    /// The sale.
    pub sale: SaleId,
    /// The order.
    pub order: OrderId,
    /// Stripe's id.
    pub intent: String,
    /// When it ends, if Stripe said so.
    pub capture_before: Option<Timestamp>,
    /// `hurried`: its job waits no more. `revived`: its job, which was over, runs anew. `ordered`: it has a job now. `running`: a
    /// worker has it. `dropped`: people gave its job up.
    pub done: String,
}

pub(super) const UNFINISHED: &str = "
    SELECT p.sale_id, p.order_id, p.intent_id, p.changed_at FROM payments p
     WHERE p.state IN ('requires_action', 'processing', 'authorised') AND p.intent_id IS NOT NULL
       AND p.changed_at <= onsale_now() - make_interval(secs => $1::integer)
       AND p.changed_at > coalesce($2::timestamptz, '-infinity')
       AND NOT EXISTS (SELECT FROM outbox o WHERE o.sale_id = p.sale_id AND o.state = 'pending' AND o.dedup_key IN (
                           format('payment_capture:%s', p.id), format('payment_cancel:%s', p.id)))
     ORDER BY p.changed_at LIMIT $3::bigint";

pub(super) const HURRY: &str = "
    SELECT h.sale_id, h.order_id, h.intent_id, h.done, p.capture_before
      FROM authorisations_hurry($1, $2) AS h JOIN payments p ON p.sale_id = h.sale_id AND p.intent_id = h.intent_id";

pub(super) const UNSAID: &str = "
    SELECT p.sale_id, p.order_id, p.intent_id, p.authorised_at FROM payments p
     WHERE p.state = 'authorised' AND p.capture_before IS NULL AND p.intent_id IS NOT NULL
       AND p.authorised_at <= onsale_now() - make_interval(secs => $1::integer)
       AND p.authorised_at > coalesce($2::timestamptz, '-infinity')
     ORDER BY p.authorised_at LIMIT $3::bigint";

pub(super) const NOTE: &str = "SELECT capture_before_note($1, $2, $3)";

/// Writes down when the promise of a payment ends, and tells its capture, which is urgent by it.
///
/// # Errors
/// The database is away or refuses.
pub async fn capture_before_note(
    ledger: &Ledger,
    sale: SaleId,
    payment: PaymentId,
    capture_before: Timestamp,
) -> Result<(), LedgerError> {
    ledger.one(NOTE, &[&sale.uuid(), &payment.uuid(), &capture_before]).await.map(drop)
}

/// Payments of which nothing was heard for `quiet_s`, and which no job is about to end: the quietest first, behind `after`, at
/// most so many.
///
/// # Errors
/// The database is away or refuses.
pub async fn payments_unfinished(
    ledger: &Ledger,
    quiet_s: u32,
    after: Option<Timestamp>,
    most: u32,
) -> Result<Vec<UnfinishedPayment>, LedgerError> {
    quiet(ledger, UNFINISHED, quiet_s, after, most).await
}

/// Authorisations of at least that age of which nobody said when they end: the oldest first, behind `after`, at most so many.
///
/// # Errors
/// The database is away or refuses.
pub async fn authorisations_unsaid(
    ledger: &Ledger,
    older_s: u32,
    after: Option<Timestamp>,
    most: u32,
) -> Result<Vec<UnfinishedPayment>, LedgerError> {
    quiet(ledger, UNSAID, older_s, after, most).await
}

async fn quiet(
    ledger: &Ledger,
    query: &'static str,
    age_s: u32,
    after: Option<Timestamp>,
    most: u32,
) -> Result<Vec<UnfinishedPayment>, LedgerError> {
    let age_s: i32 = fit(age_s)?;
    let read = |row: &Row| {
        Ok(UnfinishedPayment {
            sale: SaleId::from_uuid(row.try_get::<_, Uuid>(0)?),
            order: OrderId::from_uuid(row.try_get::<_, Uuid>(1)?),
            intent: row.try_get(2)?,
            changed_at: row.try_get(3)?,
        })
    };
    ledger.rows(query, &[&age_s, &after, &i64::from(most)]).await?.iter().map(read).collect()
}

/// Makes the capture or cancellation of authorisations that end soon due at once, whatever became of its job; of those of which
/// nobody said when they end, of those that are older than `older_s`. At most so many, the most urgent first.
///
/// # Errors
/// The database is away or refuses.
pub async fn authorisations_hurry(
    ledger: &Ledger,
    older_s: u32,
    most: u32,
) -> Result<Vec<OldAuthorisation>, LedgerError> {
    let (older_s, most): (i32, i32) = (fit(older_s)?, fit(most)?);
    let read = |row: &Row| {
        Ok(OldAuthorisation {
            sale: SaleId::from_uuid(row.try_get::<_, Uuid>(0)?),
            order: OrderId::from_uuid(row.try_get::<_, Uuid>(1)?),
            intent: row.try_get(2)?,
            done: row.try_get(3)?,
            capture_before: row.try_get(4)?,
        })
    };
    ledger.rows(HURRY, &[&older_s, &most]).await?.iter().map(read).collect()
}
