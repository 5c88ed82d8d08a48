use proptest::prelude::*;

use super::Attempt::{Authorised, Unfinished};
use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(milliseconds: f64) -> Duration {
    Duration::from_secs_f64(milliseconds / 1_000.0)
}

/// So many shares between 0 and 1, evenly apart: a sample without chance.
fn shares(count: u32) -> impl Iterator<Item = f64> {
    (0..count).map(move |index| (f64::from(index) + 0.5) / f64::from(count))
}

/// The time that a share of payments stays below, when they take 1.5 s on average.
fn exponential(share: f64) -> Duration {
    ms(-(1.0 - share).ln() * 1_500.0)
}

/// Four of five need nothing but the bank; the others a challenge of 10 to 50 s.
fn with_challenges(share: f64) -> Duration {
    if share < 0.8 { ms(500.0 + 1_000.0 * share) } else { ms(10_000.0 + (share - 0.8) * 200_000.0) }
}

fn authorised(times: impl IntoIterator<Item = Duration>) -> PaymentTimes {
    let mut seen = PaymentTimes::default();
    times.into_iter().for_each(|time| seen.add(Authorised, time, 1));
    seen
}

/// The percentile as it would be if attempts without an end were left out.
fn naive(seen: &PaymentTimes) -> Duration {
    let ended = seen.seen.iter().filter(|(_, seen)| seen.authorised > 0);
    let ended = authorised(ended.flat_map(|(after, seen)| (0..seen.authorised).map(|_| *after)));
    ended.p99(Duration::ZERO)
}

#[track_caller]
fn is_about(p99: Duration, wanted: Duration) {
    assert!(p99 >= wanted.mul_f64(0.95) && p99 <= wanted.mul_f64(1.05), "{p99:?} instead of {wanted:?}");
}

#[test]
fn it_is_the_percentile_of_what_was_authorised() {
    assert_eq!(authorised((1..=1_000).map(s)).p99(ASSUMED_P99), s(990));
    is_about(authorised(shares(5_000).map(exponential)).p99(ASSUMED_P99), exponential(0.99));
    is_about(authorised(shares(5_000).map(with_challenges)).p99(ASSUMED_P99), with_challenges(0.99));
}

#[test]
fn nothing_seen_leaves_what_was_assumed() {
    assert_eq!(PaymentTimes::default().p99(ASSUMED_P99), ASSUMED_P99);
    assert_eq!(PaymentTimes::default().p99(s(7)), s(7));
}

#[test]
fn few_quick_ones_shorten_nothing_and_a_few_slow_ones_count_at_once() {
    let quick = |count: u64| {
        let mut seen = PaymentTimes::default();
        seen.add(Authorised, s(2), count);
        seen.p99(ASSUMED_P99)
    };
    assert_eq!([1, 100, 296].map(quick), [ASSUMED_P99; 3]);
    assert_eq!([297, 300, 3_000].map(quick), [s(2); 3]);

    let slow = |count: u64| {
        let mut seen = PaymentTimes::default();
        seen.add(Authorised, s(90), count);
        seen.p99(ASSUMED_P99)
    };
    assert_eq!([1, 3].map(slow), [ASSUMED_P99; 2], "one in a hundred of those assumed may be slow");
    assert_eq!([4, 10, 1_000].map(slow), [s(90); 3]);
}

#[test]
fn who_has_just_pressed_pay_changes_nothing() {
    let mut seen = PaymentTimes::default();
    seen.add(Unfinished, ms(200.0), 5_000);
    assert_eq!(seen.p99(ASSUMED_P99), ASSUMED_P99);
    seen.add(Authorised, s(2), 1_000);
    assert_eq!(seen.p99(ASSUMED_P99), s(2));
}

#[test]
fn who_still_waits_is_not_left_out() {
    let mut seen = PaymentTimes::default();
    seen.add(Authorised, s(2), 950);
    seen.add(Unfinished, s(90), 50);
    assert_eq!(seen.p99(ASSUMED_P99), s(90));
    assert_eq!(naive(&seen), s(2), "to leave them out is to be wrong");
}

/// Everybody is looked at once, at any time since pressing Pay: of the slow ones most have not come to an end.
#[test]
fn looking_at_any_time_does_not_make_payments_quicker() {
    let mut seen = PaymentTimes::default();
    for (index, share) in (0u32..).zip(shares(20_000)) {
        let looked_at_after = ms((f64::from(index) * 0.618_033_988_75).fract() * 15_000.0);
        let took = exponential(share);
        match took <= looked_at_after {
            true => seen.add(Authorised, took, 1),
            false => seen.add(Unfinished, looked_at_after, 1),
        }
    }
    is_about(seen.p99(ASSUMED_P99), exponential(0.99));
    assert!(naive(&seen) < exponential(0.985), "{:?}", naive(&seen));
}

#[test]
fn late_ones_count() {
    let mut seen = authorised(std::iter::repeat_n(s(2), 970));
    seen.add(Authorised, s(700), 30);
    assert_eq!(seen.p99(ASSUMED_P99), s(700));
}

#[test]
fn those_who_walked_away_do_not_make_everybody_slow() {
    let mut seen = authorised(shares(1_000).map(with_challenges));
    let among_payers = seen.p99(ASSUMED_P99);
    seen.add(Unfinished, s(u64::from(PAYMENT_WINDOW_S)), 100);
    seen.add(Unfinished, s(200), 60);
    is_about(seen.p99(ASSUMED_P99), among_payers);
    // More are waiting than walked away: something is wrong now.
    seen.add(Unfinished, s(200), 60);
    assert!(seen.p99(ASSUMED_P99) >= s(200));
}

#[test]
fn one_who_is_very_late_beside_many_who_walked_away_is_one() {
    let mut seen = authorised(std::iter::repeat_n(s(2), 1_000));
    seen.add(Unfinished, s(900), 50);
    seen.add(Authorised, s(700), 1);
    assert_eq!(seen.p99(ASSUMED_P99), s(2));
}

#[test]
fn when_nobody_gets_through_it_grows_with_the_wait() {
    let mut seen = authorised(std::iter::repeat_n(s(2), 1_000));
    for waited in [10, 100, 500] {
        let mut now = seen.clone();
        now.add(Unfinished, s(waited), 300);
        assert_eq!(now.p99(ASSUMED_P99), s(waited));
    }
    seen.add(Unfinished, s(500), 20);
    seen.add(Unfinished, s(600), 10);
    assert_eq!(seen.p99(ASSUMED_P99), s(u64::from(PAYMENT_WINDOW_S)));
}

/// Ten a second press Pay; from second 1,800 to 2,700 it takes 60 s instead of 2. What a window of 900 s shows, every 10 s.
#[test]
fn it_follows_a_shift_from_2_s_to_60_s_and_back() {
    const WINDOW_S: u64 = 900;
    let (slow_from, slow_until) = (1_800, 2_700);
    let took = |pressed: u64| if (slow_from..slow_until).contains(&pressed) { s(60) } else { s(2) };
    let p99_at = |now: u64| {
        let mut seen = PaymentTimes::default();
        for pressed in now - WINDOW_S..now {
            let waited = s(now - pressed);
            match took(pressed) <= waited {
                true => seen.add(Authorised, took(pressed), 10),
                false => seen.add(Unfinished, waited, 10),
            }
        }
        seen.p99(ASSUMED_P99)
    };
    assert_eq!(p99_at(slow_from), s(2));
    for now in (slow_from + 20..slow_from + 60).step_by(10) {
        assert_eq!(p99_at(now), s(now - slow_from), "as long as the first of them waits");
    }
    for now in (slow_from + 60..slow_until + WINDOW_S - 10).step_by(10) {
        assert_eq!(p99_at(now), s(60), "at {now}");
    }
    assert_eq!(p99_at(slow_until + WINDOW_S), s(2), "forgotten with the window");
}

/// The same with a window of 1,800 s, while one in twenty walks away all the time.
#[test]
fn a_shift_shows_also_beside_those_who_always_walk_away() {
    const WINDOW_S: u64 = 1_800;
    const SLOW_FROM: u64 = 3_600;
    let p99_at = |now: u64| {
        let mut seen = PaymentTimes::default();
        for pressed in now - WINDOW_S..now {
            let (took, waited) = (if pressed < SLOW_FROM { s(2) } else { s(60) }, s(now - pressed));
            match took <= waited {
                true => seen.add(Authorised, took, 19),
                false => seen.add(Unfinished, waited, 19),
            }
            seen.add(Unfinished, waited, 1);
        }
        seen.p99(ASSUMED_P99)
    };
    assert_eq!(p99_at(SLOW_FROM), s(2));
    assert!(p99_at(SLOW_FROM + 50) >= s(50), "they are more than those who walked away");
    for after in [90, 300, 900, WINDOW_S] {
        assert_eq!(p99_at(SLOW_FROM + after), s(60), "{after} s later");
    }
}

#[test]
fn no_number_is_too_large() {
    let mut seen = PaymentTimes::default();
    seen.add(Authorised, Duration::MAX, 1 << 40);
    seen.add(Authorised, Duration::ZERO, 1 << 40);
    seen.add(Unfinished, Duration::MAX, 1 << 40);
    assert_eq!(seen.p99(ASSUMED_P99), Duration::MAX);
}

fn attempts() -> impl Strategy<Value = Vec<(Attempt, Duration)>> {
    let attempt = (any::<bool>(), 0u64..900_000);
    let attempt =
        attempt.prop_map(|(ended, ms)| (if ended { Authorised } else { Unfinished }, Duration::from_millis(ms)));
    prop::collection::vec(attempt, 0..600)
}

fn seen_of(attempts: &[(Attempt, Duration)]) -> PaymentTimes {
    let mut seen = PaymentTimes::default();
    attempts.iter().for_each(|(attempt, after)| seen.add(*attempt, *after, 1));
    seen
}

proptest! {
    #[test]
    fn order_and_parts_make_no_difference(attempts in attempts(), cut in 0usize..600) {
        let whole = seen_of(&attempts);
        let (first, second) = attempts.split_at(cut.min(attempts.len()));
        let mut parts = seen_of(second);
        parts.add_all(&seen_of(first));
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(parts.p99(ASSUMED_P99), whole.p99(ASSUMED_P99));
    }

    /// Without unfinished attempts it is the order statistic.
    #[test]
    fn without_censoring_it_is_the_plain_percentile(mut took in prop::collection::vec(0u64..900_000, 300..900)) {
        let seen = authorised(took.iter().map(|ms| Duration::from_millis(*ms)));
        took.sort_unstable();
        let at = (took.len() * 99).div_ceil(100) - 1;
        prop_assert_eq!(seen.p99(ASSUMED_P99), Duration::from_millis(took[at]));
    }

    /// Somebody who waits longer than anybody was seen to wait never makes it shorter.
    #[test]
    fn a_longer_wait_never_shortens_it(attempts in attempts(), longer in 0u64..600) {
        let seen = seen_of(&attempts);
        let mut with = seen.clone();
        let longest = seen.longest().min(window() - Duration::from_millis(1));
        with.add(Unfinished, longest, longer);
        if seen.given_up == 0 {
            prop_assert!(with.p99(ASSUMED_P99) >= seen.p99(ASSUMED_P99));
        }
    }
}
