use admission::PlaceView;
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale};
use crate::pace::CLOSED;

/// Lets time pass in which nobody is heard but the gateways tick.
async fn silence_s(sale: &Onsale, seconds: u32) {
    for _ in 0..seconds / 5 {
        sale.advance_s(5).await;
        sale.ticks(&CLOSED).await;
    }
    sale.advance_s(seconds % 5).await;
    sale.ticks(&CLOSED).await;
}

#[tokio::test]
async fn the_absent_are_passed_over_and_first_on_return() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(3).await;
    silence_s(&sale, 21).await;
    sale.hears(&numbers[1..]).await;
    let one = admission::Pace { max_shoppers: 1, ..OPEN };
    assert_eq!(sale.admits(&one).await, [numbers[1]]);
    sale.hears(&numbers[..1]).await;
    let two = admission::Pace { max_shoppers: 2, ..OPEN };
    assert_eq!(sale.admits(&two).await, [numbers[0]]);
}

#[tokio::test]
async fn silence_counts_only_after_15_s_and_at_the_latest_after_20() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.joins(sale.somebody()).await;
    silence_s(&sale, 14).await;
    assert_eq!(sale.place(number).await, PlaceView::Waiting { ahead: 0, live: true });
    silence_s(&sale, 6).await;
    assert_eq!(sale.place(number).await, PlaceView::Waiting { ahead: 0, live: false });
}

#[tokio::test]
async fn a_heartbeat_now_and_then_keeps_a_visitor_live() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.joins(sale.somebody()).await;
    for _ in 0..10 {
        silence_s(&sale, 14).await;
        assert_eq!(sale.place(number).await, PlaceView::Waiting { ahead: 0, live: true });
        sale.hears(&[number]).await;
    }
}

#[tokio::test]
async fn the_silent_keep_their_number_for_30_minutes_and_lose_it_by_the_60th() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let silent = sale.joins(sale.somebody()).await;
    let present = sale.joins(sale.somebody()).await;
    for _ in 0..3 {
        sale.advance_s(599).await;
        sale.ticks(&CLOSED).await;
        sale.hears(&[present]).await;
    }
    assert_eq!(sale.place(silent).await, PlaceView::Waiting { ahead: 0, live: false });
    for _ in 0..4 {
        sale.advance_s(600).await;
        sale.ticks(&CLOSED).await;
        sale.hears(&[present]).await;
    }
    assert_eq!(sale.place(silent).await, PlaceView::Expired);
    assert_eq!(sale.place(present).await, PlaceView::Waiting { ahead: 0, live: true });
}

#[tokio::test]
async fn gateways_that_were_all_away_lose_nobody_a_place() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(2).await;
    sale.advance_s(3 * 60 * 60).await;
    assert_eq!(sale.admits(&OPEN).await, [], "nobody was heard since");
    sale.hears(&numbers).await;
    assert_eq!(sale.admits(&OPEN).await, numbers);
}

#[tokio::test]
async fn heartbeats_of_numbers_far_apart_all_count() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.joins(sale.somebody()).await;
    silence_s(&sale, 21).await;
    sale.hears(&[PlaceNumber(9_000_000), number]).await;
    assert_eq!(sale.place(number).await, PlaceView::Waiting { ahead: 0, live: true });
}
