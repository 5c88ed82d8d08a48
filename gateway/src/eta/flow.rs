//! Admissions by the second, and what follows from them.
//!
//! - **Unevenness**: by how much the mean rate over 1, 2, 4, … s deviates. It is measured between neighbouring windows
//!   (Allan's two-sample variance), so that a rate that changed once and for all counts little, and one that comes and goes
//!   (stop and go, payments that end together) counts in full.
//! - **Rate**: the mean over the longest window that agrees with every shorter one within that unevenness (Lepski's rule).
//!   A steady line is averaged over the whole history, a changed one over what came after the change.

use std::collections::VecDeque;

/// What is remembered: more than an hour of waiting. Older seconds say little about the next ones.
pub(super) const HISTORY_MAX_S: usize = 4_096;

/// From how many measured seconds on they count.
const MEASURED_FROM_S: usize = 5;

/// How many windows of a length must fit into the history to measure its unevenness: fewer say more about one change than
/// about lumps.
const WINDOWS_MIN: usize = 8;

/// 1, 2, 4, … up to [`HISTORY_MAX_S`] over [`WINDOWS_MIN`].
const SCALES: usize = (HISTORY_MAX_S / WINDOWS_MIN).ilog2() as usize + 1;

/// By how many deviations two windows may differ and still show one rate. A change should be seen soon: taking a lump for
/// one costs less, because the range is wide where there are lumps.
const AGREEMENT: f64 = 1.5;

/// How fast a line moves, and how evenly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    /// The rate.
    pub(super) per_s: f64,
    /// To what it is known.
    pub(super) deviation: f64,
    /// What comes in lumps.
    pub(super) unevenness: Unevenness,
}

/// Variances of the mean rate by scale, each at least that of the longer ones: what is slow moves short windows too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unevenness {
    variances: [f64; SCALES],
    measured: usize,
}

/// Admissions by the second, in the seconds that count.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Admissions up to the end of each second, oldest first.
    totals: VecDeque<u64>,
    total: u64,
    /// What has passed of the second that is not over.
    passed_ms: i64,
}

impl Outlook {
    /// A rate that is assumed, as uneven as independent arrivals are.
    pub(super) fn of_rate(per_s: f64) -> Self {
        let mut unevenness = Unevenness { variances: [0.0; SCALES], measured: 1 };
        unevenness.variances[0] = per_s;
        Self { per_s, deviation: 0.0, unevenness }
    }
}

impl Unevenness {
    /// By how much the mean rate over so long deviates. Beyond what is measured, lumps even out as what is independent does.
    pub(super) fn deviation(&self, window_s: f64) -> f64 {
        let scales = (0..self.measured).map(|scale| span_s(1 << scale));
        let (variance, span) = std::iter::zip(self.variances, scales)
            .take_while(|(_, span)| *span <= window_s)
            .last()
            .unwrap_or((self.variances[0], 1.0));
        (variance * (span / window_s).min(1.0)).sqrt()
    }
}

impl Flow {
    /// Time passed, and so many were let in. Says whether a second is over.
    pub(super) fn pass(&mut self, passed_ms: i64, admitted: u64) -> bool {
        self.total += admitted;
        self.passed_ms += passed_ms;
        let over = self.passed_ms >= 1_000;
        while self.passed_ms >= 1_000 {
            self.passed_ms -= 1_000;
            self.totals.push_back(self.total);
        }
        while self.totals.len() > HISTORY_MAX_S {
            self.totals.pop_front();
        }
        over
    }

    /// What may be expected; nothing before enough is measured.
    pub(super) fn outlook(&self) -> Option<Outlook> {
        let seconds = self.totals.len().checked_sub(1).filter(|seconds| *seconds >= MEASURED_FROM_S)?;
        let unevenness = self.unevenness(seconds);
        let (mut low, mut high) = (0.0_f64, f64::INFINITY);
        let mut outlook = None;
        for window in scales(seconds).chain([seconds]) {
            let per_s = self.admitted(seconds - window, seconds) / span_s(window);
            // Nobody is let in by halves: one more or less is never a change.
            let deviation = unevenness.deviation(span_s(window)) + 1.0 / span_s(window);
            let (lower, higher) = (per_s - AGREEMENT * deviation, per_s + AGREEMENT * deviation);
            if lower > high || higher < low {
                break;
            }
            (low, high) = (low.max(lower), high.min(higher));
            outlook = Some(Outlook { per_s: per_s.clamp(low, high), deviation, unevenness });
        }
        outlook
    }

    fn unevenness(&self, seconds: usize) -> Unevenness {
        let mut unevenness = Unevenness { variances: [0.0; SCALES], measured: 0 };
        for window in scales((seconds / WINDOWS_MIN).max(1)) {
            unevenness.variances[unevenness.measured] = self.variance(window, seconds);
            unevenness.measured += 1;
        }
        for scale in (1..unevenness.measured).rev() {
            unevenness.variances[scale - 1] = unevenness.variances[scale - 1].max(unevenness.variances[scale]);
        }
        unevenness
    }

    /// Allan's variance of the mean rate: half the mean square of the difference between neighbouring windows.
    fn variance(&self, window: usize, seconds: usize) -> f64 {
        let ends = 2 * window..=seconds;
        let count = span_s(ends.clone().count());
        let squares = ends.map(|end| {
            let middle = end - window;
            (self.admitted(middle, end) - self.admitted(middle - window, middle)).powi(2)
        });
        squares.sum::<f64>() / (2.0 * count * span_s(window).powi(2))
    }

    fn admitted(&self, from: usize, to: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "2^53 visitors are more than there are people")]
        let admitted = (self.totals[to] - self.totals[from]) as f64;
        admitted
    }
}

/// 1, 2, 4, … up to `longest`.
fn scales(longest: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1), |scale| Some(2 * scale)).take_while(move |scale| *scale <= longest)
}

#[expect(clippy::cast_precision_loss, reason = "at most HISTORY_MAX_S")]
const fn span_s(seconds: usize) -> f64 {
    seconds as f64
}
