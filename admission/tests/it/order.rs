//! A hold on its way to an order, and back.

use admission::keys::SaleKeys;
use admission::{AdmissionError, Commit, Expired, FREEZE_S, Freeze, HeldUnit, Lose, PlaceView, Release, UnitsReturn};
use domain::UnitNo;
use domain::hold::HoldState;
use jiff::SignedDuration;

use crate::onsale::{Onsale, TTL_S, some_hold, some_request, tier, unit_numbers};

fn unit(number: u32) -> HeldUnit {
    HeldUnit { tier: tier("ga"), unit: UnitNo(number) }
}

#[tokio::test]
async fn a_frozen_hold_outlives_its_time_until_postgres_has_spoken() {
    // Frozen shortly before its end: the sweep asks when an order had time to be written.
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    sale.advance_s(TTL_S - 10).await;
    let Freeze::Frozen(frozen) = sale.holds.freeze(sale.id, hold.id, number).await.unwrap() else { panic!() };
    assert_eq!((frozen.state, frozen.expires_at), (HoldState::Frozen, hold.expires_at));
    sale.advance_s(FREEZE_S - 1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    sale.advance_s(1).await;
    let swept = sale.holds.expire_due(sale.id, 100).await.unwrap();
    assert_eq!((swept.released, swept.frozen_due, swept.frozen_over), (vec![], vec![], vec![hold.id]));
    assert_eq!(sale.stock("ga").await.held, 2, "named, not freed");
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default(), "one sweeper has it");
    sale.advance_s(5).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap().frozen_over, [hold.id], "in case that one died");
}

/// A minute is left, the order is refused, and nothing more is heard of it.
#[tokio::test]
async fn freezing_does_not_shorten_a_hold() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let mut wish = crate::onsale::wish(number, &[("ga", 2)]);
    wish.ttl_s = 4 * FREEZE_S;
    let hold = crate::onsale::taken(sale.holds.take(sale.id, &wish).await.unwrap());
    sale.advance_s(2 * FREEZE_S).await;
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();

    let asked = Expired { frozen_due: vec![hold.id], ..Expired::default() };
    sale.advance_s(FREEZE_S).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), asked, "is there an order?");
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default(), "one sweeper has it");
    let seen = sale.holds.look(sale.id, hold.id).await.unwrap().unwrap();
    assert_eq!((seen.state, seen.expires_at), (HoldState::Frozen, hold.expires_at));

    sale.advance_s(FREEZE_S - 1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    sale.advance_s(1).await;
    let over = Expired { frozen_over: vec![hold.id], ..Expired::default() };
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), over, "at its own time and not before");
}

#[tokio::test]
async fn an_order_that_is_tried_again_has_its_time_to_be_written() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    sale.advance_s(TTL_S - 1).await;
    sale.holds.expire_due(sale.id, 100).await.unwrap();
    let Freeze::Frozen(again) = sale.holds.freeze(sale.id, hold.id, number).await.unwrap() else { panic!() };
    assert_eq!(again.expires_at, hold.expires_at);
    sale.advance_s(FREEZE_S - 1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    sale.advance_s(1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap().frozen_over, [hold.id]);
}

#[tokio::test]
async fn freezing_again_moves_nothing() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    let first = sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    sale.advance_s(3).await;
    assert_eq!(sale.holds.freeze(sale.id, hold.id, number).await.unwrap(), first);
    assert_eq!(sale.holds.release(sale.id, hold.id, number).await.unwrap(), Release::Frozen);
}

#[tokio::test]
async fn freezing_keeps_the_session_open() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let mut wish = crate::onsale::wish(number, &[("ga", 1)]);
    (wish.session_s, wish.ttl_s) = (10, 10);
    let hold = crate::onsale::taken(sale.holds.take(sale.id, &wish).await.unwrap());
    sale.advance_s(9).await;
    let Freeze::Frozen(frozen) = sale.holds.freeze(sale.id, hold.id, number).await.unwrap() else { panic!() };
    let asked_at = sale.view().await.now + SignedDuration::from_secs(i64::from(FREEZE_S));
    assert!(frozen.expires_at < asked_at);
    assert_eq!(sale.place(number).await, PlaceView::Shopping { until: asked_at });
}

#[tokio::test]
async fn committed_units_leave_redis_for_good() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    assert_eq!(sale.holds.commit(sale.id, hold.id).await.unwrap(), Commit::Committed);
    assert_eq!(sale.holds.commit(sale.id, hold.id).await.unwrap(), Commit::AlreadyCommitted);
    assert_eq!(sale.holds.commit(sale.id, some_hold()).await.unwrap(), Commit::NotFound);
    let Freeze::Committed(view) = sale.holds.freeze(sale.id, hold.id, number).await.unwrap() else { panic!() };
    assert_eq!(view.units, hold.units);
    assert_eq!(sale.holds.release(sale.id, hold.id, number).await.unwrap(), Release::Frozen);
    assert_eq!(sale.holds.expire_frozen(sale.id, hold.id).await.unwrap(), Lose::NotFound);
    sale.advance_s(TTL_S + FREEZE_S).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (1, 0));
    assert_eq!(unit_numbers(&sale.holds_units(number, "ga", 1).await), [2]);
}

#[tokio::test]
async fn a_tombstone_frees_a_frozen_hold_once() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    assert_eq!(sale.holds.expire_frozen(sale.id, hold.id).await.unwrap(), Lose::NotFound, "it is not frozen");
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    assert_eq!(sale.holds.expire_frozen(sale.id, hold.id).await.unwrap(), Lose::Released);
    assert_eq!(sale.holds.expire_frozen(sale.id, hold.id).await.unwrap(), Lose::AlreadyReleased);
    assert_eq!(sale.holds.commit(sale.id, hold.id).await.unwrap(), Commit::NotFound);
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (3, 0));
}

#[tokio::test]
async fn units_that_postgres_does_not_have_do_not_come_back() {
    let sale = Onsale::of(&[("ga", 4)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 3).await;
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    let lost = sale.holds.unfreeze_lost(sale.id, hold.id, &[unit(1)]).await.unwrap();
    assert_eq!(lost, Lose::Released);
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (3, 0));
    assert_eq!(unit_numbers(&sale.holds_units(number, "ga", 3).await), [0, 2, 3]);
}

#[tokio::test]
async fn an_order_in_postgres_commits_a_hold_that_redis_forgot_to_freeze() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    assert_eq!(sale.holds.commit(sale.id, hold.id).await.unwrap(), Commit::Committed);
    assert_eq!(sale.stock("ga").await.held, 0);
}

#[tokio::test]
async fn returned_units_are_free_again_once_per_request() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 3).await;
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    sale.holds.commit(sale.id, hold.id).await.unwrap();
    let request = some_request();
    let returns = async || sale.holds.units_return(sale.id, request, 1, &hold.units[1..]).await.unwrap();
    assert_eq!(returns().await, UnitsReturn::Returned);
    assert_eq!(sale.stock("ga").await.free, 2);
    assert_eq!(unit_numbers(&sale.holds_units(number, "ga", 2).await), [1, 2]);
    assert_eq!(returns().await, UnitsReturn::AlreadyReturned);
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (0, 2));
}

/// The order ran out before Redis heard of it.
#[tokio::test]
async fn units_return_when_the_hold_they_were_freed_of_is_over() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    let (request, units) = (some_request(), [hold.units.clone(), vec![unit(2)]].concat());
    let returns = async || sale.holds.units_return(sale.id, request, 1, &units).await.unwrap();
    assert_eq!([returns().await, returns().await], [UnitsReturn::HeldStill; 2]);
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (1, 2));

    assert_eq!(sale.holds.commit(sale.id, hold.id).await.unwrap(), Commit::Committed);
    assert_eq!([returns().await, returns().await], [UnitsReturn::Returned, UnitsReturn::AlreadyReturned]);
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (3, 0));
    assert_eq!(sale.holds.inventory(sale.id).await.unwrap().faults(), []);
}

/// Nothing in production sets such a mark; left there, it would keep the unit off sale for ever.
#[tokio::test]
async fn a_unit_that_is_marked_as_held_by_no_hold_returns_and_is_counted_anew() {
    let sale = Onsale::of(&[("ga", 4)]).await;
    let numbers = sale.turns(2).await;
    let sold = sale.holds_units(numbers[0], "ga", 2).await;
    let live = sale.holds_units(numbers[1], "ga", 1).await;
    sale.holds.commit(sale.id, sold.id).await.unwrap();
    let key = |name: &str| SaleKeys::new(sale.id).epoch().replace(":epoch", &format!(":{name}"));
    sale.command(&["SETBIT", &key("held"), "1", "1"]).await;
    sale.command(&["HINCRBY", &key("stock"), "held:ga", "7"]).await;

    let request = some_request();
    let returns = async |units: &[HeldUnit]| sale.holds.units_return(sale.id, request, 1, units).await.unwrap();
    let all = [sold.units.clone(), live.units.clone()].concat();
    assert_eq!(returns(&all).await, UnitsReturn::HeldStill);
    assert_ne!(sale.holds.inventory(sale.id).await.unwrap().faults(), [], "nothing changed");
    assert_eq!(
        [returns(&sold.units).await, returns(&sold.units).await],
        [UnitsReturn::Mended, UnitsReturn::AlreadyReturned]
    );
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (3, 1));
    assert_eq!(sale.holds.inventory(sale.id).await.unwrap().faults(), []);
}

#[tokio::test]
async fn a_return_of_another_epoch_changes_nothing() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let stale = sale.holds.units_return(sale.id, some_request(), 0, &[unit(1)]).await.unwrap();
    assert_eq!(stale, UnitsReturn::StaleEpoch);
    let early = sale.holds.units_return(sale.id, some_request(), 2, &[unit(1)]).await;
    assert!(matches!(early, Err(AdmissionError::NotLoaded)), "Redis is behind Postgres: try again once it is loaded");
}

#[tokio::test]
async fn a_return_of_units_that_are_free_counts_them_once() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    sale.holds.units_return(sale.id, some_request(), 1, &[unit(0), unit(1)]).await.unwrap();
    assert_eq!(sale.stock("ga").await.free, 3);
}

#[tokio::test]
async fn a_return_has_a_bound() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let many = vec![unit(0); admission::RETURN_MAX + 1];
    assert!(sale.holds.units_return(sale.id, some_request(), 1, &many).await.is_err());
}
