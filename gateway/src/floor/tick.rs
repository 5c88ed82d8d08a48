//! The tick: signs of life to Redis, turns given, grants into Postgres, a new view for everybody.
//!
//! ```text
//! heard ─► admit ─► grants_insert ─► confirm ─► view
//! ```
//!
//! Any number of gateways tick the same sale; there is no leader, because each step is atomic or idempotent. A step that
//! fails is logged and left to the next tick, and the view is asked for in any case: while Postgres is away nobody is
//! admitted, but everybody sees that the line stands. A grant that is in Redis and not in Postgres is delivered again by
//! every tick until it is confirmed, and shown to nobody before.
//!
//! Bounds: five ticks a second and sale, one while it is not open; in each at most one call per step and store, save for
//! signs of life, which go in chunks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use admission::{AdmissionError, Pace, PaceState, Pause};
use domain::PlaceNumber;
use domain::sale::{SaleState, StoredState};
use tokio::time::MissedTickBehavior;

use super::{Floor, Seen};
use crate::app::App;
use crate::metrics;
use crate::sale::Sale;

/// How often an open sale ticks: a free slot reaches a visitor within a second also when a tick is late.
const TICK: Duration = Duration::from_millis(200);

/// How often any other live sale ticks.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// How often open sockets count as a sign of life; the line forgets after 15 s.
const CONNECTED_EVERY: Duration = Duration::from_secs(3);

/// Ticks a sale until it is not live any more or the gateway stops.
pub(crate) async fn run(app: Arc<App>, floor: Arc<Floor>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connected_at = None;
    let mut ticked_at = None;
    loop {
        tokio::select! {
            () = floor.over.cancelled() => break,
            _ = interval.tick() => {}
            () = floor.wake.notified() => ticked_at = None,
        }
        if !is_open(&app, &floor) && ticked_at.is_some_and(|at: Instant| at.elapsed() < IDLE_TICK) {
            continue;
        }
        ticked_at = Some(Instant::now());
        if connected_at.is_none_or(|at: Instant| at.elapsed() >= CONNECTED_EVERY) {
            connected_at = Some(Instant::now());
            floor.count_connected();
        }
        tick(&app, &floor).await;
    }
    metrics::sale_ended(floor.sale().id());
}

fn is_open(app: &App, floor: &Floor) -> bool {
    let sale = floor.sale();
    let now = floor.now().unwrap_or_else(|| app.clock.now());
    sale.state(now, domain::sale::Stock::Left) == SaleState::Open
}

async fn tick(app: &App, floor: &Floor) {
    let sale = floor.sale();
    let (heard, turns) = (tell_heard(app, floor, &sale).await, give_turns(app, floor, &sale).await);
    for failure in [heard.err(), turns.err()].into_iter().flatten() {
        tracing::debug!(sale = %sale.id(), %failure, "a step of the tick is left to the next one");
    }
    match app.queue.view(sale.id()).await {
        Ok(view) => {
            let seen = floor.show(view);
            metrics::sale_seen(sale.id(), &seen.view, sale.hold_ttl_s());
            match_pause(app, &sale, &seen).await;
        }
        Err(error) => {
            metrics::store_failed("redis");
            tracing::debug!(sale = %sale.id(), %error, "no view");
        }
    }
}

/// Signs of life that Redis did not take are told again.
async fn tell_heard(app: &App, floor: &Floor, sale: &Sale) -> Result<(), StepFailed> {
    let numbers = floor.take_heard();
    if numbers.is_empty() {
        return Ok(());
    }
    let told = app.queue.heard(sale.id(), &numbers).await;
    if told.is_err() {
        floor.presence().heard.extend(numbers);
    }
    Ok(told?)
}

async fn give_turns(app: &App, floor: &Floor, sale: &Sale) -> Result<(), StepFailed> {
    let state = if is_open(app, floor) { PaceState::Admitting } else { PaceState::Paused };
    let pace = sale.pace(state);
    let admission = app.queue.admit(sale.id(), &pace).await?;
    write_grants(app, sale, &pace, &admission.unconfirmed).await
}

async fn write_grants(app: &App, sale: &Sale, pace: &Pace, grants: &[admission::Grant]) -> Result<(), StepFailed> {
    let Some(first) = grants.first() else {
        return Ok(());
    };
    let rows: Vec<_> = grants
        .iter()
        .map(|grant| ledger::queue::Grant { number: grant.number, granted_at: grant.granted_at })
        .collect();
    let bound_s = sale.grant_bound_s();
    let stand = ledger::queue::grants_insert(&app.ledger, sale.id(), first.epoch, &rows, bound_s).await?;
    if stand == 0 {
        return Err(StepFailed::EpochStale);
    }
    let numbers: Vec<PlaceNumber> = grants.iter().map(|grant| grant.number).collect();
    app.queue.confirm(sale.id(), &numbers, pace).await?;
    metrics::turns_given(sale.id(), numbers.len() as u64);
    Ok(())
}

/// Whether clocks in Redis stand still follows what was decided about the sale. Every gateway sees to it on every tick,
/// so a decision made while Redis was away takes effect all the same.
async fn match_pause(app: &App, sale: &Sale, seen: &Seen) {
    let wanted = if sale.stored_state() == StoredState::Paused { Pause::Paused } else { Pause::Running };
    if seen.view.paused != wanted
        && let Err(error) = app.loader.set_paused(sale.id(), wanted).await
    {
        tracing::debug!(sale = %sale.id(), %error, "the pause is left to the next tick");
    }
}

impl Floor {
    fn take_heard(&self) -> Vec<PlaceNumber> {
        std::mem::take(&mut self.presence().heard).into_iter().collect()
    }

    fn count_connected(&self) {
        let mut presence = self.presence();
        let numbers: Vec<_> = presence.connected.keys().copied().collect();
        presence.heard.extend(numbers);
    }
}

/// Why a step was left to the next tick.
#[derive(Debug, thiserror::Error)]
enum StepFailed {
    #[error(transparent)]
    Redis(#[from] AdmissionError),
    #[error(transparent)]
    Postgres(#[from] ledger::LedgerError),
    #[error("Redis is being rebuilt")]
    EpochStale,
}
