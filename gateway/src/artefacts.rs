//! Files of tickets that were drawn: each is drawn once while it is asked for again.
//!
//! What is drawn follows from what is on it alone, so what is on it is the key: whatever changes gives another file, and nobody's file
//! is ever found under somebody else's facts. Kept in memory for [`KEPT_MAX`], and on until the next file is asked for. Bounds:
//! [`BYTES_MAX`], the oldest go first (a file has 20 KB, with thousands of Chinese characters 200), and [`DRAWING_MAX`] drawn at a time,
//! so that a crowd that fetches its tickets leaves room for one that buys.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tickets::pdf::{PdfError, Sheet, pdf};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::problem::{Code, Problem};

/// The most that is kept: a thousand usual files.
const BYTES_MAX: usize = 30_000_000;
/// How long a file is kept.
const KEPT_MAX: Duration = Duration::from_mins(10);
/// The most drawn at a time: a drawing keeps a core for a few milliseconds, a long text in many letters for thirty times as long.
const DRAWING_MAX: usize = 2;
/// The most that wait to be drawn; a second's work or two. Whoever comes then is told to come back.
const WAITING_MAX: usize = 1_000;

/// The files.
pub(crate) struct Artefacts {
    kept: Mutex<Kept>,
    drawing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

#[derive(Default)]
struct Kept {
    files: HashMap<Arc<Sheet>, Bytes>,
    oldest: VecDeque<(Instant, Arc<Sheet>)>,
    bytes: usize,
}

impl Kept {
    /// Lets go of what is too old, and of the oldest while there is too much.
    fn shed(&mut self) {
        while let Some((since, _)) = self.oldest.front()
            && (self.bytes > BYTES_MAX || since.elapsed() >= KEPT_MAX)
        {
            let (_, oldest) = self.oldest.pop_front().expect("looked at just now");
            self.bytes -= self.files.remove(&oldest).map_or(0, |file| file.len());
        }
    }
}

impl Artefacts {
    pub(crate) fn new() -> Self {
        let [drawing, waiting] = [DRAWING_MAX, WAITING_MAX].map(|room| Arc::new(Semaphore::new(room)));
        Self { kept: Mutex::default(), drawing, waiting }
    }

    /// The file of a ticket.
    ///
    /// # Errors
    /// Too many are waited for, or it cannot be drawn.
    pub(crate) async fn pdf(&self, sheet: Sheet, tasks: &TaskTracker) -> Result<Bytes, Problem> {
        if let Some(file) = self.found(&sheet) {
            return Ok(file);
        }
        let _waits = self.waiting.try_acquire().map_err(|_| Code::Overloaded)?;
        let place = Arc::clone(&self.drawing).acquire_owned().await.map_err(|_| Code::InternalError)?;
        let sheet = Arc::new(sheet);
        // Whoever was before may have drawn the same.
        if let Some(file) = self.found(&sheet) {
            return Ok(file);
        }
        let drawn = Arc::clone(&sheet);
        let work = move || {
            let file = pdf(std::slice::from_ref(&drawn));
            drop(place);
            file
        };
        let file =
            tasks.spawn_blocking(work).await.map_err(|_| Code::InternalError)?.map_err(|error| failed(&error))?;
        Ok(self.keep(sheet, file.into()))
    }

    fn found(&self, sheet: &Sheet) -> Option<Bytes> {
        let mut kept = self.kept();
        kept.shed();
        kept.files.get(sheet).cloned()
    }

    fn keep(&self, sheet: Arc<Sheet>, file: Bytes) -> Bytes {
        let mut kept = self.kept();
        if kept.files.insert(Arc::clone(&sheet), file.clone()).is_none() {
            kept.bytes += file.len();
            kept.oldest.push_back((Instant::now(), sheet));
        }
        kept.shed();
        file
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(error: &PdfError) -> Problem {
    tracing::error!(%error, "a ticket cannot be drawn");
    Code::InternalError.into()
}

#[cfg(test)]
mod tests;
