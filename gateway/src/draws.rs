//! What this gateway knows of the draws of each sale: who became which number, and what that was made of.
//!
//! ```text
//! Postgres ── draws_of ──► SaleDraws ── number(phase, index) ──► every position of a registered visitor
//!                             └────── leaves(phase), on demand ──► proofs and the fairness file
//! ```
//!
//! A draw is read anew five times a second from its opening until it is drawn, and otherwise only until it is known: it
//! changes nothing before its opening and nothing after. The order of a million registrations is half a second of work
//! and 4 MiB; it is computed once, on a thread of its own kind, before the draw is shown here as drawn.
//!
//! What it guarantees: what is shown is what Postgres has committed, and never goes back. Draws of sales that ended are
//! read when somebody asks and kept for [`KEPT_FOR`], at most [`ENDED_MAX`] of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::fairness::{self, draw_key};
use domain::sale::PhaseNo;
use domain::token::Spot;
use domain::{PlaceNumber, SaleId};
use jiff::Timestamp;
use ledger::draws::{Draw, DrawState, draw_leaves, draws_of};
use ledger::{Ledger, LedgerError};
use tokio::sync::OnceCell;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::floor::Floor;
use crate::metrics;
use crate::problem::Problem;
use crate::sale::Sale;

/// How often an opened draw is read until it is drawn.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long draws of a sale that ended are kept after somebody asked.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Sales that ended and whose draws are kept. A million registrations are 36 MiB with their leaves.
const ENDED_MAX: usize = 16;

/// The leaves of a draw's Merkle tree, by index.
pub(crate) type Leaves = Arc<[[u8; 32]]>;

/// The draws of every sale.
#[derive(Default)]
pub(crate) struct Draws(Mutex<HashMap<SaleId, Kept>>);

struct Kept {
    draws: Arc<SaleDraws>,
    asked_at: Instant,
}

/// The draws of a sale, in the order of its phases.
#[derive(Default)]
pub(crate) struct SaleDraws(Vec<Arc<PhaseDraw>>);

/// A draw and what follows from it.
struct PhaseDraw {
    draw: Draw,
    /// By index, the rank; none until drawn.
    order: Option<Arc<[u32]>>,
    leaves: OnceCell<Leaves>,
}

impl Draws {
    /// The draws of a sale, as far as they are known here.
    pub(crate) fn of(&self, sale: SaleId) -> Arc<SaleDraws> {
        self.known(sale).unwrap_or_default()
    }

    /// The draws of a sale; of one that ended they are read when they are not known.
    ///
    /// # Errors
    /// They are not known and Postgres is away.
    pub(crate) async fn find(&self, app: &App, sale: &Sale) -> Result<Arc<SaleDraws>, Problem> {
        match self.known(sale.id()).filter(|draws| sale.is_live() || draws.are_drawn()) {
            Some(draws) => Ok(draws),
            None => {
                let draws = self.read(app, sale.id()).await?;
                self.retain(|sale| app.floors.get(sale).is_some());
                Ok(draws)
            }
        }
    }

    /// Forgets the draws of sales that are not live and that nobody asks for, and of those that are too many the ones not
    /// asked for the longest.
    pub(crate) fn retain(&self, is_live: impl Fn(SaleId) -> bool) {
        let mut kept = self.kept();
        kept.retain(|sale, kept| is_live(*sale) || kept.asked_at.elapsed() < KEPT_FOR);
        let mut ended: Vec<_> =
            kept.iter().filter(|(sale, _)| !is_live(**sale)).map(|(sale, kept)| (kept.asked_at, *sale)).collect();
        ended.sort_unstable();
        let too_many = ended.len().saturating_sub(ENDED_MAX);
        for (_, sale) in &ended[..too_many] {
            kept.remove(sale);
        }
    }

    /// Reads the draws of a sale.
    async fn read(&self, app: &App, sale: SaleId) -> Result<Arc<SaleDraws>, LedgerError> {
        let draws = draws_of(&app.ledger, sale).await?;
        let known = self.of(sale);
        let mut phases = Vec::with_capacity(draws.len());
        for draw in draws {
            phases.push(match known.phase(draw.phase) {
                Some(same) if same.draw == draw || same.draw.state == DrawState::Drawn => Arc::clone(same),
                _ => Arc::new(PhaseDraw::of(app, draw).await),
            });
        }
        Ok(self.keep(sale, Arc::new(SaleDraws(phases))))
    }

    /// Two that read at once may end in any order: what is further stays.
    fn keep(&self, sale: SaleId, draws: Arc<SaleDraws>) -> Arc<SaleDraws> {
        let mut kept = self.kept();
        let entry = kept.entry(sale).or_insert_with(|| Kept { draws: Arc::clone(&draws), asked_at: Instant::now() });
        if entry.draws.progress() <= draws.progress() {
            entry.draws = draws;
        }
        Arc::clone(&entry.draws)
    }

    fn known(&self, sale: SaleId) -> Option<Arc<SaleDraws>> {
        let mut kept = self.kept();
        let found = kept.get_mut(&sale)?;
        found.asked_at = Instant::now();
        Some(Arc::clone(&found.draws))
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<SaleId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SaleDraws {
    /// The number that a registration was drawn; none before the draw, or when there is no such registration.
    pub(crate) fn number(&self, phase: PhaseNo, index: u32) -> Option<PlaceNumber> {
        let phase = self.phase(phase)?;
        let rank = phase.order.as_ref()?.get(usize::try_from(index).ok()?)?;
        Some(PlaceNumber(phase.draw.first_number + u64::from(*rank)))
    }

    /// The number of a place; none for a registration that is not drawn.
    pub(crate) fn number_of(&self, spot: Spot) -> Option<PlaceNumber> {
        match spot {
            Spot::Number(number) => Some(number),
            Spot::Registration { phase, index } => self.number(phase, index),
        }
    }

    /// By index, the rank that each registration was drawn; none before the draw.
    pub(crate) fn order(&self, phase: PhaseNo) -> Option<Arc<[u32]>> {
        self.phase(phase)?.order.clone()
    }

    /// Every draw, in the order of the phases.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Draw> {
        self.0.iter().map(|phase| &phase.draw)
    }

    /// The leaves of a phase, once it is frozen; empty before, and when it has no draw. Read once.
    ///
    /// # Errors
    /// They are not known here and Postgres is away.
    pub(crate) async fn leaves(&self, ledger: &Ledger, sale: SaleId, phase: PhaseNo) -> Result<Leaves, Problem> {
        let Some(known) = self.phase(phase).filter(|known| known.draw.state != DrawState::Collecting) else {
            return Ok(Leaves::default());
        };
        let read = async || draw_leaves(ledger, sale, phase).await.map(Leaves::from);
        Ok(known.leaves.get_or_try_init(read).await.cloned()?)
    }

    fn phase(&self, no: PhaseNo) -> Option<&Arc<PhaseDraw>> {
        self.0.iter().find(|phase| phase.draw.phase == no)
    }

    /// Whether nothing more will change.
    fn are_drawn(&self) -> bool {
        self.all().all(|draw| draw.state == DrawState::Drawn)
    }

    /// Whether one should be drawn by that time and is not.
    fn is_due(&self, now: Timestamp) -> bool {
        self.all().any(|draw| draw.opens_at <= now && draw.state != DrawState::Drawn)
    }

    /// Whether the first `opened` draws are drawn: whoever took part in them knows the number.
    pub(crate) fn were_held(&self, opened: u32) -> bool {
        let held = (0..opened).zip(self.all()).filter(|(_, draw)| draw.state == DrawState::Drawn).count();
        u32::try_from(held) == Ok(opened)
    }

    /// Grows with every step of every draw.
    pub(crate) fn progress(&self) -> usize {
        let step = |draw: &Draw| match draw.state {
            DrawState::Collecting => 0,
            DrawState::Frozen => 1 + usize::from(draw.root.is_some()),
            DrawState::Drawn => 3,
        };
        self.all().map(step).sum()
    }
}

impl PhaseDraw {
    async fn of(app: &App, draw: Draw) -> Self {
        let order = match (draw.state, &draw.seed, draw.root) {
            (DrawState::Drawn, Some(seed), Some(root)) => {
                let randomness = draw.beacon.as_ref().and_then(|beacon| beacon.randomness);
                let (key, count) = (draw_key(seed, &root, draw.count, randomness.as_ref()), draw.count);
                let order = app.tasks.spawn_blocking(move || fairness::order(&key, count)).await;
                Some(order.expect("the order is computed from any key and any count").into())
            }
            _ => None,
        };
        Self { draw, order, leaves: OnceCell::new() }
    }
}

/// Keeps a live sale's draws known until it ends or nothing more will change.
pub(crate) async fn follow(app: Arc<App>, floor: Arc<Floor>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sale = floor.sale();
    if !sale.has_draws() {
        return;
    }
    let mut known: Option<Arc<SaleDraws>> = None;
    while known.as_ref().is_none_or(|draws| !draws.are_drawn()) {
        tokio::select! {
            () = floor.ended() => return,
            _ = looks.tick() => {}
        }
        let now = floor.now().unwrap_or_else(|| app.clock.now());
        if known.as_ref().is_some_and(|draws| !draws.is_due(now)) {
            continue;
        }
        match app.draws.read(&app, sale.id()).await {
            Ok(draws) => {
                floor.show_draws(&draws);
                known = Some(draws);
            }
            Err(error) => {
                metrics::store_failed("postgres");
                tracing::debug!(sale = %sale.id(), %error, "the draws are read at the next look");
            }
        }
    }
}

#[cfg(test)]
mod tests;
