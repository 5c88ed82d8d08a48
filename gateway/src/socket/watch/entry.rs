//! What the holder of an entry of the waitlist is told: the entry, whole, whenever anything of it changed.
//!
//! A position alone is told no more often than a page would ask for it. What the sale does is told beside it, as to everybody.

use std::sync::Arc;
use std::time::Duration;

use domain::sale::SaleState;
use domain::token::{EntryProof, EntryToken};
use domain::trace::TraceId;
use ledger::waitlist::{EntryRow, EntryState};
use tokio::time::Instant;

use super::Last;
use crate::app::App;
use crate::endpoints::waitlist;
use crate::entries::{Shown, Watching};
use crate::floor::{Floor, NoticeBody, PauseBody, Seen, TooMany};
use crate::problem::{Code, Problem};
use crate::socket::message::News;
use crate::written::Written;

/// However far back, a new position is told within this long.
const POSITION_MAX: Duration = Duration::from_secs(60);

/// An entry, and what was told of it.
pub(super) struct EntryTold {
    watching: Watching,
    proof: EntryProof,
    told: Option<(Arc<EntryRow>, Instant)>,
    sale: Option<SaleTold>,
    is_away: bool,
}

/// What was told of the sale.
#[derive(PartialEq, Eq, Clone)]
struct SaleTold {
    state: SaleState,
    pause: Option<PauseBody>,
    notice: Option<Written<NoticeBody>>,
}

/// What a look brings.
pub(super) struct EntryNews {
    /// What to tell.
    pub(super) news: [Option<News>; 2],
    /// Whether it is the last, and why.
    pub(super) last: Option<Last>,
}

impl EntryTold {
    /// Begins to watch it.
    ///
    /// # Errors
    /// It has too many pages open.
    pub(super) fn begin(app: &Arc<App>, floor: &Arc<Floor>, proof: &EntryToken) -> Result<Self, TooMany> {
        let watching = Watching::begin(app, floor, proof.entry)?;
        Ok(Self { watching, proof: proof.proof, told: None, sale: None, is_away: false })
    }

    /// Whether it is that one, by that proof.
    pub(super) fn is_of(&self, proof: &EntryToken) -> bool {
        (self.watching.entry(), self.proof) == (proof.entry, proof.proof)
    }

    /// What there is to tell. The first is the entry.
    pub(super) fn look(&mut self, floor: &Floor, now: Instant, trace: TraceId) -> EntryNews {
        let row = match self.watching.shown() {
            Shown::Unread => return EntryNews::none(),
            Shown::Missing => {
                return EntryNews { last: Some(Last::EntryMissing), ..EntryNews::refusal(Code::NotFound, trace) };
            }
            Shown::Away => return self.look_blindly(trace),
            Shown::Known(row) => row,
        };
        if std::mem::replace(&mut self.is_away, false) {
            self.told = None;
        }
        let last = is_over(row.state).then_some(Last::EntryOver);
        EntryNews { news: [self.entry_news(floor, row, now), self.sale_news(floor)], last }
    }

    fn entry_news(&mut self, floor: &Floor, row: Arc<EntryRow>, now: Instant) -> Option<News> {
        if self.told.as_ref().is_some_and(|(told, at)| Arc::ptr_eq(told, &row) || may_wait(told, &row, now - *at)) {
            return None;
        }
        let body = waitlist::body(&floor.sale(), EntryRow::clone(&row), self.proof);
        self.told = Some((row, now));
        Some(News::Entry(body))
    }

    fn sale_news(&mut self, floor: &Floor) -> Option<News> {
        let now = floor.glimpse(|seen| seen.map(SaleTold::of))?;
        if self.sale.as_ref() == Some(&now) {
            return None;
        }
        let SaleTold { state, pause, notice } = self.sale.insert(now).clone();
        Some(News::Sale { state, pause, notice })
    }

    /// Postgres is away, which is told once.
    fn look_blindly(&mut self, trace: TraceId) -> EntryNews {
        if std::mem::replace(&mut self.is_away, true) {
            EntryNews::none()
        } else {
            EntryNews::refusal(Code::StoreUnavailable, trace)
        }
    }
}

impl EntryNews {
    const fn none() -> Self {
        Self { news: [None, None], last: None }
    }

    fn refusal(code: Code, trace: TraceId) -> Self {
        Self { news: [Some(News::error(&Problem::new(code), trace)), None], last: None }
    }
}

impl SaleTold {
    fn of(seen: &Seen) -> Self {
        Self { state: seen.sale_state, pause: seen.pause, notice: seen.notice.clone() }
    }
}

/// Whether only the position is another one, and was told lately.
fn may_wait(told: &EntryRow, now: &EntryRow, since: Duration) -> bool {
    let by_poll = Duration::from_millis(waitlist::poll_after_ms(now.position));
    since < by_poll.min(POSITION_MAX) && EntryRow { position: now.position, ..told.clone() } == *now
}

/// Whether nothing of it changes any more.
const fn is_over(state: EntryState) -> bool {
    !matches!(state, EntryState::Unconfirmed | EntryState::Waiting | EntryState::Offered)
}
