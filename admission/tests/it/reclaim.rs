//! Holds given back on their receipts after Redis was lost.

use admission::{AdmissionError, GrantRow, HoldView, Reclaim, ReclaimHold, Release, Take};
use domain::PlaceNumber;
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::onsale::{self, OPEN, Onsale, TTL_S, any, some_hold, stalls, taken, together, unit_numbers, wish_for};

const WINDOW_S: u32 = 30;

/// What a buyer sends who was told of a hold in the first epoch.
fn receipt(hold: &HoldView) -> ReclaimHold {
    onsale::receipt(hold, 2)
}

/// Redis is lost and loaded again, with everybody inside who was.
async fn is_rebuilt(sale: &Onsale, tiers: &[(&str, u32)], inside: &[PlaceNumber]) {
    sale.loses_redis().await;
    let until = Timestamp::from_millisecond(sale.now_ms() + 600_000).unwrap();
    let snapshot = admission::Snapshot {
        reserved_number: 1_000,
        grants: inside.iter().map(|number| GrantRow { number: *number, until }).collect(),
        reclaim_window_s: WINDOW_S,
        ..sale.snapshot(2, tiers)
    };
    sale.loader.load(&snapshot).await.unwrap();
    sale.queue.raise_reserved(sale.id, 2_000).await.unwrap();
}

#[tokio::test]
async fn a_hold_comes_back_with_its_units_and_its_time() {
    let tiers = [("ga", 10), ("balcony", 4)];
    let sale = Onsale::of(&tiers).await;
    let numbers = sale.turns(2).await;
    sale.holds_units(numbers[0], "ga", 2).await;
    let hold =
        taken(sale.holds.take(sale.id, &wish_for(numbers[1], &[("ga", any(3)), ("balcony", any(1))])).await.unwrap());
    sale.advance_s(20).await;
    is_rebuilt(&sale, &tiers, &numbers).await;

    assert_eq!(sale.holds.look(sale.id, hold.id).await.unwrap(), None);
    let Reclaim::Reclaimed(back) = sale.holds.reclaim(sale.id, &receipt(&hold)).await.unwrap() else { panic!("free") };
    assert_eq!(back, hold, "same units, same end");
    assert_eq!((sale.stock("ga").await.free, sale.stock("ga").await.held), (7, 3));
    assert_eq!(sale.holds.reclaim(sale.id, &receipt(&hold)).await.unwrap(), Reclaim::Live(hold.clone()), "again");
    assert_eq!(sale.stock("ga").await.held, 3);

    sale.advance_s(TTL_S - 20).await;
    assert_eq!(sale.holds.expire_due(sale.id, 10).await.unwrap().released, [hold.id]);
    assert_eq!(sale.holds.reclaim(sale.id, &receipt(&hold)).await.unwrap(), Reclaim::Ended);
    assert_eq!(sale.stock("balcony").await.free, 4);
}

#[tokio::test]
async fn in_the_window_only_receipts_are_honoured_and_nobody_is_let_in() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let numbers = sale.turns(2).await;
    let hold = sale.holds_units(numbers[0], "ga", 2).await;
    is_rebuilt(&sale, &[("ga", 3)], &numbers).await;
    let waiting = sale.join_many(1).await;

    assert_eq!(sale.takes(numbers[1], "ga", 3).await, Take::Reclaiming { left_s: WINDOW_S });
    let ticks = sale.passes(i64::from(WINDOW_S) * 1_000 - 500, 500, &OPEN, &waiting).await;
    assert!(ticks.iter().all(|tick| tick.unconfirmed.is_empty()), "let in for units that come back");
    assert_eq!(sale.takes(numbers[1], "ga", 3).await, Take::Reclaiming { left_s: 1 });
    let back = sale.holds.reclaim(sale.id, &receipt(&hold)).await.unwrap();
    assert!(matches!(back, Reclaim::Reclaimed(_)), "{back:?}");

    let ticks = sale.passes(1_000, 500, &OPEN, &waiting).await;
    assert_eq!(ticks.iter().flat_map(|tick| &tick.unconfirmed).count(), 1, "let in again");
    assert!(matches!(sale.takes(numbers[1], "ga", 3).await, Take::AllHeld { .. }));
    assert_eq!(unit_numbers(&sale.holds_units(numbers[1], "ga", 1).await), [2]);
}

/// A Redis that stood still in the window gives the window what it stood.
#[tokio::test]
async fn a_window_in_which_nobody_was_heard_is_longer_by_that_time() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let numbers = sale.turns(1).await;
    is_rebuilt(&sale, &[("ga", 3)], &numbers).await;
    sale.gap_ms(20_000).await;
    sale.tick(&OPEN).await;
    assert_eq!(sale.takes(numbers[0], "ga", 1).await, Take::Reclaiming { left_s: WINDOW_S });
}

#[tokio::test]
async fn after_the_window_a_receipt_is_good_while_its_units_are_free() {
    let sale = Onsale::of(&[("ga", 2)]).await;
    let numbers = sale.turns(3).await;
    let (early, late) = (sale.holds_units(numbers[0], "ga", 1).await, sale.holds_units(numbers[1], "ga", 1).await);
    is_rebuilt(&sale, &[("ga", 2)], &numbers).await;
    sale.advance_s(WINDOW_S).await;
    assert_eq!(unit_numbers(&sale.holds_units(numbers[2], "ga", 1).await), unit_numbers(&early));
    assert_eq!(sale.holds.reclaim(sale.id, &receipt(&early)).await.unwrap(), Reclaim::SeatTaken);
    assert_eq!(sale.holds.reclaim(sale.id, &receipt(&late)).await.unwrap(), Reclaim::Reclaimed(late));
}

#[tokio::test]
async fn what_a_receipt_cannot_have_is_refused_and_nothing_is_taken() {
    let sale = Onsale::of(&[("ga", 9)]).await;
    let numbers = sale.turns(3).await;
    let hold = sale.holds_units(numbers[0], "ga", 3).await;
    let other = sale.holds_units(numbers[1], "ga", 1).await;
    is_rebuilt(&sale, &[("ga", 9)], &numbers).await;
    let asks = async |wish: ReclaimHold| sale.holds.reclaim(sale.id, &wish).await;

    for epoch in [1, 3] {
        let elsewhere = asks(ReclaimHold { epoch, ..receipt(&hold) }).await;
        assert!(matches!(elsewhere, Err(AdmissionError::NotLoaded)), "Postgres was asked in {epoch}: {elsewhere:?}");
    }
    assert_eq!(asks(ReclaimHold { receipt_epoch: 0, ..receipt(&hold) }).await.unwrap(), Reclaim::Ended, "sold since");
    let over = Timestamp::from_millisecond(sale.now_ms()).unwrap();
    assert_eq!(asks(ReclaimHold { expires_at: over, ..receipt(&hold) }).await.unwrap(), Reclaim::Ended);
    let unknown = HoldView {
        units: vec![admission::HeldUnit { tier: "vip".parse().unwrap(), unit: domain::UnitNo(0) }],
        ..hold.clone()
    };
    assert_eq!(asks(receipt(&unknown)).await.unwrap(), Reclaim::SeatTaken);
    assert_eq!(sale.stock("ga").await.held, 0);

    assert_eq!(asks(receipt(&other)).await.unwrap(), Reclaim::Reclaimed(other.clone()));
    let overlapping =
        HoldView { id: some_hold(), units: [hold.units.clone(), other.units.clone()].concat(), ..hold.clone() };
    assert_eq!(asks(receipt(&overlapping)).await.unwrap(), Reclaim::SeatTaken);
    let second = HoldView { id: some_hold(), number: numbers[1], ..hold.clone() };
    assert_eq!(asks(receipt(&second)).await.unwrap(), Reclaim::PassInUse);
    assert_eq!(sale.stock("ga").await.held, 1);
    assert!(matches!(sale.holds.release(sale.id, other.id, numbers[1]).await.unwrap(), Release::Released(_)));
    assert_eq!(asks(receipt(&other)).await.unwrap(), Reclaim::Ended, "given back here");
}

/// What this build keeps of a load and earlier ones did not.
#[tokio::test]
async fn a_sale_that_an_older_build_loaded_is_served_and_honours_receipts_of_its_own_epoch() {
    let sale = Onsale::of(&[("ga", 9)]).await;
    let numbers = sale.turns(2).await;
    let before = sale.holds_units(numbers[0], "ga", 3).await;
    is_rebuilt(&sale, &[("ga", 9)], &numbers).await;
    let pace = admission::keys::SaleKeys::new(sale.id).pace();
    sale.command(&["HDEL", &pace, "reclaim_until_ms", "receipts_from"]).await;
    let now = sale.holds_units(numbers[1], "ga", 2).await;
    assert!(matches!(sale.holds.release(sale.id, now.id, numbers[1]).await.unwrap(), Release::Released(_)));
    let of_this = ReclaimHold { hold: some_hold(), receipt_epoch: 2, ..receipt(&now) };
    assert!(matches!(sale.holds.reclaim(sale.id, &of_this).await.unwrap(), Reclaim::Reclaimed(_)));
    assert_eq!(sale.holds.reclaim(sale.id, &receipt(&before)).await.unwrap(), Reclaim::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_sent_a_hundred_times_at_once_is_honoured_once() {
    let sale = Onsale::of(&[("ga", 9)]).await;
    let numbers = sale.turns(1).await;
    let hold = sale.holds_units(numbers[0], "ga", 3).await;
    is_rebuilt(&sale, &[("ga", 9)], &numbers).await;
    let mut sent: JoinSet<Reclaim> = (0..100)
        .map(|_| {
            let (holds, id, receipt) = (sale.holds.clone(), sale.id, receipt(&hold));
            async move { holds.reclaim(id, &receipt).await.unwrap() }
        })
        .collect();
    let mut reclaimed = 0;
    while let Some(answer) = sent.join_next().await {
        match answer.unwrap() {
            Reclaim::Reclaimed(_) => reclaimed += 1,
            other => assert_eq!(other, Reclaim::Live(hold.clone())),
        }
    }
    assert_eq!((reclaimed, sale.stock("ga").await.held), (1, 3));
}

/// The seats are taken from their rows, too: nobody is seated on them.
#[tokio::test]
async fn seats_that_came_back_are_not_found_side_by_side() {
    let sale = Onsale::unloaded().await;
    sale.gap_ms(1_800_000_000_000).await;
    let rows = admission::Snapshot { tiers: vec![stalls("stalls", &[4, 4])], ..sale.snapshot(1, &[]) };
    sale.loader.load(&rows).await.unwrap();
    sale.queue.raise_reserved(sale.id, 1_000).await.unwrap();
    let numbers = sale.turns(3).await;
    let hold = taken(sale.holds.take(sale.id, &wish_for(numbers[0], &[("stalls", together(3))])).await.unwrap());
    let row = hold.units[0].unit.0 / 4;
    sale.loses_redis().await;
    let until = Timestamp::from_millisecond(sale.now_ms() + 600_000).unwrap();
    let grants = numbers.iter().map(|number| GrantRow { number: *number, until }).collect();
    let again = admission::Snapshot { epoch: 2, reserved_number: 1_000, grants, ..rows };
    sale.loader.load(&again).await.unwrap();
    assert_eq!(sale.holds.reclaim(sale.id, &receipt(&hold)).await.unwrap(), Reclaim::Reclaimed(hold));
    let next = taken(sale.holds.take(sale.id, &wish_for(numbers[1], &[("stalls", together(3))])).await.unwrap());
    assert!(next.units.iter().all(|held| held.unit.0 / 4 != row), "{next:?}");
    let none = sale.holds.take(sale.id, &wish_for(numbers[2], &[("stalls", together(2))])).await.unwrap();
    assert!(matches!(none, Take::NoneTogether { .. }), "{none:?}");
}
