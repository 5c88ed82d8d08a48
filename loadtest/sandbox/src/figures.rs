//! What benches print: rows for people, and the figures of which `make bench` makes one table.
//!
//! A figure is a value, beside a reference of the same run where there is one, with what it should be where somebody set a target.
//! It is printed as a row and, from the same call, as a line `figure {…}` of JSON, which `loadtest/bench/run.mjs` reads. A row says
//! how this run went. Medians, the spread between runs and the verdict over all of them are the runner's, so no bench fails
//! for a slow machine: it fails when it cannot measure.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A value of this run, by a name that is the same in every run and no other figure's.
#[derive(Debug, Clone)]
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    reference: Option<Reference>,
    target: Option<(Target, Weight)>,
}

/// Something else in the same unit, measured in the same run.
#[derive(Debug, Clone)]
struct Reference {
    what: String,
    value: f64,
    /// The figure for each of it.
    ratio: f64,
}

/// What a figure should be: its value, or its ratio to the reference.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// A value no larger than that.
    AtMost(f64),
    /// A value no smaller than that.
    AtLeast(f64),
    /// A ratio no larger than that.
    RatioAtMost(f64),
    /// A ratio no smaller than that.
    RatioAtLeast(f64),
}

/// What it means when a target is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// The machine, or we, are too slow: said.
    Said,
    /// Something is wrong: said, and the runner fails.
    Bound,
}

impl Figure {
    /// A value with its unit, which is empty for a count.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, reference: None, target: None }
    }

    /// Beside so much of that.
    #[must_use]
    pub fn beside(mut self, what: impl Into<String>, value: f64) -> Self {
        self.reference = Some(Reference { what: what.into(), value, ratio: self.value / value });
        self
    }

    /// The ratio where rounds next to each other were compared: it says more than that of the two medians.
    ///
    /// # Panics
    /// There is no reference.
    #[must_use]
    pub fn by_rounds(mut self, ratio: f64) -> Self {
        self.reference.as_mut().expect("beside something").ratio = ratio;
        self
    }

    /// A target that a slow machine may miss.
    #[must_use]
    pub fn should_be(mut self, target: Target) -> Self {
        self.target = Some((target, Weight::Said));
        self
    }

    /// A target that holds on any machine.
    #[must_use]
    pub fn must_be(mut self, target: Target) -> Self {
        self.target = Some((target, Weight::Bound));
        self
    }

    fn is_met(&self, target: Target) -> bool {
        let ratio = self.reference.as_ref().map_or(f64::NAN, |reference| reference.ratio);
        match target {
            Target::AtMost(bound) => self.value <= bound,
            Target::AtLeast(bound) => self.value >= bound,
            Target::RatioAtMost(bound) => ratio <= bound,
            Target::RatioAtLeast(bound) => ratio >= bound,
        }
    }

    fn row(&self) -> String {
        let mut row = format!("  {:64} {:>16}", self.name, format!("{} {}", shown(self.value), self.unit));
        if let Some(Reference { what, value, ratio }) = &self.reference {
            let _ = write!(row, "  {ratio:.2} x {what} ({} {})", shown(*value), self.unit);
        }
        if let Some((target, weight)) = self.target {
            let (sign, bound, unit) = match target {
                Target::AtMost(bound) => ("<=", bound, self.unit),
                Target::AtLeast(bound) => (">=", bound, self.unit),
                Target::RatioAtMost(bound) => ("<=", bound, "x"),
                Target::RatioAtLeast(bound) => (">=", bound, "x"),
            };
            let verdict = match (self.is_met(target), weight) {
                (true, _) => "met",
                (false, Weight::Said) => "missed",
                (false, Weight::Bound) => "BROKEN",
            };
            let _ = write!(row, "  {sign} {bound} {unit}  {verdict}");
        }
        row
    }

    fn json(&self) -> Value {
        let reference = self.reference.as_ref();
        let target = self.target.map(|(target, weight)| {
            let (of, bound, value) = match target {
                Target::AtMost(value) => ("value", "at_most", value),
                Target::AtLeast(value) => ("value", "at_least", value),
                Target::RatioAtMost(value) => ("ratio", "at_most", value),
                Target::RatioAtLeast(value) => ("ratio", "at_least", value),
            };
            json!({ "of": of, bound: value, "must": weight == Weight::Bound })
        });
        json!({
            "name": self.name, "value": self.value, "unit": self.unit,
            "reference": reference.map(|Reference { what, value, ratio }| json!({ "what": what, "value": value, "ratio": ratio })),
            "target": target,
        })
    }
}

/// Rows, printed as they are measured.
#[derive(Debug)]
pub struct Table;

impl Table {
    /// Begins with its title.
    #[must_use]
    pub fn new(title: &str) -> Self {
        says(&format!("\n{title}"));
        Self
    }

    /// A row for people alone.
    pub fn note(&self, what: &str, value: &str) {
        says(&format!("  {what:64} {value:>16}"));
    }

    /// A figure: the row, and the line for the runner.
    pub fn figure(&self, figure: &Figure) {
        says(&figure.row());
        says(&format!("figure {}", figure.json()));
    }
}

#[expect(clippy::print_stdout, reason = "a bench says its figures")]
fn says(line: &str) {
    println!("{line}");
}

fn shown(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// The value below which that share of them is; they are sorted by it.
pub fn quantile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * percent / 100]
}

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 50)
}

#[cfg(test)]
mod tests;
