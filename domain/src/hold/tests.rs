use super::HoldEvent::{ComeDue, Extend, Freeze, Lose, Release, Settle};
use super::HoldState::{Committed, Expired, Frozen, Held, Released};
use super::*;

#[test]
fn each_event_leads_where_the_table_says() {
    let table = [
        (Held, [Some(Released), Some(Held), Some(Frozen), Some(Expired), None, None]),
        (Frozen, [None, Some(Frozen), Some(Frozen), None, Some(Committed), Some(Released)]),
        (Committed, [None, None, None, None, Some(Committed), None]),
        (Released, [Some(Released), None, None, None, None, Some(Released)]),
        (Expired, [None, None, None, Some(Expired), None, None]),
    ];
    for (state, after) in table {
        let led = [Release, Extend, Freeze, ComeDue, Settle, Lose].map(|event| state.apply(event).ok());
        assert_eq!(led, after, "{state:?}");
    }
}

#[test]
fn a_refusal_names_the_state_and_the_event() {
    let refusal = Committed.apply(Release).unwrap_err();
    assert_eq!(refusal.to_string(), "a committed hold does not take Release");
}

#[test]
fn states_read_back_from_their_words() {
    for state in HoldState::ALL {
        assert_eq!(HoldState::from_word(state.word()), Some(state));
    }
    assert_eq!(HoldState::from_word("gone"), None);
}
