use std::collections::BTreeSet;

use admission::keys::SaleKeys;
use admission::{Join, Leave, PlaceView};
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale, ask, join};
use crate::pace::CLOSED;

const SLOT_MS: i64 = 2_500;

#[tokio::test(flavor = "multi_thread")]
async fn joins_at_once_get_the_numbers_from_1_on_each_once() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let joins = (0..300).map(|_| {
        let (queue, sale, holder) = (sale.queue.clone(), sale.id, sale.somebody());
        async move { join(&queue, sale, ask(holder)).await.unwrap() }
    });
    let mut tasks: tokio::task::JoinSet<Join> = joins.collect();
    let mut numbers = BTreeSet::new();
    while let Some(join) = tasks.join_next().await {
        match join.unwrap() {
            Join::New { number: PlaceNumber(number), .. } => {
                assert!(numbers.insert(number), "{number} was handed out twice")
            }
            other => panic!("every visitor is new: {other:?}"),
        }
    }
    assert_eq!(numbers, (1..=300).collect());
}

#[tokio::test]
async fn a_repeated_join_gives_the_same_number_and_consumes_none() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    assert_eq!(sale.asks(ask(ann)).await, Join::New { number: PlaceNumber(1), epoch: 1 });
    for _ in 0..10 {
        assert_eq!(sale.asks(ask(ann)).await, Join::Existing { number: PlaceNumber(1), epoch: 1 });
    }
    assert_eq!(sale.joins(sale.somebody()).await, PlaceNumber(2));
}

#[tokio::test]
async fn a_join_finds_the_number_through_the_turn_and_the_session() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    let number = sale.joins(ann).await;
    sale.advance_s(1).await;
    sale.ticks(&OPEN).await;
    assert_eq!(sale.joins(ann).await, number, "granted");
    sale.admits(&OPEN).await;
    assert_eq!(sale.joins(ann).await, number, "with a turn");
    sale.holds_units(number, "ga", 1).await;
    assert_eq!(sale.joins(ann).await, number, "shopping");
    sale.advance_s(OPEN.session_s).await;
    sale.ticks(&OPEN).await;
    assert_eq!(sale.place(number).await, PlaceView::Expired);
    assert_eq!(sale.joins(ann).await, PlaceNumber(2), "after the session a new place");
}

#[tokio::test]
async fn no_number_is_handed_out_above_the_reserved_mark() {
    let sale = Onsale::unloaded().await;
    sale.loader.load(&sale.snapshot(1, &[("ga", 1)])).await.unwrap();
    assert_eq!(sale.asks(ask(sale.somebody())).await, Join::ReserveNumbers);
    sale.queue.raise_reserved(sale.id, 2).await.unwrap();
    assert_eq!(sale.join_many(2).await, [PlaceNumber(1), PlaceNumber(2)]);
    assert_eq!(sale.asks(ask(sale.somebody())).await, Join::ReserveNumbers);
    sale.queue.raise_reserved(sale.id, 1).await.unwrap();
    assert_eq!(sale.asks(ask(sale.somebody())).await, Join::ReserveNumbers, "the mark never falls");
}

#[tokio::test]
async fn people_ahead_are_the_live_ones_with_smaller_numbers() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(200).await;
    sale.advance_s(21).await;
    sale.ticks(&crate::pace::CLOSED).await;
    sale.hears(&[numbers[2], numbers[70], numbers[199]]).await;
    let view = sale.view().await;
    assert_eq!(view.waiting(), 3);
    assert_eq!(view.next_number, 201);
    assert_eq!(view.place(numbers[70]), PlaceView::Waiting { ahead: 1, live: true });
    assert_eq!(view.place(numbers[71]), PlaceView::Waiting { ahead: 2, live: false });
    assert_eq!(view.place(numbers[0]), PlaceView::Waiting { ahead: 0, live: false });
    assert_eq!(view.place(PlaceNumber(201)), PlaceView::Unknown);
    assert_eq!(view.place(PlaceNumber(0)), PlaceView::Unknown);
}

#[tokio::test]
async fn who_leaves_is_gone_at_once_and_joins_anew() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    let first = sale.joins(ann).await;
    let second = sale.joins(sale.somebody()).await;
    assert_eq!(sale.queue.leave(sale.id, first, ann).await.unwrap(), Leave::Left);
    assert_eq!(sale.queue.leave(sale.id, first, ann).await.unwrap(), Leave::Left, "leaving twice is leaving once");
    assert_eq!(sale.place(first).await, PlaceView::Left);
    assert_eq!(sale.place(second).await, PlaceView::Waiting { ahead: 0, live: true });
    sale.hears(&[first]).await;
    sale.advance_s(1).await;
    assert_eq!(sale.admits(&OPEN).await, [second], "a sign of life does not bring back who left");
    assert_eq!(sale.asks(ask(ann)).await, Join::New { number: PlaceNumber(3), epoch: 1 });
}

#[tokio::test]
async fn who_has_no_place_cannot_leave() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let left = sale.queue.leave(sale.id, PlaceNumber(4), sale.somebody()).await.unwrap();
    assert_eq!(left, Leave::NotHere);
}

#[tokio::test]
async fn leaving_inside_frees_the_slot() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    let first = sale.joins(ann).await;
    let second = sale.joins(sale.somebody()).await;
    let one_inside = admission::Pace { max_shoppers: 1, ..OPEN };
    sale.advance_s(1).await;
    assert_eq!(sale.admits(&one_inside).await, [first]);
    assert_eq!(sale.admits(&one_inside).await, []);
    sale.queue.leave(sale.id, first, ann).await.unwrap();
    assert_eq!(sale.admits(&one_inside).await, [second]);
}

/// A bitmap that grows by single bits takes twice its size, and at a million visitors every bit of it counts.
#[tokio::test]
async fn room_to_grow_is_given_back_each_slot_whoever_begins_it() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let line = SaleKeys::new(sale.id).clock_offset().replace("clock_offset", "line");
    sale.joins_in_batches(40_000).await;
    sale.tick(&CLOSED).await;
    for _ in 0..2 {
        sale.advance_ms(SLOT_MS).await;
        sale.joins_in_batches(20_000).await;
        sale.tick(&CLOSED).await;
        let (takes, has) = (sale.command(&["MEMORY", "USAGE", &line]).await, sale.command(&["STRLEN", &line]).await);
        let (takes, has) = (takes.as_u64().unwrap(), has.as_u64().unwrap());
        assert!(2 * takes < 3 * has, "{takes} bytes for {has}");
    }
}
