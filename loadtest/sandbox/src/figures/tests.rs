use serde_json::Value;

use super::{Figure, Target, median, quantile};

/// What the runner's own test reads.
const LINES: &str = include_str!("../../../bench/tests/figures.txt");

#[test]
fn figures_are_what_the_runner_is_tested_with() {
    let printed = [
        Figure::new("holds", 23_382.0, "/s")
            .beside("bare answers", 84_000.0)
            .by_rounds(0.28)
            .should_be(Target::RatioAtLeast(0.5)),
        Figure::new("p99 of a hold", 8.9, "ms").should_be(Target::AtMost(10.0)),
        Figure::new("growth", 96.0, "us").beside("new books", 64.0).must_be(Target::RatioAtMost(1.5)),
        Figure::new("rows", 120.0, "/s"),
    ];
    let expected: Vec<Value> = LINES
        .lines()
        .filter_map(|line| line.strip_prefix("figure "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(printed.map(|figure| figure.json()).to_vec(), expected);
}

#[test]
fn a_row_says_how_the_run_went() {
    let held = Figure::new("holds", 42.0, "/s").beside("bare answers", 84.0);
    let row = |target| held.clone().must_be(target).row();
    assert!(row(Target::RatioAtLeast(0.5)).ends_with("0.50 x bare answers (84.00 /s)  >= 0.5 x  met"));
    assert!(row(Target::RatioAtLeast(0.6)).ends_with(">= 0.6 x  BROKEN"));
    assert!(row(Target::AtLeast(42.0)).ends_with(">= 42 /s  met"));
    assert!(row(Target::AtMost(41.0)).ends_with("<= 41 /s  BROKEN"));
    assert!(held.should_be(Target::RatioAtMost(0.4)).row().ends_with("<= 0.4 x  missed"));
}

#[test]
fn a_ratio_of_nothing_meets_no_target() {
    let none = Figure::new("holds", 42.0, "/s");
    assert!(none.clone().should_be(Target::RatioAtLeast(0.0)).row().ends_with("missed"));
    assert!(none.should_be(Target::RatioAtMost(9.0)).row().ends_with("missed"));
}

#[test]
fn quantiles_are_values_that_were_measured() {
    assert_eq!(quantile(&mut [3.0, 1.0, 2.0, 4.0], 100).to_bits(), 4.0_f64.to_bits());
    assert_eq!(median(&mut [9.0, 1.0, 5.0]).to_bits(), 5.0_f64.to_bits());
}
