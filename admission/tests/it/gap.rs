//! A time without ticks is a pause, whatever it was: Redis frozen or cut off, its clock moved, every gateway dead.

use admission::{Expired, PlaceView, Take};
use jiff::SignedDuration;

use crate::onsale::{OPEN, Onsale, TTL_S};
use crate::pace::CLOSED;

const GAP_MS: i64 = 30_000;

/// Until when a number may use what it has.
async fn deadline(sale: &Onsale, number: domain::PlaceNumber) -> jiff::Timestamp {
    match sale.place(number).await {
        PlaceView::Turn { claim_by } => claim_by,
        PlaceView::Shopping { until } => until,
        other => panic!("{number} is not inside: {other:?}"),
    }
}

#[tokio::test]
async fn turns_sessions_and_holds_go_on_with_what_was_left_before_the_gap() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let numbers = sale.turns(2).await;
    sale.admits(&CLOSED).await;
    let hold = sale.holds_units(numbers[0], "ga", 1).await;
    let before = [deadline(&sale, numbers[0]).await, deadline(&sale, numbers[1]).await];

    sale.gap_ms(GAP_MS).await;
    sale.admits(&CLOSED).await;
    let gap = SignedDuration::from_millis(GAP_MS);
    let after = [deadline(&sale, numbers[0]).await, deadline(&sale, numbers[1]).await];
    assert_eq!(after, before.map(|before| before + gap));
    let held = sale.holds.look(sale.id, hold.id).await.unwrap().unwrap();
    assert_eq!(held.expires_at, hold.expires_at + gap);
}

#[tokio::test]
async fn nothing_runs_out_in_the_gap_before_the_tick_that_notices() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let numbers = sale.turns(2).await;
    sale.admits(&CLOSED).await;
    let hold = sale.holds_units(numbers[0], "ga", 1).await;
    sale.gap_ms(i64::from(TTL_S) * 10_000).await;
    assert_eq!(sale.holds.expire_due(sale.id, 10).await.unwrap(), Expired::default());
    assert!(matches!(sale.takes(numbers[1], "ga", 1).await, Take::Taken(_)), "the turn is as good as before");
    sale.admits(&CLOSED).await;
    assert_eq!(sale.holds.look(sale.id, hold.id).await.unwrap().unwrap().state, hold.state);
    let left_s = i64::from(TTL_S) * 1_000;
    sale.passes(left_s, 1_000, &CLOSED, &numbers).await;
    assert_eq!(sale.holds.expire_due(sale.id, 10).await.unwrap().released, [hold.id], "and then it does");
}

#[tokio::test]
async fn silence_in_the_gap_is_nobodys() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(3).await;
    sale.advance_s(1).await;
    sale.admits(&CLOSED).await;
    sale.gap_ms(GAP_MS).await;
    assert_eq!(sale.admits(&OPEN).await, numbers, "they were here before and are not passed over");
    sale.gap_ms(GAP_MS).await;
    sale.admits(&OPEN).await;
    assert_eq!(sale.view().await.shoppers(), 3, "nor do their turns lapse");
}

#[tokio::test]
async fn a_clock_that_goes_back_an_hour_keeps_nobody_waiting() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.turns(1).await;
    let pace = admission::Pace { rate_per_s: 5, burst: 5, ..OPEN };
    sale.admits(&pace).await;
    let before = deadline(&sale, numbers[0]).await;
    sale.gap_ms(-3_600_000).await;
    sale.admits(&pace).await;
    assert_eq!(deadline(&sale, numbers[0]).await, before - SignedDuration::from_hours(1));
    let waiting = sale.joins_in_batches(3).await;
    let ticks = sale.passes(1_000, 200, &pace, &waiting).await;
    let granted: Vec<_> = ticks.iter().flat_map(|tick| &tick.unconfirmed).map(|grant| grant.number).collect();
    assert_eq!(granted, waiting, "the bucket goes on");
}

#[tokio::test]
async fn a_pause_over_a_gap_moves_the_clocks_once() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    sale.admits(&CLOSED).await;
    let before = deadline(&sale, number).await;
    sale.loader.set_paused(sale.id, admission::Pause::Paused, 1).await.unwrap();
    sale.gap_ms(GAP_MS).await;
    sale.admits(&CLOSED).await;
    sale.loader.set_paused(sale.id, admission::Pause::Running, 2).await.unwrap();
    assert_eq!(deadline(&sale, number).await, before + SignedDuration::from_millis(GAP_MS));
}
