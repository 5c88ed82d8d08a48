//! A visitor's place in the audience: what is told, and where it goes.
//!
//! Two work on it: the [`Audience`](super::audience) tells, and the connection's own task listens to the client and waits
//! where waiting is needed. A short lock keeps them apart, never held while anybody waits; whatever the audience cannot do
//! at once it leaves to the task, and says so through [`Seat::attention`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::audience::{Listener, Next};
use super::message::FrameText;
use super::watch::{Last, Look, Watch};

/// Where frames go.
pub(super) trait Outlet: Send {
    /// Whether all frames that a look may bring would be taken now.
    fn has_room(&mut self) -> bool;

    /// Takes a frame.
    ///
    /// # Errors
    /// The client is gone.
    fn give(&mut self, frame: FrameText) -> Result<(), Gone>;
}

/// The client is gone, or does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// How far a line has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// News are told.
    Open,
    /// The last news were told, because of that.
    Over(Last),
    /// Nobody is there to be told, or somebody was told to go.
    Closed,
}

/// What is told, and where it goes.
pub(super) struct Line<T> {
    /// What is told.
    pub(super) watch: Watch,
    /// Where it goes.
    pub(super) outlet: T,
    /// How far it has come.
    pub(super) stage: Stage,
}

/// A visitor's place in the audience.
pub(super) struct Seat<T> {
    line: Mutex<Line<T>>,
    attention: Notify,
}

impl<T: Outlet> Seat<T> {
    pub(super) fn new(watch: Watch, outlet: T) -> Self {
        Self { line: Mutex::new(Line { watch, outlet, stage: Stage::Open }), attention: Notify::new() }
    }

    /// For a moment without waiting.
    pub(super) fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes back when the task should see to it: something waits to be taken, the sale is over, the gateway stops.
    pub(super) async fn attention(&self) {
        self.attention.notified().await;
    }
}

impl<T: Outlet> Line<T> {
    /// Looks and tells. Says whether the task should see to it.
    fn tell(&mut self, now: Instant) -> Attention {
        if self.stage != Stage::Open {
            return Attention::None;
        }
        if !self.outlet.has_room() {
            return Attention::Needed;
        }
        let (frames, stage) = match self.watch.look(now) {
            Look::On(frames) => (frames, Stage::Open),
            Look::Over(frames, last) => (frames, Stage::Over(last)),
        };
        let given = frames.into_iter().try_for_each(|frame| self.outlet.give(frame));
        self.stage = if given.is_ok() { stage } else { Stage::Closed };
        let needed = self.stage != Stage::Open || !self.outlet.has_room() || self.watch.notices_parting();
        if needed { Attention::Needed } else { Attention::None }
    }
}

/// Whether the task of a connection should see to it.
enum Attention {
    Needed,
    None,
}

impl<T: Outlet> Listener for Seat<T> {
    fn tell(&self, now: Instant) -> Next {
        let mut line = self.line();
        if let Attention::Needed = line.tell(now) {
            self.attention.notify_one();
        }
        line.watch.next()
    }
}
