//! Entries of a sale's waitlist whose pages are open here: how they are, as it was last read.
//!
//! ```text
//! a page says whose it is ─► watched ─► look ─┬─ who changed ─► how they are ─► known ─► told by the audience's next tick
//!                                             └─ where they stand
//! ```
//!
//! One task for a sale, while a page of it is open, looks every [`LOOK_EVERY`]: it asks Postgres which entries changed since the look
//! before ([`ledger::waitlist::watching`]), reads those of them that are watched, and asks for each wish where its entries stand: at
//! once where one is new, else every [`POSITIONS_EVERY`]. What changes an entry without a transaction of its own (a pause moves the
//! end of an offer) is found when the sale is another version, and by reading each entry again every [`READ_AGAIN`]. So an offer is on
//! the page within a second of its transaction, which knows nothing of all this.
//!
//! Bounds: a row for each watched entry, [`CONNECTIONS_MAX`] connections of one; [`READ_MAX`] entries read a look, those that are named
//! as changed first, then those that were not read for longest; the wishes whose positions are oldest for [`WALKS_MAX`], the others
//! in the next look. One statement at a time, on the gateway's pool with its times; after a look there is a rest of [`REST_PARTS`] as
//! long, but at most [`REST_MAX`]. Ten thousand watched entries that nothing happens to cost one look at an empty index twice a second,
//! about 17 reads by key with each, and one walk along the line in five seconds (`ledger/tests/it/waitlist/watching.rs`).
//!
//! When no entries were read [`LATE_MAX`] after they should have been, those who watch are told that nobody knows, and everything once
//! somebody does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{EntryId, TierId};
use jiff::Timestamp;
use ledger::LedgerError;
use ledger::waitlist::watching::{
    Change, ChangedEntries, Look, waitlist_changes, waitlist_positions, waitlist_standings,
};
use ledger::waitlist::{EntryRow, EntryState};
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::floor::{Floor, TooMany};

/// How often the changes are asked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a look, a rest of so many times as long,
const REST_PARTS: u32 = 4;
/// but not longer than this.
const REST_MAX: Duration = Duration::from_secs(5);
/// After one that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often positions are counted.
const POSITIONS_EVERY: Duration = Duration::from_secs(5);
/// For how long a look begins to walk along lines: there is one for each set of tiers that somebody waits for.
const WALKS_MAX: Duration = Duration::from_millis(250);
/// How often an entry is read that is not known to have changed.
const READ_AGAIN: Duration = Duration::from_secs(300);
/// Entries read in one look.
const READ_MAX: usize = 1_000;
/// How late a look may be until nobody knows: Postgres is away.
const LATE_MAX: Duration = Duration::from_secs(3);
/// Connections of one entry at once, as of a place.
const CONNECTIONS_MAX: u32 = 16;

/// The watched entries of one sale.
#[derive(Default)]
pub(crate) struct Entries(Mutex<State>);

#[derive(Default)]
struct State {
    watched: HashMap<EntryId, Watched>,
    /// Whether the task is there.
    is_looked: bool,
    /// Until when what was read is what there is.
    fresh_until: Option<Instant>,
}

#[derive(Default)]
struct Watched {
    connections: u32,
    shown: Shown,
    row: Option<EntryRow>,
    position: Option<u64>,
    change: Option<Change>,
    read_at: Option<Instant>,
    news: News,
}

/// Why an entry is read again before its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum News {
    /// It is as it was read.
    #[default]
    None,
    /// It may be another.
    Possible,
    /// It is another, or was never read.
    Certain,
}

/// What is known of an entry.
#[derive(Debug, Clone, Default)]
pub(crate) enum Shown {
    /// Nothing yet.
    #[default]
    Unread,
    /// How it is.
    Known(Arc<EntryRow>),
    /// There is none.
    Missing,
    /// Postgres is away.
    Away,
}

/// An open page of an entry, until the value is dropped.
pub(crate) struct Watching {
    floor: Arc<Floor>,
    entry: EntryId,
}

/// What the task knows beside the entries.
#[derive(Default)]
struct Progress {
    look: Option<Look>,
    version: u64,
    /// When the entries of each wish were counted.
    counted: HashMap<Wish, Instant>,
}

/// The tiers of an entry, in the order of their names.
type Wish = Vec<TierId>;

/// Who watches with one wish.
#[derive(Default)]
struct Line {
    entries: Vec<EntryId>,
    /// Whether the position of one of them is not known yet.
    is_new: bool,
}

impl Watching {
    /// Begins to watch an entry.
    ///
    /// # Errors
    /// It has too many pages open.
    pub(crate) fn begin(app: &Arc<App>, floor: &Arc<Floor>, entry: EntryId) -> Result<Self, TooMany> {
        let mut state = floor.entries.state();
        let watched = state.watched.entry(entry).or_default();
        if watched.connections == CONNECTIONS_MAX {
            return Err(TooMany);
        }
        watched.connections += 1;
        if !std::mem::replace(&mut state.is_looked, true) {
            state.fresh_until = Some(Instant::now() + LATE_MAX);
            app.tasks.spawn(run(Arc::clone(app), Arc::clone(floor)));
        }
        drop(state);
        Ok(Self { floor: Arc::clone(floor), entry })
    }

    /// Which.
    pub(crate) const fn entry(&self) -> EntryId {
        self.entry
    }

    /// What is known of it.
    pub(crate) fn shown(&self) -> Shown {
        let state = self.floor.entries.state();
        if state.fresh_until.is_none_or(|until| until < Instant::now()) {
            return Shown::Away;
        }
        state.watched.get(&self.entry).map(|watched| watched.shown.clone()).unwrap_or_default()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut state = self.floor.entries.state();
        if let Some(watched) = state.watched.get_mut(&self.entry) {
            watched.connections -= 1;
            if watched.connections == 0 {
                state.watched.remove(&self.entry);
            }
        }
    }
}

/// Looks as long as somebody watches.
async fn run(app: Arc<App>, floor: Arc<Floor>) {
    let mut progress = Progress::default();
    while floor.entries.goes_on() {
        let began = Instant::now();
        let rest = match look(&app, &floor, &mut progress).await {
            Ok(()) => {
                let rest = (began.elapsed() * REST_PARTS).clamp(LOOK_EVERY, REST_MAX);
                floor.entries.is_fresh_for(rest + LATE_MAX);
                rest
            }
            Err(error) => {
                tracing::debug!(sale = %floor.sale().id(), %error, "the waitlist's pages are told later");
                RETRY_AFTER
            }
        };
        tokio::select! {
            () = sleep(rest) => {}
            () = floor.ended() => {
                floor.entries.state().is_looked = false;
                break;
            }
        }
    }
}

async fn look(app: &App, floor: &Floor, progress: &mut Progress) -> Result<(), LedgerError> {
    let (sale, entries) = (floor.sale(), &floor.entries);
    let changes = waitlist_changes(&app.ledger, sale.id(), progress.look.as_ref()).await?;
    if std::mem::replace(&mut progress.version, sale.version()) != sale.version() {
        entries.may_have_changed();
    }
    match changes.entries {
        ChangedEntries::These(changed) => entries.changed(&changed),
        ChangedEntries::Many => entries.may_have_changed(),
    }
    // What changed is noted, and read by a later look if not by this one.
    progress.look = Some(changes.look);
    let due = entries.due(Instant::now(), floor.now());
    if !due.is_empty() {
        let standings = waitlist_standings(&app.ledger, sale.id(), &due).await?;
        entries.read(&due, standings, Instant::now());
    }
    entries.is_fresh_for(LATE_MAX);
    look_at_positions(app, floor, &mut progress.counted).await
}

/// Of wishes with somebody new, and of those that were not counted for a while; the oldest first, as many as there is time for.
async fn look_at_positions(app: &App, floor: &Floor, counted: &mut HashMap<Wish, Instant>) -> Result<(), LedgerError> {
    let began = Instant::now();
    let mut lines = floor.entries.lines();
    counted.retain(|wish, _| lines.contains_key(wish));
    lines.retain(|wish, line| line.is_new || counted.get(wish).is_none_or(|at| at.elapsed() >= POSITIONS_EVERY));
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by_key(|(wish, _)| counted.get(wish).copied());
    for (wish, line) in lines {
        if began.elapsed() >= WALKS_MAX {
            break;
        }
        let positions = waitlist_positions(&app.ledger, floor.sale().id(), &wish, &line.entries).await?;
        floor.entries.stand(&positions);
        counted.insert(wish, Instant::now());
    }
    Ok(())
}

impl Entries {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh_for(&self, time: Duration) {
        self.state().fresh_until = Some(Instant::now() + time);
    }

    /// Whether anybody watches; if not, the next who does begins another task.
    fn goes_on(&self) -> bool {
        let mut state = self.state();
        state.is_looked = !state.watched.is_empty();
        state.is_looked
    }

    fn changed(&self, changed: &[(EntryId, Change)]) {
        let mut state = self.state();
        for (entry, change) in changed {
            if let Some(watched) = state.watched.get_mut(entry)
                && watched.change.as_ref() != Some(change)
            {
                watched.news = News::Certain;
            }
        }
    }

    fn may_have_changed(&self) {
        for watched in self.state().watched.values_mut().filter(|watched| watched.news == News::None) {
            watched.news = News::Possible;
        }
    }

    /// Those to be read now: who changed or is new, then who may have, whose queue had its time, or who was not read for long.
    fn due(&self, now: Instant, time: Option<Timestamp>) -> Vec<EntryId> {
        let state = self.state();
        let is_due = |watched: &Watched| {
            let is_old = watched.read_at.is_none_or(|at| now.duration_since(at) >= READ_AGAIN);
            watched.news != News::None || is_old || watched.has_gathered(time)
        };
        let due = state.watched.iter().filter(|(_, watched)| is_due(watched));
        let mut due: Vec<_> = due.map(|(entry, watched)| (watched.turn(), *entry)).collect();
        if due.len() > READ_MAX {
            due.select_nth_unstable(READ_MAX);
            due.truncate(READ_MAX);
        }
        due.into_iter().map(|(_, entry)| entry).collect()
    }

    fn read(&self, asked: &[EntryId], standings: Vec<(Change, EntryRow)>, now: Instant) {
        let mut found: HashMap<EntryId, _> = standings.into_iter().map(|standing| (standing.1.id, standing)).collect();
        let mut state = self.state();
        for entry in asked {
            let Some(watched) = state.watched.get_mut(entry) else { continue };
            (watched.read_at, watched.news) = (Some(now), News::None);
            (watched.change, watched.row) = found.remove(entry).unzip();
            watched.show();
        }
    }

    /// Who is in line, by their wishes.
    fn lines(&self) -> HashMap<Wish, Line> {
        let mut lines = HashMap::<Wish, Line>::new();
        for (entry, watched) in &self.state().watched {
            if let Some(row) = watched.row.as_ref().filter(|row| is_in_line(row.state)) {
                let mut wish = row.tiers.clone();
                wish.sort();
                let line = lines.entry(wish).or_default();
                line.entries.push(*entry);
                line.is_new |= watched.position.is_none();
            }
        }
        lines
    }

    fn stand(&self, positions: &[(EntryId, u64)]) {
        let mut state = self.state();
        for (entry, position) in positions {
            if let Some(watched) = state.watched.get_mut(entry) {
                watched.position = Some(*position);
                watched.show();
            }
        }
    }
}

impl Watched {
    /// Who is read before whom where not all can be: the lowest first.
    fn turn(&self) -> (bool, Option<Instant>) {
        let is_certain = self.news == News::Certain || self.read_at.is_none();
        (!is_certain, self.read_at)
    }

    /// Whether the time of the queue is over that was read.
    fn has_gathered(&self, time: Option<Timestamp>) -> bool {
        let until = self.row.as_ref().and_then(|row| row.gathers_until);
        until.zip(time).is_some_and(|(until, now)| until <= now)
    }

    /// Shows what was read; who is in line only with the position.
    fn show(&mut self) {
        let Some(row) = &self.row else {
            self.shown = Shown::Missing;
            return;
        };
        let position = self.position.filter(|_| is_in_line(row.state));
        if is_in_line(row.state) && position.is_none() {
            return;
        }
        let row = EntryRow { position, ..row.clone() };
        if !matches!(&self.shown, Shown::Known(shown) if **shown == row) {
            self.shown = Shown::Known(Arc::new(row));
        }
    }
}

const fn is_in_line(state: EntryState) -> bool {
    matches!(state, EntryState::Unconfirmed | EntryState::Waiting)
}
