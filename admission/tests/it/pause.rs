use admission::{Expired, Pause, PlaceView, Take};

use crate::onsale::{OPEN, Onsale, TTL_S};

#[tokio::test]
async fn a_pause_stops_admission_and_new_holds() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let waiting = sale.joins(sale.somebody()).await;
    sale.loader.set_paused(sale.id, Pause::Paused).await.unwrap();
    assert_eq!(sale.view().await.paused, Pause::Paused);
    assert_eq!(sale.ticks(&OPEN).await, []);
    assert_eq!(sale.takes(number, "ga", 1).await, Take::Paused);
    sale.loader.set_paused(sale.id, Pause::Running).await.unwrap();
    assert_eq!(sale.admits(&OPEN).await, [waiting]);
    sale.holds_units(number, "ga", 1).await;
}

#[tokio::test]
async fn turns_sessions_and_holds_go_on_with_what_was_left() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let numbers = sale.turns(2).await;
    let hold = sale.holds_units(numbers[0], "ga", 1).await;
    let before = sale.view().await;
    sale.loader.set_paused(sale.id, Pause::Paused).await.unwrap();
    sale.advance_s(5_000).await;
    sale.loader.set_paused(sale.id, Pause::Paused).await.unwrap();
    sale.ticks(&OPEN).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    sale.loader.set_paused(sale.id, Pause::Running).await.unwrap();
    sale.loader.set_paused(sale.id, Pause::Running).await.unwrap();

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
