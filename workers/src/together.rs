//! Many jobs, few calls: what jobs ask of the ledger within a moment goes there as one call, and each has its own answer.
//!
//! ```text
//!  ask ─► line ─► whoever gets one of the few calls takes all that stand in line ─► one call ─► each its answer
//! ```
//!
//! There is no task and no clock: one of those who wait makes the call for all. Nobody is held back for the sake of a batch;
//! while as many calls are under way as may be, the next batch gathers by itself, and who is alone waits for nobody.
//!
//! Guarantees: whoever asks is answered, or told to do it alone: because the call said so, failed, or ended with the job that
//! made it. An ask whose job is gone before its call is not made. Bounds: so many calls at once, so many asks in each; the line
//! holds no more than there are jobs. Order: as they asked.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tokio::task::yield_now;

/// How often whoever makes a call lets the others go ahead: first those that were claimed with it, then those they woke.
const LET_AHEAD: usize = 2;

/// Where jobs ask.
pub(crate) struct Together<A, R> {
    line: Mutex<VecDeque<Waiting<A, R>>>,
    calls: Semaphore,
    batch_max: usize,
}

struct Waiting<A, R> {
    ask: A,
    answer: oneshot::Sender<R>,
}

/// Whether anybody stood in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Empty,
    Served,
}

impl<A, R> Together<A, R> {
    /// At most `calls_max` calls at once, of at most `batch_max` asks each.
    pub(crate) fn new(calls_max: usize, batch_max: usize) -> Self {
        Self { line: Mutex::default(), calls: Semaphore::new(calls_max), batch_max }
    }

    /// Asks by a `call` that answers each of its asks in their order. None: nothing came of it, and it is to be done alone.
    pub(crate) async fn ask<C, F>(&self, ask: A, call: C) -> Option<R>
    where
        C: Fn(Vec<A>) -> F,
        F: Future<Output = Vec<Option<R>>>,
    {
        let (answer, mut answered) = oneshot::channel();
        self.line().push_back(Waiting { ask, answer });
        loop {
            tokio::select! {
                biased;
                answer = &mut answered => return answer.ok(),
                turn = self.calls.acquire() => {
                    let turn = turn.expect("the semaphore is never closed");
                    if self.lead(&call).await == Line::Empty {
                        // Somebody else's call has it; the turn is for those who come meanwhile.
                        drop(turn);
                        return answered.await.ok();
                    }
                }
            }
        }
    }

    /// Makes one call for those who stand in line.
    async fn lead<C, F>(&self, call: &C) -> Line
    where
        C: Fn(Vec<A>) -> F,
        F: Future<Output = Vec<Option<R>>>,
    {
        for _ in 0..LET_AHEAD {
            yield_now().await;
        }
        let (asks, callers) = self.next();
        if asks.is_empty() {
            return Line::Empty;
        }
        for (caller, answer) in callers.into_iter().zip(call(asks).await) {
            // Without an answer it is dropped, which says so.
            if let Some(answer) = answer {
                let _ = caller.send(answer);
            }
        }
        Line::Served
    }

    /// Those at the head of the line who still wait.
    fn next(&self) -> (Vec<A>, Vec<oneshot::Sender<R>>) {
        let mut line = self.line();
        let wanted = std::iter::from_fn(|| line.pop_front()).filter(|waiting| !waiting.answer.is_closed());
        wanted.take(self.batch_max).map(|waiting| (waiting.ask, waiting.answer)).unzip()
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Waiting<A, R>>> {
        // Nothing that panics is done under this lock, and a line is whole between its operations.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
