//! Many callers, few calls: asks that come within a moment go to a store together, and each caller gets its own answer.
//!
//! ```text
//! ask ─► bounded queue ─► gather ─► one call ─► each its answer
//! ```
//!
//! One task takes the asks, so they reach the store in the order of their arrival. While a call is under way the next
//! batch gathers by itself; when the last batch had company, those whose requests are here already are let ask first
//! ([`LET_AHEAD`]). Nobody waits for the sake of a batch: a timer is as coarse as a call is long. Bounds: the queue; who
//! finds it full is refused at once. An ask whose caller is gone is dropped before the call.

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::problem::{Code, Problem};

/// How often a busy batch lets everybody go ahead who can: first those who were woken, then those whose requests have come
/// in since.
const LET_AHEAD: usize = 2;

/// Where callers ask.
pub(crate) struct Batcher<A, R>(mpsc::Sender<Waiting<A, R>>);

/// The asks, for the task that takes them to a store.
pub(crate) struct Asks<A, R> {
    queue: mpsc::Receiver<Waiting<A, R>>,
    batch_max: usize,
    busy: bool,
}

/// An ask whose caller waits.
pub(crate) struct Waiting<A, R> {
    /// What is asked.
    pub(crate) ask: A,
    /// Since when.
    pub(crate) since: Instant,
    answer: oneshot::Sender<Result<R, Code>>,
}

/// A batcher that holds `waiting_max` asks and hands them over `batch_max` at a time.
pub(crate) fn batcher<A, R>(waiting_max: usize, batch_max: usize) -> (Batcher<A, R>, Asks<A, R>) {
    let (sender, queue) = mpsc::channel(waiting_max);
    (Batcher(sender), Asks { queue, batch_max, busy: false })
}

impl<A, R> Batcher<A, R> {
    /// Asks, and waits for the answer. It is asked at once: whoever waits has no room for what is asked.
    ///
    /// # Errors
    /// Too many wait, the call failed, or the sale is over.
    pub(crate) fn ask(&self, ask: A) -> impl Future<Output = Result<R, Code>> + use<A, R> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.try_send(Waiting { ask, since: Instant::now(), answer }).map_err(|refused| match refused {
            TrySendError::Full(_) => Code::Overloaded,
            TrySendError::Closed(_) => Code::SaleClosed,
        });
        async move {
            asked?;
            answered.await.unwrap_or(Err(Code::SaleClosed))
        }
    }
}

impl<A, R> Asks<A, R> {
    /// The next asks, in the order they came; none when nobody can ask any more.
    pub(crate) async fn gather(&mut self) -> Option<Vec<Waiting<A, R>>> {
        let mut batch = Vec::new();
        while batch.is_empty() {
            if self.queue.recv_many(&mut batch, self.batch_max).await == 0 {
                return None;
            }
            if self.busy {
                self.gather_more(&mut batch).await;
            }
            self.busy = batch.len() > 1;
            batch.retain(Waiting::is_wanted);
        }
        Some(batch)
    }

    /// What has been asked by now, in the order it came: at most what the queue holds.
    pub(crate) fn gathered(&mut self) -> Vec<Waiting<A, R>> {
        let mut batch = Vec::new();
        while let Ok(waiting) = self.queue.try_recv() {
            batch.push(waiting);
        }
        batch
    }

    async fn gather_more(&mut self, batch: &mut Vec<Waiting<A, R>>) {
        for _ in 0..LET_AHEAD {
            if batch.len() == self.batch_max {
                return;
            }
            yield_now().await;
            while batch.len() < self.batch_max
                && let Ok(waiting) = self.queue.try_recv()
            {
                batch.push(waiting);
            }
        }
    }
}

impl<A, R> Waiting<A, R> {
    /// Whether the caller still waits.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    /// What is asked, and the caller who waits for its answer.
    pub(crate) fn parted(self) -> (A, Waiting<(), R>) {
        (self.ask, Waiting { ask: (), since: self.since, answer: self.answer })
    }

    /// Answers. A caller who is gone hears nothing.
    pub(crate) fn answer(self, answer: Result<R, Code>) {
        let _ = self.answer.send(answer);
    }
}

/// Tells each caller of a batch that its call failed, and the log once why.
pub(crate) fn fail<A, R>(batch: Vec<Waiting<A, R>>, problem: impl Into<Problem>) {
    let code = problem.into().code();
    batch.into_iter().for_each(|waiting| waiting.answer(Err(code)));
}

#[cfg(test)]
mod tests;
