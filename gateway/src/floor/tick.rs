//! The tick: signs of life to Redis, turns given and written down, a new view for everybody.
//!
//! ```text
//! heard ─► admit ─► tick_record (Postgres) ─► confirm ─► view ─► seats, if any changed hands
//! ```
//!
//! Any number of gateways tick the same sale; there is no leader, because each step is atomic or idempotent. A step that
//! fails is logged and left to the next tick, and the view is asked for in any case: while Postgres is away nobody is
//! admitted, but everybody sees that the line stands, and why. What Redis did and Postgres does not have is delivered again
//! by every tick until it is confirmed; a turn is shown to nobody before.
//!
//! Writing is a task of its own, one at a time, for which the tick waits [`RECORD_WAIT_MAX`]: usually the turns are in the
//! view of this very tick, and a Postgres that does not answer holds up writing, not the view. Writing that took longer is
//! followed by a tick at once.
//!
//! Bounds: five ticks a second and sale, one while it is neither open nor paused; in each at most one call per step and store, save for
//! signs of life, which go in chunks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use admission::{Admission, AdmissionError, Pace, PaceState, Pause};
use domain::sale::{SaleState, StoredState};
use domain::token::Allowance;
use jiff::Timestamp;
use ledger::queue::{Event, EventKind, Grant, Returned, Stop, TickRecord, tick_record};
use tokio::time::MissedTickBehavior;

use super::{Floor, Seen, seats};
use crate::app::App;
use crate::metrics;
use crate::sale::Sale;

/// How often an open sale ticks: a free slot reaches a visitor within a second also when a tick is late.
const TICK: Duration = Duration::from_millis(200);

/// How often any other live sale ticks.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// How often open sockets count as a sign of life; the line forgets after 15 s.
const CONNECTED_EVERY: Duration = Duration::from_secs(3);

/// How long a tick waits for its record before it looks: a Postgres that is well needs a few milliseconds.
const RECORD_WAIT_MAX: Duration = Duration::from_millis(150);

/// Ticks a sale until it is not live any more or the gateway stops.
pub(crate) async fn run(app: Arc<App>, floor: Arc<Floor>) {
    metrics::sale_begins(floor.sale().id());
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
        if is_idle(&floor) && ticked_at.is_some_and(|at: Instant| at.elapsed() < IDLE_TICK) {
            continue;
        }
        ticked_at = Some(Instant::now());
        if connected_at.is_none_or(|at: Instant| at.elapsed() >= CONNECTED_EVERY) {
            connected_at = Some(Instant::now());
            let draws = floor.draws();
            floor.presence().count_connected(&draws, Instant::now());
        }
        tick(&app, &floor).await;
        let sale = floor.sale();
        metrics::sale_stands(&sale, app.state_of(&sale));
    }
    metrics::sale_ended(floor.sale().id());
}

/// Whether a second between ticks is soon enough. Before the first view nobody knows; and that a pause begins, or is over,
/// everybody hears with the tick after the one that told Redis.
fn is_idle(floor: &Floor) -> bool {
    let state = floor.now().map(|now| floor.sale().state(now, domain::sale::Stock::Left));
    state.is_some_and(|state| !matches!(state, SaleState::Open | SaleState::Paused))
}

fn is_open(floor: &Floor, now: Timestamp) -> bool {
    floor.sale().state(now, domain::sale::Stock::Left) == SaleState::Open
}

async fn tick(app: &Arc<App>, floor: &Arc<Floor>) {
    let sale = floor.sale();
    let heard = tell_heard(app, floor, &sale).await;
    let unhurried = tell_unhurried(app, floor, &sale).await;
    let turns = give_turns(app, floor, &sale).await;
    for failure in [heard, unhurried, turns].into_iter().filter_map(Result::err) {
        tracing::debug!(sale = %sale.id(), %failure, "a step of the tick is left to the next one");
    }
    let asked_at = Instant::now();
    let last = floor.last();
    match app.queue.view_after(sale.id(), last.as_ref().map(|last| &last.view)).await {
        Ok(view) => {
            let seats = seats::look(app, floor, &sale, &view).await;
            let seen = floor.show(view, asked_at, seats, app.budget_shoppers());
            metrics::sale_seen(sale.id(), &seen.view, sale.hold_ttl_s(Allowance::Usual));
            match_pause(app, &sale, &seen).await;
        }
        Err(error) => {
            metrics::store_failed("redis");
            tracing::debug!(sale = %sale.id(), %error, "no view");
        }
    }
}

/// Signs of life that Redis did not take are told again.
async fn tell_heard(app: &App, floor: &Floor, sale: &Sale) -> Result<(), AdmissionError> {
    let numbers = floor.presence().take_heard();
    if numbers.is_empty() {
        return Ok(());
    }
    let told = app.queue.heard(sale.id(), &numbers).await;
    if told.is_err() {
        floor.presence().give_back(numbers);
    }
    told
}

/// Who was given more time keeps it when Redis was lost: the place tokens know, and Redis is told once in each epoch.
async fn tell_unhurried(app: &App, floor: &Floor, sale: &Sale) -> Result<(), AdmissionError> {
    let Some(seen) = floor.seen() else {
        return Ok(());
    };
    let numbers = floor.presence().unhurried(&seen.draws, seen.view.epoch);
    if numbers.is_empty() {
        return Ok(());
    }
    app.queue.allow_more_time(sale.id(), &numbers).await?;
    floor.presence().told_unhurried(&seen.draws, seen.view.epoch, &numbers);
    Ok(())
}

async fn give_turns(app: &Arc<App>, floor: &Arc<Floor>, sale: &Arc<Sale>) -> Result<(), AdmissionError> {
    // The first view comes before the first turn: until Redis says what time it is, nothing is open.
    let Some(now) = floor.now() else { return Ok(()) };
    // Nobody can say that a cohort is here before its draw: until then it would be passed over. Redis counts the time in
    // which every gateway says so from the first tick that admits.
    let may_admit = is_open(floor, now) && floor.draws().were_held(sale.opened_draws(now));
    let state = if may_admit { PaceState::Admitting } else { PaceState::Paused };
    let pace = sale.pace(state, now, app.budget_shoppers());
    let queue = app.queue.after(floor.mark()).within(sale.allowed(now).cloned().unwrap_or_default());
    let admission = queue.admit(sale.id(), &pace, &app.pulse.read(Instant::now())).await?;
    metrics::admission_ticked(sale.id());
    let record = record_of(&admission, now);
    metrics::log_is_behind(sale.id(), age_of(&record, now));
    if record.is_empty() {
        return Ok(());
    }
    if let Ok(alone) = Arc::clone(&floor.recording).try_lock_owned() {
        let (writer, sale) = (Arc::clone(app), Arc::clone(sale));
        let mut writing = app.tasks.spawn(async move {
            write_down(&writer, &sale, &pace, &admission, &record).await;
            drop(alone);
        });
        if tokio::time::timeout(RECORD_WAIT_MAX, &mut writing).await.is_err() {
            let floor = Arc::clone(floor);
            app.tasks.spawn(async move {
                let _ = writing.await;
                floor.wake.notify_one();
            });
        }
    }
    Ok(())
}

/// What of a tick goes to Postgres. Its lines are known again by their times, so a tick that is delivered twice must have
/// the same: those of Redis, and `now` only where nothing has one.
fn record_of(admission: &Admission, now: Timestamp) -> TickRecord {
    let grant = |grant: &admission::Grant| Grant { number: grant.number, granted_at: grant.granted_at };
    let event = |event: &admission::QueueEvent| {
        let kind = match event.kind {
            admission::EventKind::Lapsed => EventKind::Lapsed,
            admission::EventKind::Left => EventKind::Left,
            admission::EventKind::Ended => EventKind::Ended,
            admission::EventKind::Bypassed => EventKind::Bypassed,
        };
        Event { kind, number: event.number, at: event.at }
    };
    let stop = |stop: &admission::Stop| Stop { why: stop.why.map(admission::Standstill::word), at: stop.at };
    let returned = admission
        .returned
        .map(|returned| Returned { count: u32::try_from(returned.count).unwrap_or(u32::MAX), lowest: returned.lowest });
    TickRecord {
        at: admission.returned.map_or(now, |returned| returned.at),
        granted: admission.unconfirmed.iter().map(grant).collect(),
        events: admission.events.iter().map(event).collect(),
        returned,
        stops: admission.stops.iter().map(stop).collect(),
    }
}

/// How long the oldest line has waited to be written.
fn age_of(record: &TickRecord, now: Timestamp) -> Duration {
    let granted = record.granted.iter().map(|grant| grant.granted_at);
    let happened = record.events.iter().map(|event| event.at).chain(record.stops.iter().map(|stop| stop.at));
    let oldest = granted.chain(happened).chain(record.returned.map(|_| record.at)).min();
    oldest.and_then(|oldest| Duration::try_from(now.duration_since(oldest)).ok()).unwrap_or_default()
}

async fn write_down(app: &App, sale: &Sale, pace: &Pace, admission: &Admission, record: &TickRecord) {
    match record_and_confirm(app, sale, pace, admission, record).await {
        Ok(began) => {
            metrics::turns_given(sale.id(), began);
            metrics::tick_logged(sale.id(), record);
        }
        Err(failure) => {
            tracing::debug!(sale = %sale.id(), %failure, "what the tick did is written down by a later one");
        }
    }
}

async fn record_and_confirm(
    app: &App,
    sale: &Sale,
    pace: &Pace,
    admission: &Admission,
    record: &TickRecord,
) -> Result<u64, StepFailed> {
    let factor = admission.unconfirmed.iter().map(|grant| grant.allowance.factor()).max().unwrap_or(1);
    let bound_s = sale.grant_bound_s().saturating_mul(factor);
    let written = tick_record(&app.ledger, sale.id(), admission.epoch, record, bound_s).await?;
    app.pulse.postgres_answered(Instant::now());
    if written == 0 {
        return Err(StepFailed::EpochStale);
    }
    Ok(app.queue.confirm(sale.id(), admission, pace).await?)
}

/// Whether clocks in Redis stand still follows what was decided about the sale. Every gateway sees to it on every tick,
/// so a decision made while Redis was away takes effect all the same. The version of the sale goes with it: of gateways
/// that know the sale from different moments, the one that knows the latest decision wins.
async fn match_pause(app: &App, sale: &Sale, seen: &Seen) {
    let wanted = if sale.stored_state() == StoredState::Paused { Pause::Paused } else { Pause::Running };
    if seen.view.paused != wanted
        && let Err(error) = app.loader.set_paused(sale.id(), wanted, sale.version()).await
    {
        tracing::debug!(sale = %sale.id(), %error, "the pause is left to the next tick");
    }
}

/// Why a record was left to a later tick.
#[derive(Debug, thiserror::Error)]
enum StepFailed {
    #[error(transparent)]
    Redis(#[from] AdmissionError),
    #[error(transparent)]
    Postgres(#[from] ledger::LedgerError),
    #[error("Redis is being rebuilt")]
    EpochStale,
}
