use admission::{Bypass, EventKind, Pace, PlaceView};
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale};
use crate::pace::CLOSED;

#[tokio::test]
async fn a_bypass_lets_one_in_before_the_others_and_is_told() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(5).await;
    let nobody = Pace { rate_per_s: 0, ..OPEN };
    sale.tick(&nobody).await;
    assert_eq!(sale.queue.bypass(sale.id, numbers[3]).await.unwrap(), Bypass::Granted);
    assert_eq!(sale.queue.bypass(sale.id, numbers[3]).await.unwrap(), Bypass::NotWaiting, "once");
    let tick = sale.tick(&nobody).await;
    let granted: Vec<_> = tick.unconfirmed.iter().map(|grant| grant.number).collect();
    let told: Vec<_> = tick.events.iter().map(|event| (event.kind, event.number)).collect();
    assert_eq!((granted, told), (vec![numbers[3]], vec![(EventKind::Bypassed, numbers[3])]));
    sale.queue.confirm(sale.id, &tick, &nobody).await.unwrap();
    assert!(matches!(sale.place(numbers[3]).await, PlaceView::Turn { .. }));
}

#[tokio::test]
async fn the_line_pays_for_a_bypass() {
    let sale = Onsale::of(&[("ga", 100)]).await;
    let numbers = sale.join_many(20).await;
    let pace = Pace { rate_per_s: 1, burst: 1, ..OPEN };
    sale.passes(1_000, 200, &pace, &numbers).await;
    let before = sale.view().await.admitted_total;
    for number in &numbers[15..] {
        assert_eq!(sale.queue.bypass(sale.id, *number).await.unwrap(), Bypass::Granted);
    }
    let ticks = sale.passes(5_000, 200, &pace, &numbers).await;
    let regular = ticks.iter().flat_map(|tick| &tick.unconfirmed).filter(|grant| grant.number < numbers[15]).count();
    assert_eq!(regular, 0, "five seconds of the rate went to the five");
    assert_eq!(sale.view().await.admitted_total, before + 5);
    sale.passes(2_000, 200, &pace, &numbers).await;
    assert!(sale.view().await.admitted_total > before + 5);
}

#[tokio::test]
async fn a_bypass_after_a_lull_counts_with_the_burst_behind_it() {
    let sale = Onsale::of(&[("ga", 100)]).await;
    let numbers = sale.join_many(20).await;
    let pace = Pace { rate_per_s: 1, burst: 5, ..OPEN };
    sale.passes(1_000, 200, &pace, &numbers).await;
    sale.passes(10_000, 1_000, &CLOSED, &numbers).await;
    assert_eq!(sale.queue.bypass(sale.id, numbers[19]).await.unwrap(), Bypass::Granted);
    let admitted = sale.admits(&pace).await;
    assert_eq!(admitted.len(), 5, "I8: the bypass is one of the five: {admitted:?}");
    assert!(admitted.contains(&numbers[19]));
}

#[tokio::test]
async fn cap_stock_and_standstill_hold_for_a_bypass_too() {
    let sale = Onsale::of(&[("ga", 2)]).await;
    let numbers = sale.join_many(5).await;
    assert_eq!(sale.queue.bypass(sale.id, numbers[0]).await.unwrap(), Bypass::Full, "no tick has said what the cap is");
    assert_eq!(sale.queue.bypass(sale.id, PlaceNumber(99)).await.unwrap(), Bypass::NotWaiting);

    let one_inside = Pace { max_shoppers: 1, ..OPEN };
    sale.advance_s(1).await;
    sale.admits(&one_inside).await;
    assert_eq!(sale.queue.bypass(sale.id, numbers[1]).await.unwrap(), Bypass::Full, "the cap");

    let exact = Pace { overbook: 0, ..OPEN };
    sale.admits(&exact).await;
    assert_eq!(sale.queue.bypass(sale.id, numbers[4]).await.unwrap(), Bypass::Full, "two units, two turns out");

    sale.tick(&OPEN).await;
    sale.loader.set_paused(sale.id, admission::Pause::Paused, 1).await.unwrap();
    let last = sale.joins(sale.somebody()).await;
    assert_eq!(sale.queue.bypass(sale.id, last).await.unwrap(), Bypass::Full, "it stands still");
    sale.loader.set_paused(sale.id, admission::Pause::Running, 2).await.unwrap();
    assert_eq!(sale.queue.bypass(sale.id, last).await.unwrap(), Bypass::Granted);
    sale.tick(&CLOSED).await;
}
