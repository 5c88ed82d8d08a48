//! What a bench prints, and how it ends.

use std::process::ExitCode;

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// No more than that.
    AtMost(f64),
    /// No less than that.
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::AtLeast(bound) => format!(">= {bound}"),
        }
    }
}

/// Whether every bound held.
#[derive(Default)]
pub(crate) struct Verdict {
    broken: u32,
}

impl Verdict {
    pub(crate) fn exit(&self) -> ExitCode {
        if self.broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Rows of what, how much, and how much it should be, printed as they are measured.
pub(crate) struct Table;

impl Table {
    pub(crate) fn new(title: &str) -> Self {
        says(&format!("\n{title}"));
        Self
    }

    /// A figure without a target.
    pub(crate) fn figure(&self, what: &str, value: &str) {
        says(&format!("  {what:64} {value:>16}"));
    }

    /// A figure of this machine, with what it should be on one that can: said, and no more.
    pub(crate) fn target(&self, what: &str, value: f64, bound: Bound, unit: &str) {
        row(what, value, bound, unit, if bound.holds(value) { "met" } else { "missed" });
    }

    /// A ratio of two figures of this run. One out of its bound fails the bench.
    pub(crate) fn bound(&self, verdict: &mut Verdict, what: &str, ratio: f64, bound: Bound) {
        verdict.broken += u32::from(!bound.holds(ratio));
        row(what, ratio, bound, "x", if bound.holds(ratio) { "PASS" } else { "FAIL" });
    }
}

fn row(what: &str, value: f64, bound: Bound, unit: &str, verdict: &str) {
    let value = format!("{value:.2} {unit}");
    says(&format!("  {what:64} {value:>16}  {:>8}  {verdict}", bound.text()));
}

#[expect(clippy::print_stdout, reason = "a bench says its figures")]
fn says(line: &str) {
    println!("{line}");
}

/// The middle one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
