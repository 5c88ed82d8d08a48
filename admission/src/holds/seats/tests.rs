use super::*;

#[test]
fn a_seat_is_free_or_held_or_gone() {
    let seats = SeatBits::new(10, vec![0b1000_0000], vec![0b0100_0000, 0b0100_0000]);
    let states = [0, 1, 2, 8, 9, 10, 100_000].map(|unit| seats.state(UnitNo(unit)));
    let (free, held, gone) = (SeatState::Free, SeatState::Held, SeatState::Gone);
    assert_eq!(states, [free, held, gone, gone, held, gone, gone], "zeros may be left out");
}

#[test]
fn what_changed_is_told_seat_by_seat_and_a_seat_once() {
    let before = SeatBits::new(20, vec![0b1100_0000, 0, 0b1111_0000], vec![0b0010_0000]);
    let after = SeatBits::new(20, vec![0b1010_0000, 0, 0b1110_0000], vec![0b0100_0000, 0b0000_0001]);
    let changed: Vec<_> = after.unlike(&before).map(|unit| unit.0).collect();
    assert_eq!(changed, [1, 2, 15, 19]);
    assert_eq!(after.unlike(&after).count(), 0);
}
