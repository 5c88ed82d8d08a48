use super::*;

mod simulation;

/// A line of `waiting` people at a second, of whom so many were let in.
fn at(second: i64, admitted_total: u64) -> Sample {
    let now = Timestamp::from_second(1_700_000_000 + second).unwrap();
    Sample { now, admitted_total, waiting: 1_000, room: 100, motion: Motion::Moving }
}

/// After `seconds` of ten a second.
fn measured(seconds: i64) -> Estimator {
    let mut estimator = Estimator::new(50);
    for second in 0..=seconds {
        estimator.sample(at(second, u64::try_from(second).unwrap() * 10));
    }
    estimator
}

#[test]
fn at_first_the_configured_rate_stands_in_for_those_who_find_room() {
    let mut estimator = Estimator::new(50);
    assert_eq!(estimator.forecast().eta(0), None, "nothing was seen yet");
    estimator.sample(at(0, 0));
    assert!(estimator.forecast().eta(99).is_some_and(|eta| eta.p50 == 2 && eta.p10 >= 1 && eta.p90 <= 4));
    assert_eq!(estimator.forecast().eta(100), None, "when the first slot comes back nobody knows");
    estimator.set_rate(10);
    assert!(estimator.forecast().eta(99).is_some_and(|eta| eta.p50 == 10));
}

#[test]
fn then_what_is_measured_counts() {
    let eta = measured(60).forecast().eta(999).unwrap();
    assert!(eta.p50 == 100 && (75..90).contains(&eta.p10) && (115..135).contains(&eta.p90), "{eta:?}");
}

#[test]
fn while_nothing_moves_there_is_no_figure() {
    let mut paused = measured(60);
    paused.sample(Sample { motion: Motion::Standing, ..at(61, 600) });
    assert_eq!(paused.forecast().eta(10), None);
    paused.sample(at(70, 600));
    assert_eq!(
        paused.forecast().eta(999),
        measured(60).forecast().eta(999),
        "the pause says nothing about what comes after it"
    );
    let mut stuck = measured(60);
    (61..200).for_each(|second| stuck.sample(at(second, 600)));
    assert_eq!(stuck.forecast().eta(10), None);
}

#[test]
fn an_empty_line_a_gap_and_a_total_that_begins_anew_say_nothing() {
    let mut estimator = measured(60);
    let known = estimator.forecast().eta(999);
    for second in 61..100 {
        estimator.sample(Sample { waiting: 0, ..at(second, 600) });
    }
    estimator.sample(at(200, 600));
    estimator.sample(at(201, 0));
    assert_eq!(estimator.forecast().eta(999), known);
}

#[test]
fn a_range_holds_its_middle_and_no_range_is_shown_that_says_nothing() {
    for ahead in [0, 1, 10, 1_000, 100_000, 10_000_000] {
        for rate in [0.01, 0.5, 50.0, 10_000.0] {
            if let Some(eta) = range(&Outlook::of_rate(rate), ahead) {
                assert!(eta.p10 <= eta.p50 && eta.p50 <= eta.p90 && eta.p90 >= 1, "{ahead} at {rate}: {eta:?}");
            }
        }
    }
    assert_eq!(range(&Outlook::of_rate(0.0), 10), None);
    assert_eq!(range(&Outlook::of_rate(0.01), 10_000), None, "more than a day");
    assert_eq!(range(&Outlook::of_rate(1.0), u64::MAX), None);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut estimator = measured(i64::try_from(flow::HISTORY_MAX_S).unwrap() + 100);
    estimator.sample(at(1_000_000, 0));
    assert!(estimator.forecast().eta(999).is_some_and(|eta| eta.p50 == 100));
}
