//! The floor of a live sale: what this gateway knows of it from tick to tick.
//!
//! One task for each live sale ([`tick`]) asks Redis for a [`View`] five times a second and puts it here; every visitor of
//! the sale is answered from it. The other way, signs of life are collected here ([`presence`]) and go to Redis once a
//! tick. Beside the tick, [`crate::draws`] keeps the sale's draws known, and [`crate::joins`] takes its joins.
//!
//! Guarantee: what is shown is at most [`STALE_MAX`] old; older, or without any view, the answer is that the store is
//! away. Bounds: one view, and an entry for each visitor of this gateway.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use admission::{Mark, View};
use domain::PlaceNumber;
use domain::sale::SaleState;
use domain::token::{PlaceToken, Spot};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::draws::SaleDraws;
use crate::endpoints::challenge::Pressure;
use crate::entries::Entries;
use crate::eta::{Estimator, Motion, Sample};
use crate::joins::Joins;
use crate::problem::{Code, Problem};
use crate::sale::Sale;
use crate::socket::Audience;
use crate::takes::Takes;

mod presence;
mod seats;
mod seen;
pub(crate) mod tick;

use presence::Presence;
pub(crate) use presence::TooMany;
use seats::SeatsSeen;
pub(crate) use seen::{Away, NoticeBody, PauseBody, Seen};

/// How old a view may be: ten ticks. The contract allows two seconds of doubt, not more.
const STALE_MAX: Duration = Duration::from_secs(2);

/// How long a request waits for the first view of a sale that was just published: workers need up to 1 s to hear of the
/// sale, 1 s more to load it, and the view is a tick later; then as much again for a busy machine.
const FIRST_VIEW_WAIT: Duration = Duration::from_secs(4);

/// How long a join waits for a view that knows its number, when the last one is of before a draw or a rebuild: a few ticks.
const NUMBER_WAIT: Duration = Duration::from_secs(1);

/// How far behind a new number a view may be: what a tick's worth of joins can be. Further, something else happened.
const NUMBERS_PER_TICK_MAX: u64 = 10_000;

/// A live sale.
pub(crate) struct Floor {
    sale: RwLock<Arc<Sale>>,
    seen: watch::Sender<Option<Arc<Seen>>>,
    tick_bell: watch::Sender<()>,
    call_bell: watch::Sender<()>,
    parting: AtomicBool,
    /// Who watches.
    pub(crate) audience: Audience,
    /// The entries of the waitlist whose pages are open.
    pub(crate) entries: Entries,
    draws: RwLock<Arc<SaleDraws>>,
    presence: Mutex<Presence>,
    estimator: Mutex<Estimator>,
    mark: Mutex<Mark>,
    wake: Notify,
    over: CancellationToken,
    /// Held while a tick is written to Postgres, which may take longer than the tick.
    recording: Arc<tokio::sync::Mutex<()>>,
    /// Where joins ask.
    pub(crate) joins: Joins,
    /// Where buyers ask for units.
    pub(crate) takes: Takes,
    /// How hard it is being asked for places.
    pub(crate) pressure: Pressure,
}

/// What a place token stands for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A registration that is not drawn yet.
    Prequeue(Spot),
    /// A number, given or drawn.
    Numbered(PlaceNumber),
}

/// An open socket of a visitor: a sign of life for as long as it lives.
pub(crate) struct Connected {
    floor: Arc<Floor>,
    spot: Spot,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.floor.presence().disconnect(self.spot);
    }
}

impl Floor {
    pub(crate) fn new(sale: Arc<Sale>, joins: Joins, takes: Takes, over: CancellationToken) -> Self {
        let estimator = Estimator::new(sale.config().admission.rate_per_s);
        Self {
            sale: RwLock::new(sale),
            seen: watch::Sender::new(None),
            tick_bell: watch::Sender::default(),
            call_bell: watch::Sender::default(),
            parting: AtomicBool::new(false),
            audience: Audience::default(),
            entries: Entries::default(),
            draws: RwLock::default(),
            presence: Mutex::default(),
            estimator: Mutex::new(estimator),
            mark: Mutex::default(),
            wake: Notify::new(),
            over,
            recording: Arc::default(),
            joins,
            takes,
            pressure: Pressure::default(),
        }
    }

    /// The sale as it was last read.
    pub(crate) fn sale(&self) -> Arc<Sale> {
        Arc::clone(&self.sale.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a newer reading of the sale, and ticks at once if it is one.
    pub(crate) fn set_sale(&self, sale: &Arc<Sale>) {
        let mut current = self.sale.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, sale) {
            *current = Arc::clone(sale);
            self.estimator().set_rate(sale.config().admission.rate_per_s);
            self.wake.notify_one();
        }
    }

    /// Ends its ticking: the sale is not live any more.
    pub(crate) fn end(&self) {
        self.over.cancel();
    }

    /// Whether the sale is not live any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Comes back when the sale is not live any more.
    pub(crate) async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// The sale as it was seen last, if that is not too long ago.
    pub(crate) fn seen(&self) -> Option<Arc<Seen>> {
        self.seen.borrow().clone().filter(|seen| seen.at.elapsed() < STALE_MAX)
    }

    /// The sale as it was seen last; waits for a first time, which comes within a tick or two of publishing.
    ///
    /// # Errors
    /// Redis is away, or has not been loaded with the sale.
    pub(crate) async fn seen_soon(&self) -> Result<Arc<Seen>, Problem> {
        if let Some(seen) = self.seen() {
            return Ok(seen);
        }
        let never = self.seen.borrow().is_none();
        if never {
            let mut views = self.seen.subscribe();
            let _ = tokio::time::timeout(FIRST_VIEW_WAIT, views.wait_for(Option::is_some)).await;
        }
        self.seen().ok_or_else(|| Code::StoreUnavailable.into())
    }

    /// The sale as somebody sees it who was just given, or has, that number in that epoch. A view of before a draw or a
    /// rebuild says nothing about the people before it, so the next one is waited for. The number is given already: when no
    /// newer view comes, the last one has to do, however old it is.
    ///
    /// # Errors
    /// There never was a view.
    pub(crate) async fn seen_by(&self, number: PlaceNumber, epoch: u32) -> Result<Arc<Seen>, Problem> {
        let knows = |seen: &Seen| {
            seen.view.epoch > epoch
                || (seen.view.epoch == epoch && number.0 < seen.view.next_number + NUMBERS_PER_TICK_MAX)
        };
        let mut views = self.seen.subscribe();
        let knowing = views.wait_for(|seen| seen.as_deref().is_some_and(knows));
        let _ = tokio::time::timeout(NUMBER_WAIT, knowing).await;
        self.last().ok_or_else(|| Code::StoreUnavailable.into())
    }

    /// What a place token stands for.
    pub(crate) fn place_of(&self, place: &PlaceToken) -> Place {
        self.draws().number_of(place.spot).map_or(Place::Prequeue(place.spot), Place::Numbered)
    }

    /// Notes a sign of life.
    pub(crate) fn heard(&self, place: &PlaceToken) {
        let draws = self.draws();
        self.presence().hear(place, &draws, Instant::now());
    }

    /// Notes a socket, until the value is dropped.
    ///
    /// # Errors
    /// The place has too many already.
    pub(crate) fn connected(self: &Arc<Self>, place: &PlaceToken) -> Result<Connected, TooMany> {
        let draws = self.draws();
        self.presence().connect(place, &draws, Instant::now())?;
        Ok(Connected { floor: Arc::clone(self), spot: place.spot })
    }

    /// Takes back what polls of a registration said: it was given up.
    pub(crate) fn forget(&self, spot: Spot) {
        self.presence().forget(spot);
    }

    /// The draws as they were last read.
    pub(crate) fn draws(&self) -> Arc<SaleDraws> {
        Arc::clone(&self.draws.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a newer reading of the draws. Whoever is here and was drawn is told to Redis, and shown, at once.
    pub(crate) fn show_draws(&self, draws: &Arc<SaleDraws>) {
        *self.draws.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(draws);
        self.presence().seat(draws, Instant::now());
        self.wake.notify_one();
    }

    /// The latest that is known here of what Redis handed out.
    pub(crate) fn mark(&self) -> Mark {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redis had come so far.
    pub(crate) fn note(&self, mark: Mark) {
        let mut latest = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = latest.max(mark);
    }

    /// Shows a new view to everybody.
    fn show(&self, view: View, asked_at: Instant, seats: Option<SeatsSeen>, budget_shoppers: u32) -> Arc<Seen> {
        self.note(Mark::of(&view));
        let sale = self.sale();
        let forecast = {
            let mut estimator = self.estimator();
            estimator.sample(sample(&view, &sale, budget_shoppers));
            estimator.forecast()
        };
        let last = self.last();
        let seen = Arc::new(Seen::new(view, asked_at, seats, self.draws(), &sale, forecast, last.as_deref()));
        self.seen.send_replace(Some(Arc::clone(&seen)));
        self.tick_bell.send_replace(());
        if last.is_none_or(|last| seen.is_loud_after(&last)) {
            self.call_bell.send_replace(());
        }
        seen
    }

    /// The sale as it was seen last, however long ago: what is read next follows it.
    fn last(&self) -> Option<Arc<Seen>> {
        self.seen.borrow().clone()
    }

    /// Rings when there is a new view.
    pub(crate) fn ticks(&self) -> watch::Receiver<()> {
        self.tick_bell.subscribe()
    }

    /// Rings when there is something that everybody should look at at once.
    pub(crate) fn calls(&self) -> watch::Receiver<()> {
        self.call_bell.subscribe()
    }

    /// Tells everybody who watches to part: the gateway stops.
    fn part(&self) {
        self.parting.store(true, Ordering::Release);
        self.tick_bell.send_replace(());
        self.call_bell.send_replace(());
    }

    /// Whether everybody who watches is to part. Whoever hears a bell asks, so it is no more than a load.
    pub(crate) fn is_parting(&self) -> bool {
        self.parting.load(Ordering::Acquire)
    }

    /// Shows the sale as it was seen last, if that is not too long ago, without a claim on it: ten thousand who look at
    /// once do not count references.
    pub(crate) fn glimpse<R>(&self, look: impl FnOnce(Option<&Seen>) -> R) -> R {
        let seen = self.seen.borrow();
        look(seen.as_deref().filter(|seen| seen.at.elapsed() < STALE_MAX))
    }

    /// The time by Redis, reckoned on from the last view.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let seen = self.seen.borrow().clone()?;
        SignedDuration::try_from(seen.at.elapsed()).ok().and_then(|since| seen.view.now.checked_add(since).ok())
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn estimator(&self) -> MutexGuard<'_, Estimator> {
        self.estimator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the estimator learns from a view.
fn sample(view: &View, sale: &Sale, budget_shoppers: u32) -> Sample {
    let stands = view.standstill.is_some() || sale.state(view.now, domain::sale::Stock::Left) != SaleState::Open;
    let cap = sale.config().admission.max_shoppers.min(budget_shoppers);
    Sample {
        now: view.now,
        admitted_total: view.admitted_total,
        waiting: view.waiting(),
        room: cap.saturating_sub(view.shoppers()).into(),
        motion: if stands { Motion::Standing } else { Motion::Moving },
    }
}

/// Every floor of this gateway.
#[derive(Default)]
pub(crate) struct Floors(Mutex<HashMap<domain::SaleId, Arc<Floor>>>);

impl Floors {
    /// The floor of a sale, made by `open` when it has none yet.
    pub(crate) fn of(&self, sale: &Arc<Sale>, open: impl FnOnce() -> Arc<Floor>) -> Arc<Floor> {
        let mut floors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(floors.entry(sale.id()).or_insert_with(open))
    }

    /// The floor of a sale, if it has one.
    pub(crate) fn get(&self, sale: domain::SaleId) -> Option<Arc<Floor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&sale).cloned()
    }

    /// Tells everybody who watches, on every floor, to part.
    pub(crate) fn part(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|floor| floor.part());
    }

    /// The floors of sales for which `is_live` says no.
    pub(crate) fn ending(&self, is_live: impl Fn(domain::SaleId) -> bool) -> Vec<Arc<Floor>> {
        let floors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        floors.iter().filter(|(sale, _)| !is_live(**sale)).map(|(_, floor)| Arc::clone(floor)).collect()
    }

    /// Ends the floors of sales for which `is_live` says no.
    pub(crate) fn retain(&self, is_live: impl Fn(domain::SaleId) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|sale, floor| {
            let live = is_live(*sale);
            if !live {
                floor.end();
            }
            live
        });
    }
}
