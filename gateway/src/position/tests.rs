use super::*;

#[test]
fn the_waiting_time_follows_people_and_rate() {
    assert_eq!(eta_at(0, 50_000), Some(Eta { p50: 1, p90: 4 }));
    assert_eq!(eta_at(999, 50_000), Some(Eta { p50: 20, p90: 33 }));
    assert_eq!(eta_at(9, 500), Some(Eta { p50: 20, p90: 33 }));
}

#[test]
fn when_nobody_is_let_in_no_figure_is_given() {
    assert_eq!(eta_at(10, 0), None);
}

#[test]
fn the_range_holds_its_middle() {
    for ahead in [0, 1, 10, 1_000, 1_000_000] {
        for rate in [1, 999, 50_000, 10_000_000] {
            let eta = eta_at(ahead, rate).unwrap();
            assert!(eta.p50 >= 1 && eta.p90 > eta.p50, "{ahead} at {rate}: {eta:?}");
        }
    }
}

#[test]
fn nobody_is_told_to_be_silent_for_long() {
    let standings = [
        Standing::Waiting { ahead: 0 },
        Standing::Waiting { ahead: 5_000 },
        Standing::Waiting { ahead: 1_000_000 },
        Standing::Inside { until: Timestamp::UNIX_EPOCH },
    ];
    for standing in standings {
        assert!((1_000..=5_000).contains(&poll_after_ms(standing)), "{standing:?}");
    }
}
