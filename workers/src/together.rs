//! Many jobs, few calls: what jobs ask of the ledger within a moment goes there as one call, and each has its own answer.
//!
//! ```text
//!  ask ─► line ─► whoever gets one of the few calls takes all that may go ─► one call ─► each its answer
//!          ▲ waits while an ask of its lane is under way                         │ its lanes are free
//!          └────────────────────── somebody who waits is woken ──────────────────┘
//! ```
//!
//! There is no task and no clock: one of those who wait makes the call for all. Nobody is held back for the sake of a batch;
//! while as many calls are under way as may be, the next batch gathers by itself, and who is alone waits for nobody. Of one lane
//! one ask is under way at a time, so two calls never meet at one thing, and in a lane they go as they were asked.
//!
//! Guarantees: whoever asks is answered, or told to do it alone: because the call said so, failed, or ended with the job that
//! made it. An ask whose job is gone before its call is not made. While somebody may go, somebody who waits has been woken.
//! Bounds: so many calls at once, so many asks in each; the line holds no more than there are jobs. Order: as they asked, but
//! for those whose lane is taken.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::yield_now;

/// How often whoever makes a call lets the others go ahead: first those that were claimed with it, then those they woke.
const LET_AHEAD: usize = 2;

/// Something that is asked, and what it is about.
pub(crate) trait Ask {
    /// Asks about the same thing have the same lane; others may, and only wait for each other.
    fn lane(&self) -> u64;
}

/// The lane of what has that id. Two ids may share one, and then wait for each other.
pub(crate) fn lane_of(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Where jobs ask.
pub(crate) struct Together<A, R> {
    line: Mutex<Line<A, R>>,
    calls: Semaphore,
    /// Rung when a lane is free that somebody may wait for.
    freed: Notify,
    batch_max: usize,
}

struct Line<A, R> {
    waiting: VecDeque<Waiting<A, R>>,
    /// Lanes of the asks that are under way.
    taken: HashSet<u64>,
}

struct Waiting<A, R> {
    ask: A,
    answer: oneshot::Sender<R>,
}

/// Whether anybody in line could go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    Nobody,
    Some,
}

impl<A: Ask, R> Together<A, R> {
    /// At most `calls_max` calls at once, of at most `batch_max` asks each.
    pub(crate) fn new(calls_max: usize, batch_max: usize) -> Self {
        let line = Mutex::new(Line { waiting: VecDeque::new(), taken: HashSet::new() });
        Self { line, calls: Semaphore::new(calls_max), freed: Notify::new(), batch_max }
    }

    /// Asks by a `call` that answers each of its asks in their order. None: nothing came of it, and it is to be done alone.
    pub(crate) async fn ask<C, F>(&self, ask: A, call: C) -> Option<R>
    where
        C: Fn(Vec<A>) -> F,
        F: Future<Output = Vec<Option<R>>>,
    {
        let (answer, mut answered) = oneshot::channel();
        self.line().waiting.push_back(Waiting { ask, answer });
        loop {
            let served = tokio::select! {
                biased;
                answer = &mut answered => return answer.ok(),
                turn = self.calls.acquire() => {
                    let _turn = turn.expect("the semaphore is never closed");
                    self.lead(&call).await
                }
            };
            if served == Served::Nobody {
                // Somebody else's call has it, or its lane; the turn is for those who come meanwhile.
                tokio::select! {
                    biased;
                    answer = &mut answered => return answer.ok(),
                    () = self.freed.notified() => {}
                }
            }
        }
    }

    /// Makes one call for those who may go.
    async fn lead<C, F>(&self, call: &C) -> Served
    where
        C: Fn(Vec<A>) -> F,
        F: Future<Output = Vec<Option<R>>>,
    {
        // From here on, should this job end, somebody else is woken in its stead.
        let mut lanes = Lanes { of: self, taken: Vec::new() };
        for _ in 0..LET_AHEAD {
            yield_now().await;
        }
        let (asks, callers) = self.next(&mut lanes.taken);
        if asks.is_empty() {
            // Whoever waits now waits for a call, whose end wakes it.
            std::mem::forget(lanes);
            return Served::Nobody;
        }
        for (caller, answer) in callers.into_iter().zip(call(asks).await) {
            // Without an answer it is dropped, which says so.
            if let Some(answer) = answer {
                let _ = caller.send(answer);
            }
        }
        Served::Some
    }

    /// The first in line who still wait and whose lanes are free, which then are not.
    fn next(&self, lanes: &mut Vec<u64>) -> (Vec<A>, Vec<oneshot::Sender<R>>) {
        let Line { waiting, taken } = &mut *self.line();
        waiting.retain(|waiting| !waiting.answer.is_closed());
        let (mut asks, mut callers) = (Vec::new(), Vec::new());
        let mut stay = VecDeque::with_capacity(waiting.len());
        for Waiting { ask, answer } in waiting.drain(..) {
            let lane = ask.lane();
            if asks.len() < self.batch_max && taken.insert(lane) {
                lanes.push(lane);
                asks.push(ask);
                callers.push(answer);
            } else {
                stay.push_back(Waiting { ask, answer });
            }
        }
        *waiting = stay;
        (asks, callers)
    }

    fn line(&self) -> MutexGuard<'_, Line<A, R>> {
        // Nothing that panics is done under this lock, and a line is whole between its operations.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lanes of a call, free again when it ends, however it does.
struct Lanes<'a, A: Ask, R> {
    of: &'a Together<A, R>,
    taken: Vec<u64>,
}

impl<A: Ask, R> Drop for Lanes<'_, A, R> {
    fn drop(&mut self) {
        let mut line = self.of.line();
        for lane in &self.taken {
            line.taken.remove(lane);
        }
        if !line.waiting.is_empty() {
            self.of.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
