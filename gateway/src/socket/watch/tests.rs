use super::*;
use crate::written::Written;

fn at(state: PlaceState, ahead: Option<u64>) -> Position {
    Position {
        state,
        sale_state: SaleState::Open,
        number: None,
        ahead,
        eta_s: None,
        odds: None,
        availability: Written::new(Vec::new()),
        pass: None,
        pass_expires_at: None,
        opens_at: None,
        pause: None,
        notice: None,
        epoch: 1,
        poll_after_ms: 1_000,
    }
}

#[test]
fn a_part_is_never_more_than_the_whole() {
    for _ in 0..1_000 {
        assert!(part_of(Duration::from_secs(5)) <= Duration::from_secs(5));
    }
}

#[test]
fn the_front_hears_every_tick_and_the_back_looks_now_and_then() {
    let waiting = |ahead| rhythm(&at(PlaceState::Waiting, Some(ahead)));
    assert_eq!((waiting(0), waiting(499)), (Rhythm::Tick, Rhythm::Tick));
    assert_eq!((waiting(500), waiting(1_000_000)), (Rhythm::Every(LOOK_MIDDLE), Rhythm::Every(LOOK_FAR)));
    assert_eq!(rhythm(&at(PlaceState::Admitted, None)), Rhythm::Tick);
    assert_eq!(rhythm(&at(PlaceState::Prequeue, None)), Rhythm::Every(LOOK_FAR), "its number is called out");
}

#[test]
fn those_who_were_called_together_do_not_look_together() {
    let now = Instant::now();
    let next = |spread| Rhythm::Every(LOOK_FAR).next(now, spread);
    assert_eq!(next(0), Next::At(now + LOOK_FAR));
    assert_eq!(next(u16::MAX), Next::At(now + LOOK_FAR - LOOK_FAR / SPREAD_PARTS));
}
