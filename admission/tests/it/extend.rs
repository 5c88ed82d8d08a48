//! More time for a hold: as often, and for as long, as the sale and the session allow.

use admission::{Commit, Expired, Extend, ExtendHold, FREEZE_S, Freeze, HoldView, PlaceView, RequestId};
use domain::hold::HoldState;
use domain::{HoldId, PlaceNumber};
use jiff::SignedDuration;

use crate::onsale::{Onsale, TTL_S, some_hold, some_request, taken, wish};

const MAX_TTL_S: u32 = 10 * TTL_S;
const EXTENSIONS_MAX: u32 = 2;

fn more(hold: HoldId, number: PlaceNumber, request: RequestId) -> ExtendHold {
    ExtendHold { hold, number, request, ttl_s: TTL_S, max_ttl_s: MAX_TTL_S, extensions_max: EXTENSIONS_MAX }
}

/// Asks for more time, as a request of its own.
async fn extends(sale: &Onsale, hold: &HoldView) -> Extend {
    sale.holds.extend(sale.id, &more(hold.id, hold.number, some_request())).await.unwrap()
}

fn extended(extend: Extend) -> HoldView {
    let Extend::Extended(hold) = extend else { panic!("there was more time to be had: {extend:?}") };
    hold
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}

#[tokio::test]
async fn an_extension_adds_the_ttl_as_often_as_it_may() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    sale.advance_s(TTL_S - 1).await;
    let longer = extended(extends(&sale, &hold).await);
    assert_eq!(longer.expires_at, hold.expires_at + seconds(TTL_S));
    assert_eq!((longer.extensions, longer.state, &longer.units), (1, HoldState::Held, &hold.units));
    let longest = extended(extends(&sale, &hold).await);
    assert_eq!((longest.expires_at, longest.extensions), (hold.expires_at + seconds(2 * TTL_S), 2));
    assert_eq!(extends(&sale, &hold).await, Extend::UsedUp);

    sale.advance_s(2 * TTL_S).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    sale.advance_s(1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap().released, [hold.id]);
    assert_eq!(extends(&sale, &hold).await, Extend::Expired);
}

#[tokio::test]
async fn a_repeated_request_extends_once() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    let press = more(hold.id, number, some_request());
    let longer = extended(sale.holds.extend(sale.id, &press).await.unwrap());
    for _ in 0..3 {
        assert_eq!(sale.holds.extend(sale.id, &press).await.unwrap(), Extend::Replayed(longer.clone()));
    }
    let again = extended(extends(&sale, &hold).await);
    assert_eq!(sale.holds.extend(sale.id, &press).await.unwrap(), Extend::Replayed(again), "as it is now");
}

#[tokio::test]
async fn a_refusal_uses_nothing_up_and_may_be_repeated_with_success() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    let press = ExtendHold { max_ttl_s: TTL_S, ..more(hold.id, number, some_request()) };
    assert_eq!(sale.holds.extend(sale.id, &press).await.unwrap(), Extend::Longest, "it has all of its time");
    assert_eq!(sale.holds.look(sale.id, hold.id).await.unwrap().unwrap(), hold);
    sale.advance_s(20).await;
    let longer = extended(sale.holds.extend(sale.id, &press).await.unwrap());
    assert_eq!((longer.expires_at, longer.extensions), (hold.expires_at + seconds(20), 1));
}

#[tokio::test]
async fn a_hold_does_not_outlive_its_session() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let wish = admission::TakeHold { session_s: TTL_S + 20, ..wish(number, &[("ga", 1)]) };
    let hold = taken(sale.holds.take(sale.id, &wish).await.unwrap());
    let longer = extended(extends(&sale, &hold).await);
    assert_eq!(sale.place(number).await, PlaceView::Shopping { until: longer.expires_at });
    assert_eq!(longer.expires_at, hold.expires_at + seconds(20));
    assert_eq!(extends(&sale, &hold).await, Extend::Longest);
}

/// The order was refused: the buyer has another address to find.
#[tokio::test]
async fn a_frozen_hold_can_be_extended_and_is_asked_about_as_before() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    let Freeze::Frozen(_) = sale.holds.freeze(sale.id, hold.id, number).await.unwrap() else { panic!() };
    let longer = extended(extends(&sale, &hold).await);
    assert_eq!((longer.state, longer.expires_at), (HoldState::Frozen, hold.expires_at + seconds(TTL_S)));
    sale.advance_s(FREEZE_S).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap().frozen_due, [hold.id]);
    sale.advance_s(2 * TTL_S - FREEZE_S - 1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap().frozen_over, []);
    sale.advance_s(1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap().frozen_over, [hold.id]);
}

#[tokio::test]
async fn only_a_live_hold_is_extended_and_only_by_its_pass() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let numbers = sale.turns(2).await;
    let hold = sale.holds_units(numbers[0], "ga", 1).await;
    let by_another = more(hold.id, numbers[1], some_request());
    assert_eq!(sale.holds.extend(sale.id, &by_another).await.unwrap(), Extend::NotFound);
    let of_nothing = more(some_hold(), numbers[0], some_request());
    assert_eq!(sale.holds.extend(sale.id, &of_nothing).await.unwrap(), Extend::NotFound);
    assert_eq!(sale.holds.commit(sale.id, hold.id).await.unwrap(), Commit::Committed);
    assert_eq!(extends(&sale, &hold).await, Extend::Committed);
    let given_back = sale.holds_units(numbers[1], "ga", 1).await;
    sale.holds.release(sale.id, given_back.id, numbers[1]).await.unwrap();
    assert_eq!(extends(&sale, &given_back).await, Extend::Expired);
}

#[tokio::test]
async fn a_hold_that_is_over_is_not_revived_though_nobody_swept_it() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 1).await;
    sale.advance_s(TTL_S).await;
    assert_eq!(extends(&sale, &hold).await, Extend::Expired);
}
