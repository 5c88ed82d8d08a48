//! Two times: seconds of the sale, which plans and reports speak of, and seconds of this machine, in which they pass.

use std::time::Duration;

use tokio::time::Instant;

/// When the sale opens, and how many of its seconds pass in one of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct SaleClock {
    pub(super) opens: Instant,
    pub(super) speed: f64,
}

impl SaleClock {
    /// When so many seconds of the sale after its opening have passed; before it for negative ones.
    pub(super) fn at(&self, sale_s: f64) -> Instant {
        let span = self.lasts(sale_s.abs());
        if sale_s < 0.0 { self.opens.checked_sub(span).unwrap_or(self.opens) } else { self.opens + span }
    }

    /// How long so many seconds of the sale are here.
    pub(super) fn lasts(&self, sale_s: f64) -> Duration {
        lasts(sale_s, self.speed)
    }

    /// A time here in seconds of the sale after its opening.
    pub(super) fn sale_s(&self, at: Instant) -> f64 {
        match at.checked_duration_since(self.opens) {
            Some(after) => after.as_secs_f64() * self.speed,
            None => -self.opens.duration_since(at).as_secs_f64() * self.speed,
        }
    }
}

/// How long so many seconds of a sale are here, at that speed.
pub(super) fn lasts(sale_s: f64, speed: f64) -> Duration {
    Duration::try_from_secs_f64(sale_s / speed).unwrap_or_default()
}
