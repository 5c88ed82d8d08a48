use admission::{Grant, Pace, PlaceView, Take};
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale};
use crate::pace::CLOSED;

#[tokio::test]
async fn admission_is_by_number() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(30).await;
    sale.advance_s(1).await;
    let ten = Pace { max_shoppers: 10, ..OPEN };
    assert_eq!(sale.admits(&ten).await, numbers[..10]);
    let twenty = Pace { max_shoppers: 20, ..OPEN };
    assert_eq!(sale.admits(&twenty).await, numbers[10..20]);
}

#[tokio::test]
async fn a_grant_is_delivered_until_it_is_confirmed_and_shown_only_then() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.joins(sale.somebody()).await;
    sale.advance_s(1).await;
    let tick = sale.tick(&OPEN).await;
    let first: Vec<Grant> = tick.unconfirmed.clone();
    assert_eq!(first.iter().map(|grant| (grant.number, grant.epoch)).collect::<Vec<_>>(), [(number, 1)]);
    assert_eq!(sale.place(number).await, PlaceView::Waiting { ahead: 0, live: true });
    assert_eq!(sale.takes(number, "ga", 1).await, Take::PassExpired, "an unconfirmed turn is no pass");
    sale.advance_s(OPEN.claim_window_s + 1).await;
    assert_eq!(sale.ticks(&OPEN).await, first, "another gateway goes on where the first one died");
    sale.hears(&[number]).await;
    assert_eq!(sale.queue.confirm(sale.id, &tick, &OPEN).await.unwrap(), 1);
    assert_eq!(sale.queue.confirm(sale.id, &tick, &OPEN).await.unwrap(), 0, "it began once");
    assert_eq!(sale.ticks(&CLOSED).await, []);
    let view = sale.view().await;
    let PlaceView::Turn { claim_by } = view.place(number) else { panic!("{:?}", view.place(number)) };
    let window_s = claim_by.as_second() - view.now.as_second();
    assert!((110..=120).contains(&window_s), "the window runs from the confirmation: {window_s} s");
}

#[tokio::test]
async fn an_unused_turn_lapses_its_slot_goes_on_and_the_visitor_stays_first() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(3).await;
    let one = Pace { max_shoppers: 1, claim_window_s: 10, ..OPEN };
    sale.advance_s(1).await;
    assert_eq!(sale.admits(&one).await, numbers[..1]);
    sale.advance_s(10).await;
    sale.hears(&numbers).await;
    let tick = sale.tick(&one).await;
    assert_eq!(tick.lapsed, 1);
    assert_eq!(tick.unconfirmed.iter().map(|grant| grant.number).collect::<Vec<_>>(), numbers[1..2]);
    sale.hears(&numbers).await;
    assert_eq!(sale.place(numbers[0]).await, PlaceView::Waiting { ahead: 0, live: true });
    let two = Pace { max_shoppers: 2, ..one };
    sale.advance_ms(1).await;
    let next: Vec<_> = sale.ticks(&two).await.iter().map(|grant| grant.number).collect();
    assert_eq!(next, [numbers[0], numbers[1]].into_iter().rev().collect::<Vec<_>>(), "oldest grant first");
}

#[tokio::test]
async fn a_turn_whose_visitor_falls_silent_lapses_before_its_window_is_over() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.turns(2).await;
    for _ in 0..4 {
        sale.advance_s(5).await;
        sale.hears(&numbers[1..]).await;
        sale.admits(&CLOSED).await;
    }
    assert_eq!(sale.place(numbers[0]).await, PlaceView::Waiting { ahead: 0, live: false });
    assert!(matches!(sale.place(numbers[1]).await, PlaceView::Turn { .. }));
}

#[tokio::test]
async fn a_lapsed_turn_is_no_pass_even_before_the_tick_that_notices() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.turns(1).await;
    sale.advance_s(OPEN.claim_window_s).await;
    assert_eq!(sale.takes(numbers[0], "ga", 1).await, Take::PassExpired);
}

#[tokio::test]
async fn the_first_hold_turns_the_claim_window_into_a_session() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(1).await[0];
    sale.holds_units(number, "ga", 1).await;
    let view = sale.view().await;
    let PlaceView::Shopping { until } = view.place(number) else { panic!("{:?}", view.place(number)) };
    let left_s = until.as_second() - view.now.as_second();
    assert!((590..=600).contains(&left_s), "{left_s} s");
    sale.advance_s(OPEN.session_s).await;
    let tick = sale.tick(&OPEN).await;
    assert_eq!((tick.ended, sale.place(number).await), (1, PlaceView::Expired));
    assert_eq!(sale.takes(number, "ga", 1).await, Take::PassExpired);
}

#[tokio::test]
async fn a_session_is_never_over_before_its_hold() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(1).await[0];
    let mut wish = crate::onsale::wish(number, &[("ga", 1)]);
    (wish.session_s, wish.ttl_s) = (30, 300);
    let hold = crate::onsale::taken(sale.holds.take(sale.id, &wish).await.unwrap());
    assert_eq!(sale.place(number).await, PlaceView::Shopping { until: hold.expires_at });
}

#[tokio::test]
async fn an_ended_session_frees_its_slot_and_does_not_come_back() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(1).await[0];
    let waiting = sale.joins(sale.somebody()).await;
    let one = Pace { max_shoppers: 1, ..OPEN };
    sale.holds_units(number, "ga", 1).await;
    assert_eq!(sale.admits(&one).await, []);
    sale.queue.end_session(sale.id, number).await.unwrap();
    sale.queue.end_session(sale.id, number).await.unwrap();
    sale.hears(&[number]).await;
    assert_eq!(sale.admits(&one).await, [waiting]);
    assert_eq!(sale.place(number).await, PlaceView::Expired);
}

#[tokio::test]
async fn nobody_is_admitted_when_nothing_is_free_or_held() {
    let sale = Onsale::of(&[("ga", 1)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 1).await;
    let waiting = sale.joins(sale.somebody()).await;
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    sale.holds.commit(sale.id, hold.id).await.unwrap();
    assert_eq!(sale.admits(&OPEN).await, [], "every unit is ordered");
    sale.holds.units_return(sale.id, crate::onsale::some_request(), 1, &hold.units).await.unwrap();
    assert_eq!(sale.admits(&OPEN).await, [waiting]);
}

#[tokio::test]
async fn a_number_that_was_never_given_has_no_pass() {
    let sale = Onsale::of(&[("ga", 1)]).await;
    assert_eq!(sale.takes(PlaceNumber(9), "ga", 1).await, Take::PassUnknown);
}

/// A tick delivers 500 turns at most: what it leaves for the next one are the last of the line.
#[tokio::test]
async fn turns_that_wait_to_be_confirmed_are_delivered_in_the_order_of_their_numbers() {
    let sale = Onsale::of(&[("ga", 2_000)]).await;
    let numbers = sale.joins_in_batches(1_300).await;
    sale.advance_s(1).await;
    let mut delivered = sale.admits(&Pace { burst: 500, ..OPEN }).await;
    sale.advance_s(1).await;
    assert_eq!(sale.ticks(&Pace { burst: 400, ..OPEN }).await.len(), 400);
    for _ in 0..2 {
        sale.advance_s(1).await;
        delivered.extend(sale.admits(&OPEN).await);
    }
    assert_eq!(delivered, numbers);
}
