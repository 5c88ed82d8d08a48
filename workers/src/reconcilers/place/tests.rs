use std::time::Duration;

use jiff::Timestamp;

use super::Place;

const GRACE: Duration = Duration::from_secs(30);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn a_round_goes_on_where_the_last_one_ended() {
    let first = Place::of(None, at(10_000), GRACE);
    assert_eq!((first.since, first.until, first.after.as_deref()), (None, at(9_970), None));
    assert_eq!(first.span().since, None, "as far back as Stripe lists");

    let next = Place::of(Some("9970"), at(10_060), GRACE);
    assert_eq!((next.since, next.until), (Some(at(9_970)), at(10_030)));
    assert_eq!(next.span().since, Some(at(9_970 - 3_600)), "and an hour before that");
}

#[test]
fn a_span_that_is_too_long_is_gone_on_with() {
    for since in [None, Some(at(5_000))] {
        let middle = Place { since, until: at(9_970), after: Some("evt_7".to_owned()) };
        assert_eq!(Place::of(Some(&middle.in_words()), at(20_000), GRACE), middle);
    }
}

#[test]
fn what_nobody_wrote_is_a_beginning() {
    assert_eq!(Place::of(Some("who knows"), at(10_000), GRACE), Place::of(None, at(10_000), GRACE));
}
