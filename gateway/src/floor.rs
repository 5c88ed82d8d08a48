//! The floor of a live sale: what this gateway knows of it from tick to tick.
//!
//! One task for each live sale ([`tick`]) asks Redis for a [`View`] five times a second and puts it here; every visitor of
//! the sale is answered from it. The other way, signs of life are collected here and go to Redis once a tick.
//!
//! Guarantee: what is shown is at most [`STALE_MAX`] old; older, or without any view, the answer is that the store is
//! away. Bounds: one view, and one number for each visitor of this gateway.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use admission::View;
use domain::PlaceNumber;
use domain::sale::SaleState;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::availability::{self, TierAvailability};
use crate::problem::{Code, Problem};
use crate::sale::Sale;

pub(crate) mod tick;

/// How old a view may be: ten ticks. The contract allows two seconds of doubt, not more.
const STALE_MAX: Duration = Duration::from_secs(2);

/// How long a request waits for the first view of a sale that was just published: workers need up to 1 s to hear of the
/// sale, 1 s more to load it, and the view is a tick later; then as much again for a busy machine.
const FIRST_VIEW_WAIT: Duration = Duration::from_secs(4);

/// How long the rate of admission is measured over.
const RATE_WINDOW: Duration = Duration::from_secs(60);

/// From when on a measurement counts; before, the configured rate is the better guess.
const RATE_MEASURED_FROM: Duration = Duration::from_secs(5);

/// A live sale.
pub(crate) struct Floor {
    sale: RwLock<Arc<Sale>>,
    seen: watch::Sender<Option<Arc<Seen>>>,
    presence: Mutex<Presence>,
    samples: Mutex<VecDeque<(Instant, u64)>>,
    wake: Notify,
    over: CancellationToken,
    /// Held while numbers are being reserved in Postgres: one block serves everybody who waits for it.
    pub(crate) reserving: tokio::sync::Mutex<()>,
}

/// A sale at one moment, as visitors are told of it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The moment in Redis.
    pub(crate) view: View,
    /// Where the sale is.
    pub(crate) sale_state: SaleState,
    /// What is left.
    pub(crate) availability: Vec<TierAvailability>,
    /// Turns per 1,000 seconds; none while nothing can be said.
    pub(crate) rate_milli_per_s: Option<u64>,
    /// When this process got it.
    at: Instant,
}

/// Who was heard of.
#[derive(Default)]
struct Presence {
    /// Since the last tick.
    heard: HashSet<PlaceNumber>,
    /// By open sockets, with how many of them.
    connected: HashMap<PlaceNumber, u32>,
}

/// An open socket of a visitor: a sign of life for as long as it lives.
pub(crate) struct Connected {
    floor: Arc<Floor>,
    number: PlaceNumber,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut presence = self.floor.presence();
        if let Some(sockets) = presence.connected.get_mut(&self.number) {
            *sockets -= 1;
            if *sockets == 0 {
                presence.connected.remove(&self.number);
            }
        }
    }
}

impl Floor {
    pub(crate) fn new(sale: Arc<Sale>, over: CancellationToken) -> Self {
        Self {
            sale: RwLock::new(sale),
            seen: watch::Sender::new(None),
            presence: Mutex::default(),
            samples: Mutex::default(),
            wake: Notify::new(),
            over,
            reserving: tokio::sync::Mutex::default(),
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

    /// Notes a sign of life.
    pub(crate) fn heard(&self, number: PlaceNumber) {
        self.presence().heard.insert(number);
    }

    /// Notes a socket, until the value is dropped.
    pub(crate) fn connected(self: &Arc<Self>, number: PlaceNumber) -> Connected {
        let mut presence = self.presence();
        presence.heard.insert(number);
        *presence.connected.entry(number).or_default() += 1;
        drop(presence);
        Connected { floor: Arc::clone(self), number }
    }

    /// Shows a new view to everybody.
    fn show(&self, view: View) -> Arc<Seen> {
        let sale = self.sale();
        let seen = Arc::new(Seen {
            sale_state: sale.state(view.now, availability::stock(&view.stock)),
            availability: availability::of_tiers(sale.config(), &view.stock),
            rate_milli_per_s: self.rate_milli_per_s(&view, &sale),
            at: Instant::now(),
            view,
        });
        self.seen.send_replace(Some(Arc::clone(&seen)));
        seen
    }

    /// The time by Redis, reckoned on from the last view.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let seen = self.seen.borrow().clone()?;
        SignedDuration::try_from(seen.at.elapsed()).ok().and_then(|since| seen.view.now.checked_add(since).ok())
    }

    /// Turns per 1,000 seconds over the last minute, counted while people waited: an empty line says nothing about how
    /// fast a full one moves.
    fn rate_milli_per_s(&self, view: &View, sale: &Sale) -> Option<u64> {
        let now = Instant::now();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if view.waiting() == 0 {
            samples.clear();
        }
        samples.push_back((now, view.admitted_total));
        while samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW) {
            samples.pop_front();
        }
        let (since, before) = *samples.front()?;
        let span = now.duration_since(since);
        if span < RATE_MEASURED_FROM {
            return Some(u64::from(sale.config().admission.rate_per_s) * 1_000);
        }
        let admitted = view.admitted_total.saturating_sub(before);
        u64::try_from(u128::from(admitted) * 1_000_000 / span.as_millis()).ok()
    }

    fn presence(&self) -> std::sync::MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
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
