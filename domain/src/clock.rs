//! The process clock, as an argument.
//!
//! Holds and admission are decided by Redis TIME, orders and payments by `onsale_now()` in SQL. What a process reads
//! from its own clock decides nothing: it stamps logs, checks how old a webhook's signature is and seeds ids. It is a
//! parameter so that tests can stop it.

use std::sync::Arc;

use jiff::Timestamp;

/// Where a process reads the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the process clock")]
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that stands still.
    #[must_use]
    pub fn stopped(at: Timestamp) -> Self {
        Self(Arc::new(move || at))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
