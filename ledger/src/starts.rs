//! Where claims begin to look: at the oldest that waits, not at the oldest that ever was.
//!
//! A claim reads the index of what is due from its oldest end, and first walks over what is dead there. Vacuum removes that, unless
//! somebody reads for long: then nothing goes away, and claims get slower by each job that passes. So somebody else walks, once a
//! second ([`starts`]), and claims begin where that look found the first that waits ([`crate::outbox::claim_from`],
//! [`crate::inbox::inbox_claim_from`]).
//!
//! Guarantees: what a look sees is never behind its start, leased or not. What is due earlier and becomes visible later is behind it
//! until the next look: of a transaction that takes longer than [`SLACK_S`], or set back by hand. An old start is only slow; so a
//! process keeps the one it has while the database is away, and shares it with nobody. Order: as without a start, but for what is
//! behind it.

use jiff::Timestamp;
use tokio_postgres::Row;

use crate::outbox::Queue;
use crate::{Ledger, LedgerError};

/// Ranks of jobs within a queue (V37): what waits in one is no reason to look far back in another.
const RANKS: usize = 3;

/// Since when there may be something to claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Starts {
    pub(crate) inbox: Option<Timestamp>,
    jobs: [[Option<Timestamp>; RANKS]; Queue::ALL.len()],
}

impl Starts {
    /// Of a queue, by rank.
    pub(crate) const fn of(&self, queue: Queue) -> &[Option<Timestamp>] {
        &self.jobs[queue as usize]
    }
}

/// Longer than what adds work usually takes from the time it writes as `next_at` to its commit; at 2,000 jobs a second, claims then
/// walk over 4,000.
pub const SLACK_S: i32 = 2;

pub(crate) const STATEMENTS: &[&str] = &[STARTS];

/// Where nothing waits, or only what is not due, the look itself is the start.
const STARTS: &str = "
    SELECT least((SELECT min(next_at) FROM inbox WHERE state = 'pending'), onsale_now()) - make_interval(secs => $3::integer),
           array_agg(least((SELECT min(next_at) FROM outbox o WHERE o.queue = q.queue AND o.rank = r.rank AND o.state = 'pending'),
                           onsale_now()) - make_interval(secs => $3::integer) ORDER BY q.place, r.rank)
      FROM unnest($1::text[]) WITH ORDINALITY AS q (queue, place) CROSS JOIN generate_series(0, $2::integer - 1) AS r (rank)";

/// Looks through all queues. Takes as long as there is dead to walk over: 25 ms past 100,000 jobs.
///
/// # Errors
/// The database is away or refuses.
pub async fn starts(ledger: &Ledger) -> Result<Starts, LedgerError> {
    let queues = Queue::ALL.map(Queue::word).to_vec();
    let ranks = i32::try_from(RANKS).expect("three");
    found(&ledger.one(STARTS, &[&queues, &ranks, &SLACK_S]).await?)
}

fn found(row: &Row) -> Result<Starts, LedgerError> {
    let mut starts = Starts { inbox: Some(row.try_get(0)?), ..Starts::default() };
    let of_jobs: Vec<Timestamp> = row.try_get(1)?;
    for (start, found) in starts.jobs.iter_mut().flatten().zip(of_jobs) {
        *start = Some(found);
    }
    Ok(starts)
}
