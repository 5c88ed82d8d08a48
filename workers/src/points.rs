//! Points: where a worker may die and nothing is lost.
//!
//! Every piece of work passes the same ones. What happens to it when the process ends there:
//!
//! | point | done | then |
//! |---|---|---|
//! | [`Point::Begun`] | nothing but its lease | its lease runs out, and another worker does it |
//! | [`Point::Between`] | one side has done it, and the other has not heard: Stripe and the ledger, Postgres and Redis, the mail server and the queue | the same; doing it again finds it done, by its key |
//! | [`Point::Ended`] | all of it, but its queue does not know | the same; it finds nothing left to do |
//!
//! Sweeps have no lease: whoever sweeps next goes on. In a process that serves, nobody watches, and passing a point costs a look
//! at an option. A test watches to end its workers there, as a kill does: whoever is told [`Step::Stop`] never goes on.

use std::sync::Arc;

/// A point that a piece of work passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// It was taken.
    Begun,
    /// One side has done it.
    Between,
    /// All sides have.
    Ended,
}

/// What whoever passes a point does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It goes on.
    On,
    /// It never goes on, as if the process had ended.
    Stop,
}

/// Somebody who sees every point that is passed.
pub trait Watch: Send + Sync {
    /// Work of that kind passes: a kind of job, `inbox` for an event, or the name of a sweep.
    fn passes(&self, work: &'static str, point: Point) -> Step;
}

/// The points of one process.
#[derive(Clone, Default)]
pub struct Points(Option<Arc<dyn Watch>>);

impl Points {
    /// Points that somebody watches. The default is nobody.
    #[must_use]
    pub fn watched(by: Arc<dyn Watch>) -> Points {
        Points(Some(by))
    }

    /// Passes a point.
    pub(crate) async fn pass(&self, work: &'static str, point: Point) {
        if let Some(watch) = &self.0
            && watch.passes(work, point) == Step::Stop
        {
            std::future::pending().await
        }
    }
}
