//! What a bench prints.

/// What a figure should be.
pub(crate) enum Bound {
    /// No more than that.
    AtMost(f64),
    /// No less than that.
    AtLeast(f64),
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
        says(&format!("  {what:58} {value:>18}"));
    }

    /// A figure that should be within a bound.
    pub(crate) fn target(&self, what: &str, value: f64, bound: Bound, unit: &str) {
        let (sign, target, passes) = match bound {
            Bound::AtMost(target) => ("<=", target, value <= target),
            Bound::AtLeast(target) => (">=", target, value >= target),
        };
        let (value, target) = (format!("{value:.2} {unit}"), format!("{sign} {target} {unit}"));
        says(&format!("  {what:58} {value:>18}  {target:>12}  {}", if passes { "PASS" } else { "MISS" }));
    }
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
