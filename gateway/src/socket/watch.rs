//! What one visitor is told, and when: the same by WebSocket and as a stream of events.
//!
//! A watch looks at the floor and compares what its visitor would see with what the visitor was told last; the first frame
//! is everything, and so is the first one after the store was away; later ones are what changed. It looks at every tick near the front, every few seconds far back, and at
//! once when something is news to everybody (a [call](Floor::calls): the sale changed its state, a pause, a notice, a draw,
//! a gateway that stops). Nothing is signed or written that is not sent. Who makes it look is the
//! [audience](super::audience).
//!
//! People ahead never become more without a reason in the admission log: the views of a floor come in the order of time; in
//! each a place counts its own smaller numbers that are in line and live; and such a number appears there only by coming
//! back after silence (`returned`), by a turn that lapsed (`lapsed`), or by a rebuild (a new epoch). The cohort of a draw
//! counts in full from the freeze until it was greeted, so a draw does not push back who joined meanwhile. Joins get larger
//! numbers. A number that is younger than the view counts everybody before it, so that it only falls.
//!
//! Bounds: [`FRAMES_OF_A_LOOK`] frames at most, a position of a few hundred bytes kept for comparison.

use std::sync::Arc;
use std::time::Duration;

use domain::SaleId;
use domain::sale::{SaleState, StoredState};
use domain::token::{EntryToken, PlaceToken};
use domain::trace::TraceId;
use tokio::time::Instant;
use uuid::Uuid;

use super::audience::Next;
use super::message::{FrameText, News};
use crate::app::App;
use crate::endpoints::queue;
use crate::floor::{Connected, Floor, TooMany};
use crate::position::{PlaceState, Position};
use crate::problem::{Code, Problem};

mod entry;
mod news;
mod seats;

use entry::EntryTold;
use news::news;
use seats::SeatsTold;

/// Up to so many people ahead, every tick counts.
const NEAR_MAX: u64 = 500;
/// Up to so many, every second does.
const MIDDLE_MAX: u64 = 5_000;
const LOOK_MIDDLE: Duration = Duration::from_secs(1);
const LOOK_FAR: Duration = Duration::from_secs(3);
/// How often a place looks that is over, in case it comes back to life.
const LOOK_OVER: Duration = Duration::from_secs(5);
/// How often one looks when the store is away.
const LOOK_BLIND: Duration = Duration::from_secs(1);
/// Looks are spread over the last quarter of their time, so that those who were called together do not look together
/// ever after.
const SPREAD_PARTS: u32 = 4;

/// Who is told to reconnect does so within this long, at random.
const RECONNECT_SPREAD: Duration = Duration::from_secs(5);

/// A position and a turn, or a sale and what is left of it; and the seats.
pub(super) const FRAMES_OF_A_LOOK: usize = 3;

/// What a look brings.
pub(super) enum Look {
    /// What to tell, most often nothing.
    On(Vec<FrameText>),
    /// What to tell last, and why it is.
    Over(Vec<FrameText>, Last),
}

/// Why nothing more is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// The sale is over.
    SaleOver,
    /// The entry is over, or an order.
    EntryOver,
    /// There is no such entry.
    EntryMissing,
}

/// A visitor who watches.
pub(super) struct Watch {
    app: Arc<App>,
    floor: Arc<Floor>,
    /// Of the request that it began with: its problems name it.
    trace: TraceId,
    /// Whose position is told.
    seat: Option<Seated>,
    /// The entry that is told, instead of a position.
    entry: Option<EntryTold>,
    /// What was told last, without its pass.
    told: Option<Position>,
    seats: SeatsTold,
    sight: Sight,
    seq: u64,
    next: Next,
    /// In which part of the spread this one looks.
    spread: u16,
    parting: Parting,
}

struct Seated {
    place: PlaceToken,
    _connected: Connected,
}

/// Whether the sale can be seen, as far as the client knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Clear,
    Blind,
}

/// Whether it was noticed that the gateway stops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    Unnoticed,
    Noticed,
}

impl Watch {
    /// Nobody's yet.
    pub(super) fn new(app: Arc<App>, floor: Arc<Floor>, trace: TraceId) -> Self {
        Self {
            app,
            floor,
            trace,
            seat: None,
            entry: None,
            told: None,
            seats: SeatsTold::default(),
            sight: Sight::Clear,
            seq: 0,
            next: Next::Tick,
            spread: random(),
            parting: Parting::Unnoticed,
        }
    }

    /// Takes on a place: its position is told in full. Being shown the same one again changes nothing.
    ///
    /// # Errors
    /// The place has too many connections.
    pub(super) fn sit(&mut self, place: PlaceToken) -> Result<(), Problem> {
        if self.seat.as_ref().is_some_and(|seat| seat.place.spot == place.spot) {
            return Ok(());
        }
        let crowded = |TooMany| Problem::new(Code::RateLimited).detail("this place has too many connections open");
        let connected = self.floor.connected(&place).map_err(crowded)?;
        self.seat = Some(Seated { place, _connected: connected });
        self.entry = None;
        self.told = None;
        self.seats = SeatsTold::default();
        Ok(())
    }

    /// Takes on an entry of the waitlist in place of whatever else it was: it is told in full.
    ///
    /// # Errors
    /// The entry has too many connections.
    pub(super) fn sit_by_entry(&mut self, proof: &EntryToken) -> Result<(), Problem> {
        if self.entry.as_ref().is_some_and(|entry| entry.is_of(proof)) {
            return Ok(());
        }
        let crowded = |TooMany| Problem::new(Code::RateLimited).detail("this entry has too many connections open");
        self.entry = Some(EntryTold::begin(&self.app, &self.floor, proof).map_err(crowded)?);
        self.seat = None;
        self.told = None;
        Ok(())
    }

    /// The sale it watches.
    pub(super) fn sale(&self) -> SaleId {
        self.floor.sale().id()
    }

    /// Whether it is somebody's.
    pub(super) const fn is_seated(&self) -> bool {
        self.seat.is_some() || self.entry.is_some()
    }

    /// When to part, once the gateway stops: one after the other.
    pub(super) fn parts_at(&self) -> Option<Instant> {
        let spread = self.app.config.drain.sockets_spread;
        self.floor.is_parting().then(|| Instant::now() + part_of(spread))
    }

    /// Whether the gateway stops, said once.
    pub(super) fn notices_parting(&mut self) -> bool {
        self.floor.is_parting() && std::mem::replace(&mut self.parting, Parting::Noticed) == Parting::Unnoticed
    }

    /// When to look again.
    pub(super) const fn next(&self) -> Next {
        self.next
    }

    /// Looks, and says what is new.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        if !self.is_seated() {
            self.next = Next::At(now + LOOK_BLIND);
            return Look::On(Vec::new());
        }
        if self.floor.is_over() {
            return Look::Over(vec![self.last_of_sale()], Last::SaleOver);
        }
        let Some(place) = self.seat.as_ref().map(|seat| seat.place) else {
            return self.look_at_entry(now);
        };
        let Some(position) = queue::glance(&self.app, &self.floor, &place) else {
            return Look::On(self.look_blindly(now));
        };
        if std::mem::replace(&mut self.sight, Sight::Clear) == Sight::Blind {
            self.told = None;
        }
        self.next = rhythm(&position).next(now, self.spread);
        let pass = || {
            let number = position.number.expect("only a number has its turn");
            queue::pass(&self.app, &self.floor.sale(), number, &place)
        };
        let news = news(self.told.as_ref(), &position, pass);
        let seats = self.seats_news(position.state, now);
        let frames = news.iter().flatten().chain(&seats).map(|news| self.frame(news)).collect();
        self.told = Some(position);
        Look::On(frames)
    }

    /// An entry that is over, or an order, is told of for the last time.
    fn look_at_entry(&mut self, now: Instant) -> Look {
        self.next = Next::Tick;
        let Some(entry) = &mut self.entry else { return Look::On(Vec::new()) };
        let told = entry.look(&self.floor, now, self.trace);
        let frames = told.news.iter().flatten().map(|news| self.frame(news)).collect();
        match told.last {
            Some(last) => Look::Over(frames, last),
            None => Look::On(frames),
        }
    }

    /// How the sale ended.
    fn last_of_sale(&mut self) -> FrameText {
        let notice = self.told.as_ref().and_then(|told| told.notice.clone());
        self.frame(&News::Sale { state: ending(&self.floor), pause: None, notice })
    }

    /// Who is outside chooses no seats, and is told of all of them on the way in.
    fn seats_news(&mut self, state: PlaceState, now: Instant) -> Option<News> {
        if state != PlaceState::Admitted {
            self.seats = SeatsTold::default();
            return None;
        }
        let told = &mut self.seats;
        self.floor.glimpse(|seen| told.news(seen?.seats()?, now)).map(News::Seats)
    }

    /// The store is away, which is told once.
    fn look_blindly(&mut self, now: Instant) -> Vec<FrameText> {
        self.next = Next::At(now + LOOK_BLIND);
        match std::mem::replace(&mut self.sight, Sight::Blind) {
            Sight::Clear => vec![self.refusal(&Problem::new(Code::StoreUnavailable))],
            Sight::Blind => Vec::new(),
        }
    }

    /// What is said is refused.
    pub(super) fn refusal(&mut self, problem: &Problem) -> FrameText {
        self.frame(&News::error(problem, self.trace))
    }

    /// The gateway stops: open another connection, after that time.
    pub(super) fn parting(&mut self) -> (FrameText, Duration) {
        let after = part_of(RECONNECT_SPREAD);
        let after_ms = u64::try_from(after.as_millis()).expect("a few seconds fit");
        (self.frame(&News::Reconnect { after_ms }), after)
    }

    fn frame(&mut self, news: &News) -> FrameText {
        self.seq += 1;
        // By the clock that moments in a position are by, as long as anybody knows it.
        let now = self.floor.now().unwrap_or_else(|| self.app.clock.now());
        FrameText::new(news, self.seq, now)
    }
}

impl Last {
    /// As the reason of a close.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::SaleOver => "the sale is over",
            Self::EntryOver => "the entry is over",
            Self::EntryMissing => "there is no such entry",
        }
    }
}

/// As what a sale ended that is not live any more.
fn ending(floor: &Floor) -> SaleState {
    match floor.sale().stored_state() {
        StoredState::Cancelled => SaleState::Cancelled,
        StoredState::Draft | StoredState::Published | StoredState::Paused | StoredState::Closed => SaleState::Closed,
    }
}

/// How often somebody looks who has nothing else to go by than a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    Tick,
    Every(Duration),
}

/// How somebody looks who stands there: a turn must be seen at once, a hundredth of the way back need not.
const fn rhythm(position: &Position) -> Rhythm {
    match (position.state, position.ahead) {
        (PlaceState::Admitted, _) | (PlaceState::Waiting, None | Some(..NEAR_MAX)) => Rhythm::Tick,
        (PlaceState::Waiting, Some(NEAR_MAX..MIDDLE_MAX)) => Rhythm::Every(LOOK_MIDDLE),
        (PlaceState::Waiting, Some(MIDDLE_MAX..)) | (PlaceState::Prequeue, _) => Rhythm::Every(LOOK_FAR),
        (PlaceState::Left | PlaceState::Expired, _) => Rhythm::Every(LOOK_OVER),
    }
}

impl Rhythm {
    fn next(self, now: Instant, spread: u16) -> Next {
        match self {
            Self::Tick => Next::Tick,
            Self::Every(within) => {
                Next::At(now + within - within / SPREAD_PARTS * u32::from(spread) / u32::from(u16::MAX))
            }
        }
    }
}

/// A random part of a duration.
pub(super) fn part_of(whole: Duration) -> Duration {
    whole * u32::from(random()) / u32::from(u16::MAX)
}

fn random() -> u16 {
    let [a, b, ..] = Uuid::new_v4().into_bytes();
    u16::from_be_bytes([a, b])
}

#[cfg(test)]
mod tests;
