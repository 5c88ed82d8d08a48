//! One pool of workers over one queue: claim, run, settle.
//!
//! ```text
//!  wait for a place ─► claim as many as there are places ─► run each in a task of its own ─► settle under the lease
//!        ▲                          │ fewer than asked for
//!        └──── woken, or a poll ────┘            after a bell once more, a little later
//! ```
//!
//! Guarantees: a claimed item is leased to this pool; it is settled with that lease or not at all, so a worker that
//! overslept changes nothing. An item may run twice (a crash, a lost lease), so every job is harmless when repeated. An
//! item that fails, panics or kills the process [`ATTEMPTS_MAX`] times is parked and blocks nobody.
//!
//! Bounds: [`PoolSize`] items at once, [`JOB_MAX`] for each, claims of at most [`Source::claim_max`]. Order: oldest first, as
//! claimed; no promise between items. It does not know what it runs: that is its [`Source`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::trace::Sampling;
use ledger::LedgerError;
use ledger::outbox::Leased;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::metrics;
use crate::points::Point;
use crate::trace::{self, About};

mod backoff;
mod verdict;

pub(crate) use verdict::{Outcome, Verdict};

/// How often an item is tried before people must look. With the delays of [`backoff`] that is about half an hour: longer
/// than the outages that end by themselves.
pub(crate) const ATTEMPTS_MAX: u32 = 20;

/// How long a claimed item is ours. Longer than [`JOB_MAX`] and settling together, so that a live worker never loses it.
pub(crate) const LEASE_S: u32 = 60;

/// The longest an item may run. Longer than the longest call inside a job, a call to Stripe and the ledger around it.
const JOB_MAX: Duration = Duration::from_secs(45);

/// The most items of one claim, unless its source says more: a claim locks rows, and short claims keep the queue's table quick.
const CLAIM_MAX: usize = 50;

/// How often a pool lets others go ahead before it claims: items that shared a call end together, and their places are claimed
/// for together.
const LET_AHEAD: usize = 3;

/// How long a pool rests when what it needs is away, instead of marching its whole queue against a closed door.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// How long a pool waits before it asks the database again that just refused it.
const CLAIM_PAUSE: Duration = Duration::from_millis(500);

/// How long after a bell a pool looks once more: of those who write at once one rings, and others may commit a little later.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Where a pool's work comes from and what it is.
pub(crate) trait Source: Send + Sync + 'static {
    /// One piece of work, leased.
    type Item: Send + Sync + 'static;

    /// The queue's name in metrics and logs.
    fn queue(&self) -> &'static str;

    /// The most items of one claim.
    fn claim_max(&self) -> usize {
        CLAIM_MAX
    }

    /// An item's name and how often it was claimed, this time included.
    fn attempt(&self, item: &Self::Item) -> (String, u32);

    /// What it is about, for its log lines and its trace.
    fn about<'a>(&self, item: &'a Self::Item) -> About<'a>;

    /// Leases at most `limit` items.
    fn claim(&self, limit: u32) -> impl Future<Output = Result<Vec<Self::Item>, LedgerError>> + Send;

    /// Does the work.
    fn run(&self, item: &Self::Item) -> impl Future<Output = Outcome> + Send;

    /// It passes a point; whoever watches may end the process there.
    fn passes(&self, _item: &Self::Item, _point: Point) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Writes down what became of it, if the lease is still ours.
    fn settle(&self, item: &Self::Item, verdict: &Verdict) -> impl Future<Output = Result<Leased, LedgerError>> + Send;
}

/// How many items of a queue run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize(pub u16);

/// A pool, ready to run.
pub(crate) struct Pool<S> {
    pub(crate) source: S,
    pub(crate) size: PoolSize,
    pub(crate) poll_every: Duration,
    pub(crate) sampling: Sampling,
    pub(crate) wake: Arc<Notify>,
}

impl<S: Source> Pool<S> {
    /// Works until `stop`; items that have begun end by themselves, in `tracker`.
    pub(crate) async fn run(self, tracker: TaskTracker, stop: CancellationToken) {
        let pool = Running {
            source: Arc::new(self.source),
            places: Arc::new(Semaphore::new(usize::from(self.size.0.max(1)))),
            away: Arc::default(),
            poll_every: self.poll_every,
            sampling: self.sampling,
            wake: self.wake,
            tracker,
        };
        pool.work(&stop).await;
    }
}

struct Running<S> {
    source: Arc<S>,
    places: Arc<Semaphore>,
    /// Set by an item that found its service away.
    away: Arc<AtomicBool>,
    poll_every: Duration,
    sampling: Sampling,
    wake: Arc<Notify>,
    tracker: TaskTracker,
}

/// What a claim found.
enum Claimed {
    /// As much as was asked for; there may be more.
    Full,
    /// The queue is empty, as far as it is due.
    Drained,
    /// The database did not answer.
    Refused,
}

/// Why a pool looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rested {
    /// Somebody rang.
    UntilTheBell,
    /// It was time, or there is more.
    Enough,
}

impl<S: Source> Running<S> {
    async fn work(&self, stop: &CancellationToken) {
        let mut rest_max = self.poll_every;
        while let Some(places) = stop.run_until_cancelled(self.free_places()).await {
            // Never dropped half way: what it had leased would lie idle until the lease is over.
            let claimed = self.claim(places).await;
            let rested = stop.run_until_cancelled(self.rest_after(claimed, rest_max)).await;
            rest_max = match rested {
                Some(Rested::UntilTheBell) => LOOK_AGAIN_AFTER.min(self.poll_every),
                Some(Rested::Enough) | None => self.poll_every,
            };
        }
    }

    async fn rest_after(&self, claimed: Claimed, rest_max: Duration) -> Rested {
        let rested = match claimed {
            Claimed::Full => Rested::Enough,
            // Until someone rings, or it is time to look whether a bell was missed or a delay has passed: then the
            // timeout is the poll, not a failure.
            Claimed::Drained => match tokio::time::timeout(rest_max, self.wake.notified()).await {
                Ok(()) => Rested::UntilTheBell,
                Err(_) => Rested::Enough,
            },
            Claimed::Refused => {
                tokio::time::sleep(CLAIM_PAUSE).await;
                Rested::Enough
            }
        };
        if self.away.swap(false, Ordering::Relaxed) {
            tokio::time::sleep(AWAY_PAUSE).await;
        }
        rested
    }

    async fn claim(&self, places: Vec<OwnedSemaphorePermit>) -> Claimed {
        let limit = u32::try_from(places.len()).expect("a claim is small");
        match self.source.claim(limit).await {
            Ok(items) => {
                let full = items.len() == places.len();
                for (item, place) in items.into_iter().zip(places) {
                    self.start(item, place);
                }
                if full { Claimed::Full } else { Claimed::Drained }
            }
            Err(error) => {
                tracing::warn!(queue = self.source.queue(), %error, "cannot claim");
                Claimed::Refused
            }
        }
    }

    /// One free place at least, and all that are free now. Only this loop takes places, so what is free stays free.
    async fn free_places(&self) -> Vec<OwnedSemaphorePermit> {
        let take = || Arc::clone(&self.places).acquire_owned();
        let first = take().await.expect("the semaphore is never closed");
        for _ in 0..LET_AHEAD {
            yield_now().await;
        }
        let more = || Arc::clone(&self.places).try_acquire_owned().ok();
        std::iter::once(first).chain(std::iter::from_fn(more)).take(self.source.claim_max()).collect()
    }

    fn start(&self, item: S::Item, place: OwnedSemaphorePermit) {
        let (source, away) = (Arc::clone(&self.source), Arc::clone(&self.away));
        let span = source.about(&item).span(source.queue(), &source.attempt(&item).0, self.sampling);
        let work = async move {
            if one(&*source, &item).await == Service::Away {
                away.store(true, Ordering::Relaxed);
            }
            drop(place);
        };
        // The item is leased already, so it is finished even when the pool is told to stop.
        self.tracker.spawn(work.instrument(span));
    }
}

/// Whether what an item needed was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    There,
    Away,
}

async fn one<S: Source>(source: &S, item: &S::Item) -> Service {
    let (name, attempt) = source.attempt(item);
    let (queue, started) = (source.queue(), Instant::now());
    source.passes(item, Point::Begun).await;
    let outcome = if attempt > ATTEMPTS_MAX {
        // It never came to an end: each time the worker did.
        Outcome::Park(format!("claimed {attempt} times without an end"))
    } else {
        let late = |_| Outcome::Retry(format!("not done within {JOB_MAX:?}"));
        tokio::time::timeout(JOB_MAX, source.run(item)).await.unwrap_or_else(late)
    };
    let service = if matches!(outcome, Outcome::Away(_)) { Service::Away } else { Service::There };
    let verdict = Verdict::of(outcome, attempt, &name);
    metrics::job_ended(queue, &verdict, started.elapsed());
    tell(queue, &name, attempt, &verdict);
    source.passes(item, Point::Ended).await;
    match source.settle(item, &verdict).await {
        Ok(Leased::Yes) => {}
        Ok(Leased::Lost) => tracing::warn!(queue, item = name, "the lease was lost; somebody else has it"),
        Err(error) => tracing::warn!(queue, item = name, %error, "cannot settle; it runs again when its lease is over"),
    }
    trace::ended(&verdict);
    service
}

fn tell(queue: &'static str, item: &str, attempt: u32, verdict: &Verdict) {
    match verdict {
        Verdict::Done(note) => tracing::debug!(queue, item, note, "done"),
        Verdict::Settled => tracing::debug!(queue, item, "done"),
        Verdict::Retry { error, delay_s } => {
            tracing::warn!(queue, item, attempt, error, delay_s, "failed; again later")
        }
        Verdict::NotYet { reason, delay_s } => tracing::debug!(queue, item, reason, delay_s, "not yet"),
        Verdict::Postpone { reason, delay_s } => tracing::warn!(queue, item, reason, delay_s, "postponed"),
        Verdict::Park(error) => tracing::error!(queue, item, attempt, error, "parked; people must look"),
        Verdict::Quarantine(reason) => tracing::error!(queue, item, reason, "quarantined; people must look"),
    }
}

#[cfg(test)]
mod tests;
