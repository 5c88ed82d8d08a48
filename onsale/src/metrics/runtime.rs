//! How busy the runtime is: what runs nothing else while it is full.
//!
//! Read when somebody scrapes. The busy ratio is of the time since the scrape before, so two scrapers see shorter times, and
//! neither sees a wrong figure; within [`WINDOW_MIN`] it stays what it was.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{describe_gauge, gauge};
use tokio::runtime::{Handle, RuntimeMetrics};

/// The share of the time in which the threads did something.
const BUSY_RATIO: &str = "onsale_runtime_busy_ratio";
/// Tasks that wait for any thread.
const QUEUE_DEPTH: &str = "onsale_runtime_queue_depth";
/// Threads that run tasks.
const THREADS: &str = "onsale_runtime_threads";

/// A shorter time says little: a thread reports what it did when it comes to rest.
const WINDOW_MIN: Duration = Duration::from_millis(500);

pub(super) fn describe() {
    describe_gauge!(BUSY_RATIO, "Share of the time since the last scrape in which the runtime's threads were busy.");
    describe_gauge!(QUEUE_DEPTH, "Tasks that wait for any thread of the runtime.");
    describe_gauge!(THREADS, "Threads of the runtime that run tasks.");
}

/// Watches the runtime it was begun in.
#[derive(Clone)]
pub(super) struct RuntimeWatch {
    runtime: RuntimeMetrics,
    last: Arc<Mutex<(Instant, Duration)>>,
}

impl RuntimeWatch {
    pub(super) fn begin() -> Self {
        let runtime = Handle::current().metrics();
        gauge!(BUSY_RATIO).set(0.0);
        let last = Arc::new(Mutex::new((Instant::now(), busy(&runtime))));
        Self { runtime, last }
    }

    pub(super) fn look(&self) {
        gauge!(QUEUE_DEPTH).set(number(self.runtime.global_queue_depth()));
        gauge!(THREADS).set(number(self.runtime.num_workers()));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = last.0.elapsed();
        if passed < WINDOW_MIN {
            return;
        }
        let busy = busy(&self.runtime);
        let of_each = passed.as_secs_f64() * number(self.runtime.num_workers());
        gauge!(BUSY_RATIO).set((busy.saturating_sub(last.1).as_secs_f64() / of_each).min(1.0));
        *last = (Instant::now(), busy);
    }
}

fn busy(runtime: &RuntimeMetrics) -> Duration {
    (0..runtime.num_workers()).map(|thread| runtime.worker_total_busy_duration(thread)).sum()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
