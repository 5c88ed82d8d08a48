//! What looks again whether all is as it should be, because news gets lost and stores forget.
//!
//! | reconciler | every | compares | and then |
//! |---|---|---|---|
//! | [`undelivered_events`] | 60 s | Stripe's events that did not reach us, with the inbox | stores them, as the webhook would have |
//! | [`unfinished_payments`] | 60 s | payments that are not over, with their intents | applies what Stripe says |
//! | [`old_authorisations`] | 10 min | promises of banks that end within a day, with their jobs | has them captured or cancelled at once |
//! | [`stock`] | 10 min | units with the books' seats, and with Redis | has a Redis that is wrong rebuilt |
//! | [`stripe_balance`] | 5 min | Stripe's balance transactions, with the books | books fees, hears of what is missing again |
//!
//! ```text
//!  begin (Postgres: the turn, and how far the last one came) ─► look, ask Stripe, mend ─► end (figures, how far, what is told)
//!      │ another worker's turn, or too soon                          │ fails, takes too long, or the worker ends
//!      └─► nothing                                                   └─► end: failed; or its lease is over: lost
//! ```
//!
//! Who owns what: the turn, the figures and how far a round came are rows of `reconciliations`; the rest belongs to whom it
//! always does, because whatever is mended is mended by the call that would have done it in the first place. So a round that
//! breaks off anywhere has lost nothing: the next one begins where the last good one ended, and finds done what was done.
//! Bounds: one round of each at a time over all workers, [`ROUND_MAX`] a round, and in each its own number of calls. Reads of
//! Stripe are not counted in its write budget; the rounds ask one page at a time, far below what Stripe allows.
//!
//! What people must look at is logged, counted in `onsale_reconciler_findings_total{name,outcome="alerted"}`, and told by
//! `onsale reconciliations`. A reconciler that has not ended well for long is seen in `onsale_reconciler_good_age_seconds`.

use std::sync::Arc;
use std::time::Duration;

use ledger::LedgerError;
use ledger::reconciliations::{Ended, Findings, Round, begin, end, latest};
use payments::StripeError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::metrics;

mod place;

pub(crate) mod old_authorisations;
pub(crate) mod stock;
pub(crate) mod stripe_balance;
pub(crate) mod undelivered_events;
pub(crate) mod unfinished_payments;

/// How often the reconcilers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReconcilePace {
    /// Each as often as it is made for.
    #[default]
    Usual,
    /// Each this often, for tests.
    Every(Duration),
}

/// One thing that is compared.
pub(crate) trait Reconciler: Send + Sync + 'static {
    /// Its name in the table, in logs and metrics.
    const NAME: &'static str;
    /// How often, over all workers.
    const EVERY: Duration;

    /// One round from where the last good one ended. What it found is said also when it fails in the middle.
    fn round(
        &self,
        resume: Option<&str>,
        found: &mut Findings,
    ) -> impl Future<Output = Result<(), ReconcileError>> + Send;
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    /// Postgres.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Stripe.
    #[error(transparent)]
    Stripe(#[from] StripeError),
}

/// A round that takes longer is broken off.
const ROUND_MAX: Duration = Duration::from_secs(240);
/// The turn is another worker's by then: longer than a round.
const LEASE_S: u32 = 300;

/// Reconciles until `stop`. The first round comes after one interval: what has just started has enough to do.
pub(crate) async fn repeat<R: Reconciler>(
    context: Arc<Context>,
    reconciler: R,
    pace: ReconcilePace,
    stop: CancellationToken,
) {
    let every = match pace {
        ReconcilePace::Usual => R::EVERY,
        ReconcilePace::Every(every) => every,
    };
    metrics::reconciler_begins(R::NAME);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = in_turn(&context, &reconciler, every, &stop).await {
            tracing::warn!(reconciler = R::NAME, %error, "cannot begin or end a round");
        }
    }
}

async fn in_turn<R: Reconciler>(
    context: &Context,
    reconciler: &R,
    every: Duration,
    stop: &CancellationToken,
) -> Result<(), LedgerError> {
    // A little sooner than this worker comes again, so that its own next round is not too soon.
    let not_before_s = u32::try_from((every * 9 / 10).as_secs()).unwrap_or(u32::MAX);
    let Some(round) = begin(&context.ledger, R::NAME, not_before_s, LEASE_S).await? else {
        return Ok(());
    };
    let mut found = Findings::default();
    let working = tokio::time::timeout(ROUND_MAX, reconciler.round(round.resume.as_deref(), &mut found));
    let ended = match stop.run_until_cancelled(working).await {
        Some(Ok(Ok(()))) => Ended::Done,
        Some(Ok(Err(error))) => failed(&mut found, &error.to_string()),
        Some(Err(_)) => failed(&mut found, "it took too long"),
        None => failed(&mut found, "its worker ended"),
    };
    tell(&round, ended, &found);
    if !end(&context.ledger, &round, ended, &found).await? {
        tracing::warn!(reconciler = R::NAME, "the round was ended by another worker: it overslept its lease");
    }
    Ok(())
}

/// A round that failed comes no further: the next one looks at the same again.
fn failed(found: &mut Findings, why: &str) -> Ended {
    found.cursor = None;
    found.told.insert(0, why.to_owned());
    Ended::Failed
}

fn tell(round: &Round, ended: Ended, found: &Findings) {
    metrics::reconciler_ended(round.name, ended, found);
    let Findings { looked_at, found: differs, mended, alerted, told, .. } = found;
    match ended {
        Ended::Failed => tracing::warn!(reconciler = round.name, looked_at, mended, ?told, "a round failed"),
        Ended::Done if *alerted > 0 => {
            tracing::error!(
                reconciler = round.name,
                looked_at,
                found = differs,
                mended,
                alerted,
                ?told,
                "people must look"
            );
        }
        Ended::Done if *differs > 0 => {
            tracing::warn!(
                reconciler = round.name,
                looked_at,
                found = differs,
                mended,
                "something was not as it should be"
            );
        }
        Ended::Done => tracing::debug!(reconciler = round.name, looked_at, "all is as it should be"),
    }
}

/// Shows for how long each reconciler has not ended well.
pub(crate) async fn publish(context: &Context) -> Result<(), LedgerError> {
    for reconciled in latest(&context.ledger).await? {
        if let Some(age_s) = reconciled.good_age_s {
            metrics::set(&::metrics::gauge!(metrics::RECONCILER_GOOD_AGE, "name" => reconciled.name), age_s);
        }
    }
    Ok(())
}
