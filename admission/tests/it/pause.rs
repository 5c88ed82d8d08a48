use admission::{Expired, Pause, PlaceView, Take};

use crate::onsale::{OPEN, Onsale, TTL_S};

#[tokio::test]
async fn a_pause_stops_admission_and_new_holds() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let waiting = sale.joins(sale.somebody()).await;
    sale.loader.set_paused(sale.id, Pause::Paused, 1).await.unwrap();
    assert_eq!(sale.view().await.paused, Pause::Paused);
    assert_eq!(sale.ticks(&OPEN).await, []);
    assert_eq!(sale.takes(number, "ga", 1).await, Take::Paused);
    sale.loader.set_paused(sale.id, Pause::Running, 2).await.unwrap();
    assert_eq!(sale.admits(&OPEN).await, [waiting]);
    sale.holds_units(number, "ga", 1).await;
}

#[tokio::test]
async fn turns_sessions_and_holds_go_on_with_what_was_left() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let numbers = sale.turns(2).await;
    let hold = sale.holds_units(numbers[0], "ga", 1).await;
    let before = sale.view().await;
    sale.loader.set_paused(sale.id, Pause::Paused, 3).await.unwrap();
    sale.advance_s(5_000).await;
    sale.loader.set_paused(sale.id, Pause::Paused, 4).await.unwrap();
    sale.ticks(&OPEN).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    sale.loader.set_paused(sale.id, Pause::Running, 5).await.unwrap();
    sale.loader.set_paused(sale.id, Pause::Running, 6).await.unwrap();

    let after = sale.view().await;
    let stood_ms = |earlier: jiff::Timestamp, later: jiff::Timestamp| later.as_millisecond() - earlier.as_millisecond();
    let moved = match (before.place(numbers[1]), after.place(numbers[1])) {
        (PlaceView::Turn { claim_by: earlier }, PlaceView::Turn { claim_by: later }) => stood_ms(earlier, later),
        other => panic!("{other:?}"),
    };
    assert!((5_000_000..5_020_000).contains(&moved), "{moved} ms");
    let held = sale.holds.look(sale.id, hold.id).await.unwrap().unwrap();
    assert_eq!(stood_ms(hold.expires_at, held.expires_at), moved);
    sale.advance_s(TTL_S).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap().released, [hold.id]);
}

/// The order was refused, then the sale stood still for longer than the hold had left.
#[tokio::test]
async fn a_frozen_hold_is_not_over_while_the_sale_stands_still() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 1).await;
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    sale.loader.set_paused(sale.id, Pause::Paused, 3).await.unwrap();
    sale.advance_s(10 * TTL_S).await;
    let asked = Expired { frozen_due: vec![hold.id], ..Expired::default() };
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), asked);
    sale.loader.set_paused(sale.id, Pause::Running, 5).await.unwrap();
    let after = sale.holds.look(sale.id, hold.id).await.unwrap().unwrap();
    assert_eq!(after.expires_at, hold.expires_at + jiff::SignedDuration::from_secs(10 * i64::from(TTL_S)));
    sale.advance_s(TTL_S).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap().frozen_over, [hold.id]);
}

#[tokio::test]
async fn of_gateways_that_know_different_versions_the_latest_decision_stands() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let paused = async |pause, version| {
        sale.loader.set_paused(sale.id, pause, version).await.unwrap();
        sale.view().await.paused
    };
    assert_eq!(paused(Pause::Paused, 7).await, Pause::Paused);
    assert_eq!(paused(Pause::Running, 6).await, Pause::Paused, "a gateway that has not heard of the pause");
    assert_eq!(paused(Pause::Running, 8).await, Pause::Running);
    assert_eq!(paused(Pause::Paused, 7).await, Pause::Running, "nor undoes one the end of it");
    assert_eq!(paused(Pause::Running, 8).await, Pause::Running);
}

#[tokio::test]
async fn a_pause_outlives_a_load_into_a_redis_that_was_not_lost() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    sale.loader.set_paused(sale.id, Pause::Paused, 7).await.unwrap();
    sale.loader.load(&sale.snapshot(2, &[("ga", 3)])).await.unwrap();
    assert_eq!(sale.view().await.paused, Pause::Paused);
    sale.loader.set_paused(sale.id, Pause::Running, 8).await.unwrap();
    assert_eq!(sale.view().await.paused, Pause::Running);
}
