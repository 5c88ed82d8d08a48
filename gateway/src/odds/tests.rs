use super::*;

const NOTHING: Tally = Tally { epoch: 1, turns: 0, gone: 0 };

fn after(turns: u64, gone: u64) -> Tally {
    Tally { turns, gone, ..NOTHING }
}

/// What somebody is told with so many ahead, in front of whom nobody has a turn.
fn told(free: u64, held: u64, now: Tally, ahead: u64) -> Odds {
    Outlook::new(Left { free, held, pending: 0 }, taken_milli(NOTHING, now, 4), NOTHING).odds(ahead)
}

#[test]
fn before_anything_is_measured_everybody_may_take_as_much_as_one_may() {
    let told = |ahead| told(101, 0, NOTHING, ahead);
    assert_eq!((told(0), told(25)), (Odds::Likely, Odds::Likely), "25 × 4 and one more are 101");
    assert_eq!((told(26), told(100)), (Odds::Uncertain, Odds::Uncertain), "who takes one each leaves one");
    assert_eq!((told(101), told(200)), (Odds::Unlikely, Odds::Unlikely));
    assert_eq!((told(201), told(u64::MAX)), (Odds::Waitlist, Odds::Waitlist));
}

#[test]
fn then_what_they_took_counts_and_a_quarter_more_or_less() {
    // 2 each: 1.5 to 2.5.
    let told = |ahead| told(1_001, 0, after(100, 200), ahead);
    assert_eq!((told(400), told(401)), (Odds::Likely, Odds::Uncertain));
    assert_eq!((told(666), told(667)), (Odds::Uncertain, Odds::Unlikely));
    assert_eq!((told(1_333), told(1_334)), (Odds::Unlikely, Odds::Waitlist));
}

#[test]
fn a_few_turns_are_no_measure() {
    assert_eq!(taken_milli(NOTHING, after(19, 1), 4), (1_000, 4_000));
    assert_eq!(taken_milli(NOTHING, after(20, 40), 4), (1_500, 2_500));
}

#[test]
fn turns_that_took_nothing_promise_little_and_nobody_takes_more_than_one_may() {
    assert_eq!(taken_milli(NOTHING, after(1_000, 0), 4), (75, 125));
    assert_eq!(taken_milli(NOTHING, after(20, 1_000), 4), (3_000, 4_000));
    assert_eq!(taken_milli(NOTHING, after(20, 20), 0), (750, 1_000), "a limit of nothing is one of one");
}

#[test]
fn with_nothing_left_only_the_waitlist_is_left_and_what_is_held_may_come_back() {
    assert_eq!(told(0, 0, NOTHING, 0), Odds::Waitlist);
    assert_eq!(told(0, 1, NOTHING, 0), Odds::Uncertain);
    assert_eq!(told(1, 0, NOTHING, 0), Odds::Likely, "the last unit is for who is next");
    assert_eq!(told(1, 0, NOTHING, 1), Odds::Waitlist);
    assert_eq!(told(1, 1, NOTHING, 1), Odds::Uncertain);
}

#[test]
fn whoever_has_a_turn_and_took_nothing_comes_before_everybody_in_line() {
    let behind = |pending| Outlook::new(Left { free: 5, held: 0, pending }, (1_000, 1_000), NOTHING).odds(0);
    assert_eq!((behind(4), behind(5), behind(1_000)), (Odds::Likely, Odds::Unlikely, Odds::Waitlist));
}

#[test]
fn odds_never_rise_with_the_number_of_people_ahead() {
    for (free, held, turns, gone) in
        [(0, 0, 0, 0), (7, 3, 0, 0), (500, 20, 40, 100), (3, 900, 25, 1), (100_000, 5, 9_000, 30_000)]
    {
        let told: Vec<Odds> = (0..2_000).map(|ahead| told(free, held, after(turns, gone), ahead)).collect();
        assert!(told.is_sorted(), "free {free}, held {held}, {gone} in {turns} turns");
    }
}

#[test]
fn a_later_epoch_is_measured_from_where_it_was_first_seen() {
    let first = Tally { epoch: 2, turns: 3, gone: 900 };
    assert_eq!(first.beginning(), first);
    assert_eq!(after(50, 100).beginning(), NOTHING);
    let now = Tally { epoch: 2, turns: 103, gone: 1_000 };
    assert_eq!(taken_milli(first, now, 4), (750, 1_250));
}
