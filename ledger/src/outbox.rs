//! Work to do later, written in the transaction that makes it necessary.
//!
//! Shape: SQL functions add jobs; a worker leases some ([`claim`]), does them outside of any transaction, and says how it
//! went. Guarantees: no job is lost, none is leased to two at once, a key makes each unique in its sale for ever, and a
//! worker that overslept its lease changes nothing ([`Leased::Lost`]). At least once, not exactly once: work must bear being
//! done twice, which is why every call carries an idempotency key and every mail a fixed id.
//!
//! Order: oldest first, as far as leases and retries allow; of the jobs of Stripe those first that buyers wait for (V37). Bounds: the caller's, in number and in time. What it does not
//! do: it neither runs nor gives up jobs; how often to try is the workers' business.

use domain::trace::Traceparent;
use domain::{EntryId, Money, OrderId, PaymentId, RefundId, SaleId, TierId, UnitNo};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

pub use crate::inbox::Leased;
use crate::inbox::leased;
use crate::numbers::fit;
use crate::pool::trace_of;
use crate::starts::Starts;
use crate::{Ledger, LedgerError};

mod payload;

/// A family of work with workers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Queue {
    /// Calls to Stripe.
    Stripe,
    /// Units going back to Redis.
    Stock,
    /// Mail.
    Mail,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Stripe, Self::Stock, Self::Mail];

    /// The word in the database and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Stock => "stock",
            Self::Mail => "mail",
        }
    }

    /// The queue of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.word() == word)
    }

    /// The channel that says a job came.
    #[must_use]
    pub const fn channel(self) -> &'static str {
        match self {
            Self::Stripe => "onsale_outbox_stripe",
            Self::Stock => "onsale_outbox_stock",
            Self::Mail => "onsale_outbox_mail",
        }
    }
}

/// A job leased to one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// The sale it is for.
    pub sale: SaleId,
    /// Its queue.
    pub queue: Queue,
    /// What to do.
    pub work: Work,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// When it became necessary.
    pub created_at: Timestamp,
    /// How long ago that was when it was claimed, by the same clock.
    pub age_s: u64,
    /// Proof of the lease: a worker that overslept it changes nothing.
    pub lease: Uuid,
    /// The trace of the request that made it necessary, or of the attempt to pay its order.
    pub trace: Option<Traceparent>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Capture an authorised payment.
    PaymentCapture(IntentCall),
    /// Cancel a payment that came too late or was given up.
    PaymentCancel(IntentCall),
    /// Fetch an intent and apply what it says.
    PaymentCheck(IntentCall),
    /// Send money back.
    PaymentRefund {
        /// Our refund.
        refund: RefundId,
        /// The call.
        call: IntentCall,
        /// How much.
        amount: Money,
    },
    /// Put units back on sale in Redis.
    UnitsReturn {
        /// Names the return: the same one twice is one.
        request: [u8; 32],
        /// The epoch they became free in.
        epoch: u32,
        /// Whose they were.
        whose: Whose,
        /// The units.
        units: Vec<(TierId, UnitNo)>,
    },
    /// Tell the buyer something.
    Mail {
        /// What.
        kind: MailKind,
        /// Of which order.
        order: OrderId,
    },
    /// Tell somebody on the waitlist something.
    EntryMail {
        /// What.
        kind: EntryMailKind,
        /// Of which entry.
        entry: EntryId,
    },
    /// A kind this version does not know: another version wrote it.
    Unknown {
        /// Its kind.
        kind: String,
        /// What it says.
        payload: Value,
    },
}

/// Whose units were before they became free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// An order's.
    #[default]
    Ordered,
    /// Kept back by the organizer, or not there before: Redis counts them from now on.
    Withheld,
}

/// A call on a payment intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentCall {
    /// The order it pays.
    pub order: OrderId,
    /// The payment.
    pub payment: PaymentId,
    /// Stripe's id.
    pub intent: String,
    /// The idempotency key of the call.
    pub key: String,
    /// Of a capture: from which age of its job on it must not wait; `None` where Stripe did not say when the promise ends.
    pub urgent_after_s: Option<u64>,
}

/// What a mail says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// Paid: here are the tickets.
    OrderPaid,
    /// The time to pay ran out.
    OrderExpired,
    /// The payment came too late or could not be captured: nothing is charged.
    PaymentReleased,
    /// The payment came too late: the money goes back.
    PaymentRefunded,
    /// The organizer gave back money or tickets.
    RefundMade(RefundId),
    /// Money that was to go back did not arrive.
    RefundFailed(RefundId),
    /// The tickets once more, as they are now; the letter has a name of its own.
    TicketsAgain(Uuid),
    /// The sale was called off; this goes back, if anything does.
    SaleCancelled(Option<RefundId>),
}

/// What a mail to somebody on the waitlist says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryMailKind {
    /// Joined: confirm that this is your address.
    Joined,
    /// Units came back, and they are yours for a while.
    Offer,
    /// The time to claim them ran out.
    Lapsed,
    /// The sale was called off: there is nothing to wait for.
    Cancelled,
}

/// What waits in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueStats {
    /// The queue.
    pub queue: Queue,
    /// Jobs to do.
    pub pending: u64,
    /// How long the oldest of them waits.
    pub oldest_age_s: u64,
    /// Jobs that failed too often.
    pub parked: u64,
}

pub(crate) const STATEMENTS: &[&str] = &[CLAIM, DONE, RETRY, POSTPONE, PARK, STATS];

/// Rank by rank, each along its index: what is not due in one is not looked at for the next, and no row is locked that is not
/// claimed.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT job.sale_id, job.id
          FROM unnest('{0,1,2}'::smallint[], $4::timestamptz[]) AS served (rank, since)
         CROSS JOIN LATERAL (
            SELECT sale_id, id FROM outbox
             WHERE queue = $1 AND rank = served.rank AND state = 'pending' AND next_at <= (SELECT onsale_now())
               AND next_at >= coalesce(served.since, '-infinity')
             ORDER BY next_at LIMIT $2::bigint FOR NO KEY UPDATE SKIP LOCKED) AS job
         LIMIT $2::bigint)
    UPDATE outbox o
       SET attempts = attempts + 1, lease = gen_random_uuid(), next_at = onsale_now() + make_interval(secs => $3::integer)
      FROM due WHERE o.sale_id = due.sale_id AND o.id = due.id
    RETURNING o.sale_id, o.id, o.kind, o.payload, o.attempts, o.created_at, o.lease,
              greatest(extract(epoch FROM onsale_now() - o.created_at), 0)::bigint, o.rank, job_trace(o)";

const DONE: &str = "
    UPDATE outbox SET state = 'done', lease = NULL, last_error = NULL
     WHERE sale_id = $1 AND id = $2 AND lease = $3 AND state = 'pending' RETURNING true";

const RETRY: &str = "
    UPDATE outbox SET lease = NULL, last_error = $4, next_at = onsale_now() + make_interval(secs => $5::integer)
     WHERE sale_id = $1 AND id = $2 AND lease = $3 AND state = 'pending' RETURNING true";

/// Never back to 0, which says that nobody ever had it: a call that failed may have done its work, and `order_reclaim`
/// must know.
const POSTPONE: &str = "
    UPDATE outbox
       SET lease = NULL, last_error = $4, next_at = onsale_now() + make_interval(secs => $5::integer),
           attempts = greatest(attempts - 1, 1)
     WHERE sale_id = $1 AND id = $2 AND lease = $3 AND state = 'pending' RETURNING true";

const PARK: &str = "
    UPDATE outbox SET state = 'parked', lease = NULL, last_error = $4
     WHERE sale_id = $1 AND id = $2 AND lease = $3 AND state = 'pending' RETURNING true";

const STATS: &str = "
    SELECT queue, coalesce(pending, 0), coalesce(oldest_age_s, 0), coalesce(parked, 0)
      FROM unnest($1::text[]) AS queue
      LEFT JOIN (SELECT queue, count(*) AS pending,
                        greatest(extract(epoch FROM onsale_now() - min(created_at)), 0)::bigint AS oldest_age_s
                   FROM outbox WHERE state = 'pending' GROUP BY queue) AS waiting USING (queue)
      LEFT JOIN (SELECT queue, count(*) AS parked
                   FROM outbox WHERE state = 'parked' GROUP BY queue) AS trouble USING (queue)";

/// Leases at most `limit` jobs of a queue for `lease_s`, by rank and then oldest first.
///
/// # Errors
/// The database is away or refuses.
pub async fn claim(ledger: &Ledger, queue: Queue, limit: u32, lease_s: u32) -> Result<Vec<Job>, LedgerError> {
    claim_from(ledger, &Starts::default(), queue, limit, lease_s).await
}

/// The same, beginning where a look at the queues found the first that waits.
///
/// # Errors
/// The database is away or refuses.
pub async fn claim_from(
    ledger: &Ledger,
    starts: &Starts,
    queue: Queue,
    limit: u32,
    lease_s: u32,
) -> Result<Vec<Job>, LedgerError> {
    let lease_s: i32 = fit(lease_s)?;
    let rows = ledger.rows(CLAIM, &[&queue.word(), &i64::from(limit), &lease_s, &starts.of(queue)]).await?;
    let ranked = |row| Ok((Row::try_get::<_, i16>(row, 8)?, leased_job(queue, row)?));
    let mut jobs = rows.iter().map(ranked).collect::<Result<Vec<_>, LedgerError>>()?;
    jobs.sort_by_key(|(rank, job)| (*rank, job.created_at, job.id));
    Ok(jobs.into_iter().map(|(_, job)| job).collect())
}

/// The job is done.
///
/// # Errors
/// The database is away or refuses.
pub async fn done(ledger: &Ledger, job: &Job) -> Result<Leased, LedgerError> {
    Ok(leased(ledger.row(DONE, &[&job.sale.uuid(), &job.id, &job.lease]).await?))
}

/// Tries again after `delay_s`.
///
/// # Errors
/// The database is away or refuses.
pub async fn retry(ledger: &Ledger, job: &Job, error: &str, delay_s: u32) -> Result<Leased, LedgerError> {
    let delay_s: i32 = fit(delay_s)?;
    Ok(leased(ledger.row(RETRY, &[&job.sale.uuid(), &job.id, &job.lease, &error, &delay_s]).await?))
}

/// Gives the job back untouched: the attempt does not count.
///
/// # Errors
/// The database is away or refuses.
pub async fn postpone(ledger: &Ledger, job: &Job, reason: &str, delay_s: u32) -> Result<Leased, LedgerError> {
    let delay_s: i32 = fit(delay_s)?;
    Ok(leased(ledger.row(POSTPONE, &[&job.sale.uuid(), &job.id, &job.lease, &reason, &delay_s]).await?))
}

/// It failed too often: people must look.
///
/// # Errors
/// The database is away or refuses.
pub async fn park(ledger: &Ledger, job: &Job, error: &str) -> Result<Leased, LedgerError> {
    Ok(leased(ledger.row(PARK, &[&job.sale.uuid(), &job.id, &job.lease, &error]).await?))
}

/// What waits, per queue.
///
/// # Errors
/// The database is away or refuses.
pub async fn stats(ledger: &Ledger) -> Result<Vec<QueueStats>, LedgerError> {
    let queues = Queue::ALL.map(Queue::word).to_vec();
    ledger.rows(STATS, &[&queues]).await?.iter().map(queue_stats).collect()
}

fn leased_job(queue: Queue, row: &Row) -> Result<Job, LedgerError> {
    let id: Uuid = row.try_get(1)?;
    Ok(Job {
        id,
        sale: SaleId::from_uuid(row.try_get(0)?),
        queue,
        work: payload::work(id, row.try_get(2)?, row.try_get(3)?),
        attempts: fit(row.try_get::<_, i32>(4)?)?,
        created_at: row.try_get(5)?,
        lease: row.try_get(6)?,
        age_s: fit(row.try_get::<_, i64>(7)?)?,
        trace: trace_of(row.try_get(9)?),
    })
}

fn queue_stats(row: &Row) -> Result<QueueStats, LedgerError> {
    let word: &str = row.try_get(0)?;
    let queue = Queue::from_word(word).ok_or_else(|| LedgerError::Corrupt(format!("queue {word}")))?;
    let figure = |index: usize| row.try_get::<_, i64>(index).map_err(LedgerError::from).and_then(fit);
    Ok(QueueStats { queue, pending: figure(1)?, oldest_age_s: figure(2)?, parked: figure(3)? })
}
