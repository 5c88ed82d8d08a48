//! Units taken off sale for nobody, and back on it.

use std::num::NonZeroU32;

use admission::{
    AdmissionError, Commit, Expired, HoldView, Lose, NOBODY, Pause, RequestId, Snapshot, Take, TierStock, UnitsReturn,
    WITHHOLD_MAX, WITHHOLD_S, Withhold, WithholdWish,
};
use domain::UnitNo;
use domain::hold::HoldState;

use crate::onsale::{Onsale, TTL_S, any, floor, seats, some_hold, some_request, stalls, tier, together, wish_for};
use crate::pace::CLOSED;

fn last(units: u32) -> WithholdWish {
    WithholdWish::Last(NonZeroU32::new(units).unwrap())
}

fn named(units: &[u32]) -> WithholdWish {
    WithholdWish::Seats(units.iter().copied().map(UnitNo).collect())
}

impl Onsale {
    async fn asks_to_withhold(&self, request: RequestId, name: &str, wish: &WithholdWish) -> Withhold {
        self.holds.withhold(self.id, some_hold(), request, &tier(name), wish).await.unwrap()
    }

    /// Takes units off sale that are known to be free; Postgres has not decided yet.
    async fn withholds(&self, name: &str, wish: &WithholdWish) -> HoldView {
        match self.asks_to_withhold(some_request(), name, wish).await {
            Withhold::Taken { hold, .. } => hold,
            refused => panic!("units were free: {refused:?}"),
        }
    }
}

fn numbers(hold: &HoldView) -> Vec<u32> {
    let mut units: Vec<_> = hold.units.iter().map(|held| held.unit.0).collect();
    units.sort_unstable();
    units
}

#[tokio::test]
async fn withheld_units_are_the_last_that_are_free_or_those_that_are_named() {
    let sale = Onsale::of_tiers(vec![floor("ga", 20), stalls("stalls", &[3, 3])]).await;
    let buyer = sale.turns(1).await[0];
    let wish = wish_for(buyer, &[("ga", seats(&[18]))]);
    sale.holds.take(sale.id, &wish).await.unwrap();
    let hold = sale.withholds("ga", &last(3)).await;
    assert_eq!((numbers(&hold), hold.number, hold.state), (vec![16, 17, 19], NOBODY, HoldState::Frozen));
    assert_eq!(numbers(&sale.withholds("stalls", &named(&[1, 4])).await), [1, 4]);
    assert_eq!(numbers(&sale.withholds("stalls", &last(3)).await), [2, 3, 5]);
    assert_eq!(sale.stock("stalls").await, TierStock { free: 1, held: 5, all: 6 });

    sale.holds.commit(sale.id, hold.id).await.unwrap();
    assert_eq!(sale.holds.commit(sale.id, hold.id).await.unwrap(), Commit::AlreadyCommitted);
    assert_eq!(sale.stock("ga").await, TierStock { free: 16, held: 1, all: 17 });
}

#[tokio::test]
async fn no_unit_is_taken_from_who_holds_it() {
    let sale = Onsale::of(&[("ga", 4)]).await;
    let buyers = sale.turns(2).await;
    let held = sale.holds_units(buyers[0], "ga", 3).await;
    assert_eq!(sale.asks_to_withhold(some_request(), "ga", &last(2)).await, Withhold::TooFew { free: 1 });
    let taken = sale.asks_to_withhold(some_request(), "ga", &named(&[0, 2, 3])).await;
    assert_eq!(taken, Withhold::SeatTaken(vec![UnitNo(0), UnitNo(2)]));
    assert_eq!(sale.stock("ga").await, TierStock { free: 1, held: 3, all: 4 });
    assert_eq!(sale.holds.look(sale.id, held.id).await.unwrap(), Some(held), "and a refusal takes nothing");

    sale.withholds("ga", &last(1)).await;
    assert_eq!(sale.takes(buyers[1], "ga", 1).await, Take::AllHeld { tier: tier("ga") }, "nobody knows yet");
}

/// Rows are kept right: no group is sent into a row whose middle is withheld, and it is whole when that comes back.
#[tokio::test]
async fn seats_side_by_side_are_counted_without_those_that_are_withheld() {
    let sale = Onsale::of_tiers(vec![stalls("stalls", &[5, 3])]).await;
    let buyers = sale.turns(2).await;
    let hold = sale.withholds("stalls", &named(&[2])).await;
    sale.holds.commit(sale.id, hold.id).await.unwrap();
    let three = wish_for(buyers[0], &[("stalls", together(3))]);
    let Take::Taken(group) = sale.holds.take(sale.id, &three).await.unwrap() else { panic!("the second row is free") };
    assert_eq!(numbers(&group), [5, 6, 7]);

    let request = some_request();
    let returns = async || sale.holds.withheld_return(sale.id, request, 1, &hold.units).await.unwrap();
    assert_eq!([returns().await, returns().await], [UnitsReturn::Returned, UnitsReturn::AlreadyReturned]);
    assert_eq!(sale.stock("stalls").await, TierStock { free: 5, held: 3, all: 8 });
    let five = wish_for(buyers[1], &[("stalls", together(5))]);
    assert!(matches!(sale.holds.take(sale.id, &five).await.unwrap(), Take::Taken(_)));
}

#[tokio::test]
async fn a_repeated_request_finds_its_units_and_takes_no_more() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let request = some_request();
    let Withhold::Taken { epoch, hold } = sale.asks_to_withhold(request, "ga", &last(4)).await else { panic!("free") };
    assert_eq!(epoch, 1);
    assert_eq!(sale.asks_to_withhold(request, "ga", &last(4)).await, Withhold::Taken { epoch, hold: hold.clone() });
    sale.holds.commit(sale.id, hold.id).await.unwrap();
    let Withhold::Taken { hold: now, .. } = sale.asks_to_withhold(request, "ga", &last(4)).await else {
        panic!("done")
    };
    assert_eq!((now.id, now.state), (hold.id, HoldState::Committed));
    assert_eq!(sale.stock("ga").await, TierStock { free: 6, held: 0, all: 6 });
}

/// Whoever began is gone: the sweep asks soon, and when the time is over it has Postgres' tombstone and frees the units.
#[tokio::test]
async fn units_that_nobody_decides_about_come_back() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let request = some_request();
    let Withhold::Taken { hold, .. } = sale.asks_to_withhold(request, "ga", &last(4)).await else { panic!("free") };
    let sweep = async || sale.holds.expire_due(sale.id, 10).await.unwrap();
    assert_eq!(sweep().await, Expired::default());
    sale.advance_s(2).await;
    assert_eq!(sweep().await, Expired { frozen_due: vec![hold.id], ..Expired::default() }, "is there a verdict?");
    sale.advance_s(WITHHOLD_S - 3).await;
    assert_eq!(sweep().await, Expired::default());
    sale.advance_s(1).await;
    assert_eq!(sweep().await, Expired { frozen_over: vec![hold.id], ..Expired::default() });
    assert_eq!(sale.stock("ga").await.held, 4, "only Postgres ends it");
    assert_eq!(sale.holds.expire_frozen(sale.id, hold.id).await.unwrap(), Lose::Released);
    assert_eq!(sale.stock("ga").await, TierStock { free: 10, held: 0, all: 10 });

    let Withhold::Taken { hold: next, .. } = sale.asks_to_withhold(request, "ga", &last(4)).await else {
        panic!("free")
    };
    assert_ne!(next.id, hold.id, "a hold with a tombstone is never taken up again");
    assert_eq!(sale.holds.commit(sale.id, hold.id).await.unwrap(), Commit::NotFound);
}

/// The sale stands still, and the organizer may withhold all the same; what nobody decides about comes back all the same.
#[tokio::test]
async fn a_pause_stops_no_withholding_and_keeps_nothing_that_was_abandoned() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.loader.set_paused(sale.id, admission::Pause::Paused, 1).await.unwrap();
    let [kept, abandoned] = [sale.withholds("ga", &last(4)).await, sale.withholds("ga", &last(2)).await];
    sale.advance_s(WITHHOLD_S - 1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 10).await.unwrap().frozen_over, []);
    assert_eq!(sale.holds.commit(sale.id, kept.id).await.unwrap(), Commit::Committed);
    sale.advance_s(1).await;
    let over = Expired { frozen_over: vec![abandoned.id], ..Expired::default() };
    assert_eq!(sale.holds.expire_due(sale.id, 10).await.unwrap(), over, "its time goes on in the pause");
    assert_eq!(sale.holds.expire_frozen(sale.id, abandoned.id).await.unwrap(), Lose::Released);
    assert_eq!(sale.stock("ga").await, TierStock { free: 6, held: 0, all: 6 });
}

/// Holds whose time is over in a pause stay, and what is due behind them is found all the same.
#[tokio::test]
async fn what_a_pause_keeps_is_in_nobodys_way() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let mut holds = Vec::new();
    for number in sale.turns(3).await {
        holds.push(sale.holds_units(number, "ga", 1).await);
    }
    sale.advance_s(TTL_S - 1).await;
    sale.loader.set_paused(sale.id, Pause::Paused, 1).await.unwrap();
    let abandoned = sale.withholds("ga", &last(2)).await;
    sale.advance_s(WITHHOLD_S).await;
    let sweep = async || sale.holds.expire_due(sale.id, 2).await.unwrap();
    let mut over = sweep().await.frozen_over;
    over.extend(sweep().await.frozen_over);
    assert_eq!(over, [abandoned.id], "found behind the three that the pause keeps");

    sale.loader.set_paused(sale.id, Pause::Running, 2).await.unwrap();
    assert_eq!(sweep().await.released, [], "a second was left when the pause began");
    sale.advance_s(1).await;
    let mut released = sweep().await.released;
    released.extend(sweep().await.released);
    released.sort_unstable();
    holds.sort_unstable_by_key(|hold| hold.id);
    assert_eq!(released, holds.iter().map(|hold| hold.id).collect::<Vec<_>>());
}

/// The clock of Redis leaps, while the sale runs and while it is paused: what is abandoned is over as soon as if it had not
/// gone back, and at once when it went on.
#[tokio::test]
async fn a_clock_that_leaps_keeps_nothing_that_was_abandoned() {
    for (pause, leap_ms, left_s) in [
        (Pause::Running, -3_600_000, WITHHOLD_S - 10),
        (Pause::Paused, -3_600_000, WITHHOLD_S - 10),
        (Pause::Running, 3_600_000, 0),
        (Pause::Paused, 3_600_000, 0),
    ] {
        let sale = Onsale::of(&[("ga", 10)]).await;
        sale.loader.set_paused(sale.id, pause, 1).await.unwrap();
        let hold = sale.withholds("ga", &last(4)).await;
        let sweep = async || sale.holds.expire_due(sale.id, 10).await.unwrap();
        sale.advance_s(10).await;
        assert_eq!(sweep().await.frozen_due, [hold.id], "{pause:?}, {leap_ms} ms");
        sale.gap_ms(leap_ms).await;
        sale.admits(&CLOSED).await;
        if left_s > 0 {
            sale.advance_s(left_s - 1).await;
            assert_eq!(sweep().await.frozen_over, [], "{pause:?}, {leap_ms} ms");
            sale.advance_s(1).await;
        }
        assert_eq!(sweep().await.frozen_over, [hold.id], "{pause:?}, {leap_ms} ms");
    }
}

/// What is free in the reclaim window may be somebody's who has a receipt.
#[tokio::test]
async fn nothing_is_withheld_while_only_receipts_are_honoured() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.loses_redis().await;
    let window = Snapshot { reclaim_window_s: 30, ..sale.snapshot(2, &[("ga", 10)]) };
    sale.loader.load(&window).await.unwrap();
    assert_eq!(sale.asks_to_withhold(some_request(), "ga", &last(1)).await, Withhold::Reclaiming { left_s: 30 });
    sale.advance_s(30).await;
    let Withhold::Taken { epoch: 2, .. } = sale.asks_to_withhold(some_request(), "ga", &last(1)).await else {
        panic!("the window is over")
    };
}

#[tokio::test]
async fn a_lost_redis_withholds_nothing() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.loses_redis().await;
    let refused = sale.holds.withhold(sale.id, some_hold(), some_request(), &tier("ga"), &last(1)).await;
    assert!(matches!(refused, Err(AdmissionError::NotLoaded)), "{refused:?}");
}

#[tokio::test]
async fn as_many_as_may_be_are_withheld_at_once_from_the_largest_tier() {
    let rows = [500; 200];
    let sale = Onsale::of_tiers(vec![stalls("stalls", &rows)]).await;
    let spread: Vec<_> = (0..WITHHOLD_MAX).map(|seat| seat * 100).collect();
    for wish in [named(&spread), last(WITHHOLD_MAX)] {
        let hold = sale.withholds("stalls", &wish).await;
        assert_eq!(hold.units.len(), WITHHOLD_MAX as usize);
        sale.holds.commit(sale.id, hold.id).await.unwrap();
        sale.holds.withheld_return(sale.id, some_request(), 1, &hold.units).await.unwrap();
    }
    assert_eq!(sale.stock("stalls").await, TierStock { free: 100_000, held: 0, all: 100_000 });
}

/// A hundred organizers' requests and a hundred buyers for sixty units: each unit is one's.
#[tokio::test(flavor = "multi_thread")]
async fn of_buyers_and_organizers_at_once_each_unit_is_one_s() {
    let sale = Onsale::of(&[("ga", 60)]).await;
    let buyers = sale.turns(100).await;
    let mut acts = tokio::task::JoinSet::new();
    for buyer in buyers {
        let (holds, id) = (sale.holds.clone(), sale.id);
        acts.spawn(async move {
            let wish = admission::TakeHold { ttl_s: TTL_S, ..wish_for(buyer, &[("ga", any(1))]) };
            match holds.take(id, &wish).await.unwrap() {
                Take::Taken(hold) => numbers(&hold),
                _ => Vec::new(),
            }
        });
        let (holds, id) = (sale.holds.clone(), sale.id);
        acts.spawn(async move {
            match holds.withhold(id, some_hold(), some_request(), &tier("ga"), &last(1)).await.unwrap() {
                Withhold::Taken { hold, .. } => numbers(&hold),
                _ => Vec::new(),
            }
        });
    }
    let mut units: Vec<_> = acts.join_all().await.concat();
    units.sort_unstable();
    assert_eq!(units, (0..60).collect::<Vec<_>>());
}
