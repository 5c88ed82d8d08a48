//! Events received from Stripe: stored first, applied later.
//!
//! Shape: the edge stores an event and only then answers 200; a worker leases some ([`inbox_claim`]) and either applies them
//! ([`crate::payments::payment_apply`] marks them itself, in the transaction that applied them) or says what became of them.
//! Guarantees: no stored event is lost, a duplicate is counted and changes nothing else, none is leased to two at once, and a
//! worker that overslept its lease changes nothing ([`Leased::Lost`]).
//!
//! Order: none is promised, as Stripe promises none. What it does not do: it neither verifies nor reads an event.

use std::collections::HashSet;

use domain::trace::Traceparent;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::numbers::fit;
use crate::pool::trace_of;
use crate::starts::Starts;
use crate::{Ledger, LedgerError};

/// An event as it arrived, its signature verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// Stripe's id, `evt_…`; when the body is unreadable, a digest of it.
    pub id: String,
    /// What happened, like `payment_intent.succeeded`.
    pub kind: String,
    /// Real money or a test.
    pub livemode: bool,
    /// The connected account it is about; none for our own.
    pub account: Option<String>,
    /// The version its shape follows.
    pub api_version: Option<String>,
    /// When it happened.
    pub created: Timestamp,
    /// The body, byte for byte.
    pub raw: Vec<u8>,
}

/// What came of storing an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is new.
    New,
    /// It was there; the delivery is counted.
    Duplicate,
}

/// An event leased to one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEvent {
    /// Stripe's id.
    pub id: String,
    /// What happened.
    pub kind: String,
    /// Real money or a test.
    pub livemode: bool,
    /// The connected account it is about; none for our own.
    pub account: Option<String>,
    /// The body, byte for byte.
    pub raw: Vec<u8>,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Proof of the lease: a worker that overslept it changes nothing.
    pub lease: Uuid,
    /// The trace of the request that brought it.
    pub trace: Option<Traceparent>,
}

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxStats {
    /// Events to apply.
    pub pending: u64,
    /// How long the oldest of them waits.
    pub oldest_age_s: u64,
    /// Events that failed too often.
    pub parked: u64,
    /// Events that do not fit their order, or are unreadable.
    pub quarantined: u64,
}

/// Whether the worker still had its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leased {
    /// It had, and the change is made.
    Yes,
    /// It overslept; nothing changed.
    Lost,
}

/// The channel that says an event came.
pub const CHANNEL: &str = "onsale_inbox";

pub(crate) const STATEMENTS: &[&str] = &[STORE, CLAIM, DONE, MANY_DONE, RETRY, PARK, QUARANTINE, STATS];

/// A duplicate is counted and so committed too: were it only looked up, an answer could rest on a row that a failover to a
/// standby loses (PostgreSQL acknowledges a commit whose wait for the standby was cancelled).
const STORE: &str = "
    INSERT INTO inbox AS known (id, kind, livemode, account, api_version, created, raw, trace)
    VALUES ($1, $2, $3, $4, $5, $6, $7, nullif($8, ''))
        ON CONFLICT ON CONSTRAINT inbox_pkey DO UPDATE SET deliveries = known.deliveries + 1
    RETURNING deliveries";

const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT id FROM inbox
         WHERE state = 'pending' AND next_at <= (SELECT onsale_now()) AND next_at >= coalesce($3::timestamptz, '-infinity')
         ORDER BY next_at LIMIT $1::bigint FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE inbox i
       SET attempts = attempts + 1, lease = gen_random_uuid(), next_at = onsale_now() + make_interval(secs => $2::integer)
      FROM due WHERE i.id = due.id
    RETURNING i.id, i.kind, i.livemode, i.account, i.raw, i.attempts, i.received_at, i.lease, i.trace";

const DONE: &str = "
    UPDATE inbox SET state = 'done', lease = NULL, note = $3, done_at = onsale_now()
     WHERE id = $1 AND lease = $2 AND state = 'pending' RETURNING true";

const MANY_DONE: &str = "SELECT events_done($1, $2, $3)";

const RETRY: &str = "
    UPDATE inbox SET lease = NULL, note = $3, next_at = onsale_now() + make_interval(secs => $4::integer)
     WHERE id = $1 AND lease = $2 AND state = 'pending' RETURNING true";

const PARK: &str = "
    UPDATE inbox SET state = 'parked', lease = NULL, note = $3
     WHERE id = $1 AND lease = $2 AND state = 'pending' RETURNING true";

const QUARANTINE: &str = "
    UPDATE inbox SET state = 'quarantined', lease = NULL, note = $3
     WHERE id = $1 AND lease = $2 AND state = 'pending' RETURNING true";

const STATS: &str = "
    SELECT waiting.pending, waiting.oldest_age_s, trouble.parked, trouble.quarantined
      FROM (SELECT count(*) AS pending,
                   greatest(coalesce(extract(epoch FROM onsale_now() - min(received_at)), 0), 0)::bigint AS oldest_age_s
              FROM inbox WHERE state = 'pending') AS waiting,
           (SELECT count(*) FILTER (WHERE state = 'parked') AS parked,
                   count(*) FILTER (WHERE state = 'quarantined') AS quarantined
              FROM inbox WHERE state IN ('quarantined', 'parked')) AS trouble";

/// Stores an event; only when this returned may its sender be told so.
///
/// # Errors
/// The database is away or refuses.
pub async fn event_store(ledger: &Ledger, event: &RawEvent) -> Result<Stored, LedgerError> {
    let RawEvent { id, kind, livemode, account, api_version, created, raw } = event;
    let row = ledger.one_traced(STORE, &[id, kind, livemode, account, api_version, created, raw]).await?;
    Ok(if row.try_get::<_, i32>(0)? == 1 { Stored::New } else { Stored::Duplicate })
}

/// Leases at most `limit` events for `lease_s`, oldest first.
///
/// # Errors
/// The database is away or refuses.
pub async fn inbox_claim(ledger: &Ledger, limit: u32, lease_s: u32) -> Result<Vec<InboxEvent>, LedgerError> {
    inbox_claim_from(ledger, &Starts::default(), limit, lease_s).await
}

/// The same, beginning where a look at the queues found the first that waits.
///
/// # Errors
/// The database is away or refuses.
pub async fn inbox_claim_from(
    ledger: &Ledger,
    starts: &Starts,
    limit: u32,
    lease_s: u32,
) -> Result<Vec<InboxEvent>, LedgerError> {
    let lease_s: i32 = fit(lease_s)?;
    let rows = ledger.rows(CLAIM, &[&i64::from(limit), &lease_s, &starts.inbox]).await?;
    let mut events = rows.iter().map(leased_event).collect::<Result<Vec<_>, _>>()?;
    events.sort_by_key(|event| event.received_at);
    Ok(events)
}

/// Nothing is left to do for the event.
///
/// # Errors
/// The database is away or refuses.
pub async fn event_done(ledger: &Ledger, event: &InboxEvent, note: &str) -> Result<Leased, LedgerError> {
    Ok(leased(ledger.row(DONE, &[&event.id, &event.lease, &note]).await?))
}

/// The most events of one [`events_done`].
pub const DONE_BATCH_MAX: usize = 250;

/// An event of which nothing is left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneEvent {
    /// Stripe's id.
    pub id: String,
    /// Proof of the lease.
    pub lease: Uuid,
    /// Why, in a word or two.
    pub note: &'static str,
}

/// [`event_done`] of many, at most [`DONE_BATCH_MAX`], committed once; answers for each, in their order.
///
/// # Errors
/// The database is away or refuses; then it is to be done one by one.
pub async fn events_done(ledger: &Ledger, events: &[DoneEvent]) -> Result<Vec<Leased>, LedgerError> {
    debug_assert!(events.len() <= DONE_BATCH_MAX, "{} events", events.len());
    let ids: Vec<_> = events.iter().map(|event| event.id.as_str()).collect();
    let leases: Vec<_> = events.iter().map(|event| event.lease).collect();
    let notes: Vec<_> = events.iter().map(|event| event.note).collect();
    let rows = ledger.rows(MANY_DONE, &[&ids, &leases, &notes]).await?;
    let done = rows.iter().map(|row| Ok(row.try_get::<_, &str>(0)?)).collect::<Result<HashSet<_>, LedgerError>>()?;
    Ok(ids.iter().map(|id| if done.contains(id) { Leased::Yes } else { Leased::Lost }).collect())
}

/// Tries again after `delay_s`.
///
/// # Errors
/// The database is away or refuses.
pub async fn event_retry(
    ledger: &Ledger,
    event: &InboxEvent,
    error: &str,
    delay_s: u32,
) -> Result<Leased, LedgerError> {
    let delay_s: i32 = fit(delay_s)?;
    Ok(leased(ledger.row(RETRY, &[&event.id, &event.lease, &error, &delay_s]).await?))
}

/// It failed too often: people must look.
///
/// # Errors
/// The database is away or refuses.
pub async fn event_park(ledger: &Ledger, event: &InboxEvent, error: &str) -> Result<Leased, LedgerError> {
    Ok(leased(ledger.row(PARK, &[&event.id, &event.lease, &error]).await?))
}

/// It cannot be ours or cannot be read: people must look.
///
/// # Errors
/// The database is away or refuses.
pub async fn event_quarantine(ledger: &Ledger, event: &InboxEvent, reason: &str) -> Result<Leased, LedgerError> {
    Ok(leased(ledger.row(QUARANTINE, &[&event.id, &event.lease, &reason]).await?))
}

/// What waits.
///
/// # Errors
/// The database is away or refuses.
pub async fn inbox_stats(ledger: &Ledger) -> Result<InboxStats, LedgerError> {
    let row = ledger.one(STATS, &[]).await?;
    let figure = |index: usize| row.try_get::<_, i64>(index).map_err(LedgerError::from).and_then(fit);
    Ok(InboxStats { pending: figure(0)?, oldest_age_s: figure(1)?, parked: figure(2)?, quarantined: figure(3)? })
}

fn leased_event(row: &Row) -> Result<InboxEvent, LedgerError> {
    Ok(InboxEvent {
        id: row.try_get(0)?,
        kind: row.try_get(1)?,
        livemode: row.try_get(2)?,
        account: row.try_get(3)?,
        raw: row.try_get(4)?,
        attempts: fit(row.try_get::<_, i32>(5)?)?,
        received_at: row.try_get(6)?,
        lease: row.try_get(7)?,
        trace: trace_of(row.try_get(8)?),
    })
}

/// A row came back only if the lease was still the worker's.
pub(crate) fn leased(row: Option<Row>) -> Leased {
    if row.is_some() { Leased::Yes } else { Leased::Lost }
}
