//! Everybody who watches a sale through this gateway, told one after the other.
//!
//! ```text
//! tick ─► near the front, and whose time has come ─┐
//! call ─► near the front first, then everybody ────┴─► listener: look, and write what is new if it can be taken at once
//!                                                            └─► else its own task is called, which may wait
//! ```
//!
//! One task goes through the list and writes to each connection itself; a task for each would be woken, scheduled and put
//! to sleep again for every frame, which costs as much as the frame. So telling everybody something costs little more than
//! a bare loop over sockets (`cargo bench -p gateway --bench sockets`), and a tick costs those near the front a look, and
//! the others a comparison. Nobody is waited for: a connection that does not take what it is offered is left to its own task and its
//! bounds.
//!
//! Bounds: a list is at most [`SHARD_MAX`] long, then another one begins, with a task of its own; [`CHUNK`] are told
//! between two chances for others to run, and while everybody is told, those near the front still hear every tick first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::floor::Floor;

/// Listeners of one list: telling them all takes about 150 ms of one core.
const SHARD_MAX: usize = 16_384;

/// Listeners told at a stretch: well below a millisecond.
const CHUNK: usize = 64;

/// How often one looks without a tick: the store is away, and those who watch should hear of it.
const TICKLESS_LOOK: Duration = Duration::from_secs(1);

/// Someone who is told.
pub(crate) trait Listener: Send + Sync {
    /// Looks, and tells what is new as far as that takes no waiting. Says when to be asked again.
    fn tell(&self, now: Instant) -> Next;
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// At every tick.
    Tick,
    /// Then, or when everybody is called.
    At(Instant),
}

/// Who watches a sale.
#[derive(Default)]
pub(crate) struct Audience(Mutex<Vec<Arc<Shard>>>);

/// A listener on the list, until the value is dropped.
pub(super) struct Listed {
    shard: Arc<Shard>,
    index: usize,
}

#[derive(Default)]
struct Shard(Mutex<List>);

#[derive(Default)]
struct List {
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    ids: u64,
}

struct Entry {
    /// Tells it from who had the place in the list before.
    id: u64,
    listener: Arc<dyn Listener>,
    next: Next,
}

/// Who is asked in a pass.
#[derive(Clone, Copy)]
enum Pass {
    /// Those near the front.
    Near,
    /// Those, and whose time has come.
    Due,
    /// Those who are not near the front.
    Others,
}

impl Audience {
    /// Puts a listener on the list; it is asked at the next tick.
    pub(super) fn list(app: &App, floor: &Arc<Floor>, listener: Arc<dyn Listener>) -> Listed {
        let mut shards = floor.audience.0.lock().unwrap_or_else(PoisonError::into_inner);
        let roomy = shards.iter().find(|shard| shard.list().len() < SHARD_MAX).cloned();
        let shard = roomy.unwrap_or_else(|| {
            let shard = Arc::new(Shard::default());
            shards.push(Arc::clone(&shard));
            app.tasks.spawn(Arc::clone(&shard).run(Arc::clone(floor)));
            shard
        });
        let index = shard.list().add(listener);
        Listed { shard, index }
    }
}

impl Listed {
    /// It has somebody else's news to tell now: it is asked at the next tick, whatever it said before.
    pub(super) fn ask_next_tick(&self) {
        if let Some(entry) = &mut self.shard.list().entries[self.index] {
            entry.next = Next::Tick;
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.shard.list().remove(self.index);
    }
}

impl Shard {
    /// Tells everybody on the list until the sale is not live any more, and then that.
    async fn run(self: Arc<Self>, floor: Arc<Floor>) {
        let (mut ticks, mut calls) = (floor.ticks(), floor.calls());
        loop {
            tokio::select! {
                _ = ticks.changed() => {}
                () = sleep(TICKLESS_LOOK) => {}
                () = floor.ended() => break,
            }
            // The bells are the floor's, which is held here.
            if calls.has_changed().unwrap_or(false) {
                calls.mark_unchanged();
                self.tell_everybody(&mut ticks).await;
            } else {
                self.pass(Pass::Due, None).await;
            }
        }
        self.tell_everybody(&mut ticks).await;
    }

    async fn tell_everybody(&self, ticks: &mut Receiver<()>) {
        self.pass(Pass::Near, None).await;
        self.pass(Pass::Others, Some(ticks)).await;
    }

    /// Asks those who are chosen. When it ticks meanwhile, those near the front go first again.
    async fn pass(&self, pass: Pass, mut ticks: Option<&mut Receiver<()>>) {
        let mut from = 0;
        loop {
            let chunk = self.list().chosen(pass, &mut from);
            if chunk.is_empty() {
                return;
            }
            let told =
                chunk.into_iter().map(|(index, id, listener)| (index, id, listener.tell(Instant::now()))).collect();
            self.list().note(told);
            tokio::task::yield_now().await;
            if let Some(ticks) = &mut ticks
                && ticks.has_changed().unwrap_or(false)
            {
                ticks.mark_unchanged();
                Box::pin(self.pass(Pass::Near, None)).await;
            }
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    const fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    fn add(&mut self, listener: Arc<dyn Listener>) -> usize {
        self.ids += 1;
        let entry = Some(Entry { id: self.ids, listener, next: Next::Tick });
        let Some(index) = self.free.pop() else {
            self.entries.push(entry);
            return self.entries.len() - 1;
        };
        self.entries[index] = entry;
        index
    }

    fn remove(&mut self, index: usize) {
        self.entries[index] = None;
        self.free.push(index);
    }

    /// The next who are chosen, from an index on.
    fn chosen(&self, pass: Pass, from: &mut usize) -> Vec<(usize, u64, Arc<dyn Listener>)> {
        let now = Instant::now();
        let mut chosen = Vec::new();
        while chosen.len() < CHUNK
            && let Some(entry) = self.entries.get(*from)
        {
            if let Some(entry) = entry.as_ref().filter(|entry| pass.takes(entry.next, now)) {
                chosen.push((*from, entry.id, Arc::clone(&entry.listener)));
            }
            *from += 1;
        }
        chosen
    }

    fn note(&mut self, told: Vec<(usize, u64, Next)>) {
        for (index, id, next) in told {
            if let Some(entry) = self.entries[index].as_mut().filter(|entry| entry.id == id) {
                entry.next = next;
            }
        }
    }
}

impl Pass {
    fn takes(self, next: Next, now: Instant) -> bool {
        match (self, next) {
            (Self::Near | Self::Due, Next::Tick) | (Self::Others, Next::At(_)) => true,
            (Self::Due, Next::At(at)) => at <= now,
            (Self::Near, Next::At(_)) | (Self::Others, Next::Tick) => false,
        }
    }
}

#[cfg(test)]
mod tests;
