use domain::SaleId;
use domain::token::Holder;

use super::*;

const PHASE: PhaseNo = PhaseNo(0);
const REGISTERED: Spot = Spot::Registration { phase: PHASE, index: 1 };
const NUMBER: PlaceNumber = PlaceNumber(7);
/// What the draw made of it.
const DRAWN: PlaceNumber = PlaceNumber(12);

fn place(spot: Spot) -> PlaceToken {
    let sale = SaleId::from_uuid(uuid::Uuid::nil());
    PlaceToken { sale, epoch: 1, spot, allowance: Allowance::Usual, holder: Holder([0; 16]) }
}

fn unhurried(spot: Spot) -> PlaceToken {
    PlaceToken { allowance: Allowance::MoreTime, ..place(spot) }
}

fn before() -> SaleDraws {
    SaleDraws::one(PHASE, 0, &[])
}

fn after() -> SaleDraws {
    SaleDraws::one(PHASE, 11, &[0, 1])
}

#[test]
fn a_number_that_was_heard_is_told_once() {
    let (mut presence, now) = (Presence::default(), Instant::now());
    presence.hear(&place(Spot::Number(NUMBER)), &before(), now);
    presence.hear(&place(Spot::Number(NUMBER)), &before(), now);
    assert_eq!(presence.take_heard(), [NUMBER]);
    assert!(presence.take_heard().is_empty());
    presence.give_back(vec![NUMBER]);
    assert_eq!(presence.take_heard(), [NUMBER], "Redis was away");
}

#[test]
fn a_registration_is_told_as_its_number_at_the_draw_and_nothing_before() {
    let (mut presence, now) = (Presence::default(), Instant::now());
    presence.hear(&place(REGISTERED), &before(), now);
    presence.seat(&before(), now);
    assert!(presence.take_heard().is_empty());
    presence.seat(&after(), now);
    assert_eq!(presence.take_heard(), [DRAWN]);
    presence.hear(&place(REGISTERED), &after(), now);
    assert_eq!(presence.take_heard(), [DRAWN], "its token goes on to speak for it");
}

#[test]
fn a_poll_counts_at_the_draw_for_as_long_as_the_line_remembers_one() {
    let (mut presence, now) = (Presence::default(), Instant::now());
    presence.hear(&place(REGISTERED), &before(), now);
    presence.seat(&after(), now + POLL_COUNTS_FOR);
    assert!(presence.take_heard().is_empty());
    assert!(presence.registered.is_empty(), "nothing is kept of a phase that is drawn");
}

#[test]
fn an_open_socket_counts_until_the_last_one_closes() {
    let (mut presence, now) = (Presence::default(), Instant::now());
    presence.connect(&place(REGISTERED), &before(), now).unwrap();
    presence.connect(&place(REGISTERED), &before(), now).unwrap();
    presence.disconnect(REGISTERED);
    presence.seat(&after(), now + 2 * POLL_COUNTS_FOR);
    assert_eq!(presence.take_heard(), [DRAWN]);
    presence.disconnect(REGISTERED);
    presence.count_connected(&after(), now);
    assert!(presence.take_heard().is_empty() && presence.connected.is_empty());
}

#[test]
fn who_gave_up_a_registration_is_not_here_at_the_draw() {
    let (mut presence, now) = (Presence::default(), Instant::now());
    presence.hear(&unhurried(REGISTERED), &before(), now);
    presence.forget(REGISTERED);
    presence.seat(&after(), now);
    assert!(presence.take_heard().is_empty() && presence.unhurried(&after(), 1).is_empty());
}

#[test]
fn more_time_is_told_once_in_each_epoch() {
    let (mut presence, now) = (Presence::default(), Instant::now());
    presence.hear(&unhurried(REGISTERED), &before(), now);
    assert!(presence.unhurried(&before(), 1).is_empty(), "a registration has no number to tell");
    assert_eq!(presence.unhurried(&after(), 1), [DRAWN]);
    presence.told_unhurried(&after(), 1, &[DRAWN]);
    assert!(presence.unhurried(&after(), 1).is_empty());
    presence.hear(&unhurried(REGISTERED), &after(), now);
    assert!(presence.unhurried(&after(), 1).is_empty(), "a poll does not tell it again");
    assert_eq!(presence.unhurried(&after(), 2), [DRAWN], "Redis was rebuilt");
}

#[test]
fn a_place_has_as_many_connections_as_a_person_may_need() {
    let (mut presence, now) = (Presence::default(), Instant::now());
    let mut connects = || presence.connect(&place(REGISTERED), &before(), now);
    assert!((0..CONNECTIONS_MAX).all(|_| connects().is_ok()));
    assert_eq!(connects(), Err(TooMany));
    presence.disconnect(REGISTERED);
    assert_eq!(presence.connect(&place(REGISTERED), &before(), now), Ok(()), "one was closed");
    (0..CONNECTIONS_MAX).for_each(|_| presence.disconnect(REGISTERED));
    assert!(presence.connected.is_empty());
}
