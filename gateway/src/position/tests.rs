use jiff::ToSpan as _;

use super::*;

#[test]
fn nobody_is_told_to_be_silent_for_long() {
    let standings = [
        Standing::Prequeue,
        Standing::Waiting { ahead: 0 },
        Standing::Waiting { ahead: 5_000 },
        Standing::Waiting { ahead: 1_000_000 },
        Standing::Inside { until: Timestamp::UNIX_EPOCH },
    ];
    for standing in standings {
        assert!((1_000..=5_000).contains(&poll_after_ms(standing)), "{standing:?}");
    }
}

#[test]
fn long_before_the_draw_polls_are_rare_and_shortly_before_it_they_count() {
    let now = Timestamp::UNIX_EPOCH;
    let after = |seconds: i64| poll_after_ms_before_draw(now, Some(now + seconds.seconds()));
    assert_eq!((after(3_600), after(121)), (30_000, 30_000));
    assert_eq!((after(120), after(1), after(-5)), (5_000, 5_000, 5_000));
    assert_eq!(poll_after_ms_before_draw(now, None), 5_000);
}
