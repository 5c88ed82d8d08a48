//! Receipts after Redis was lost: who has a right to units gets them back, and nobody else does.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Answer, Buyer, Hold, Order, Visitor};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{NO_LIMITS, World, sale};

const BOUND: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Long enough for everyone to be back in it on a busy machine.
pub(crate) const WINDOW_S: u32 = 12;

/// Shows the receipt until the answer is not that a store is away.
pub(crate) async fn reclaims(buyer: &Buyer, hold: &Hold) -> Answer {
    let started = Instant::now();
    loop {
        let answer = buyer.reclaims(hold).await.unwrap();
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert!(started.elapsed() < BOUND, "{answer:?}");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Orders what is held; a gateway may know of the new epoch a tick later than the hold.
pub(crate) async fn orders(buyer: &Buyer, hold: &Hold, email: &str) -> Order {
    let started = Instant::now();
    loop {
        let answer = buyer.asks_to_order(hold, email, "Ada").await.unwrap();
        if answer.status == StatusCode::CREATED {
            let text = |field: &str| answer.body[field].as_str().unwrap().to_owned();
            return Order { id: text("id"), token: text("token") };
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert!(started.elapsed() < BOUND, "{answer:?}");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

pub(crate) fn wish(units: usize) -> Value {
    let mut wish = sale(u32::try_from(units).unwrap());
    wish["hold"] = json!({ "reclaim_window_s": WINDOW_S });
    wish
}

/// What was given back before the loss is whose it is then, however early the old receipt comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_what_was_given_back_takes_nothing_from_who_holds_it_now() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.organizer.puts_on_sale(&wish(1)).await.unwrap();
    let mut first = Visitor::new(&world.edge, &sale);
    first.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = first.waits_for_turn(BOUND).await.unwrap();
    let old = buyer.holds("ga", 1).await.unwrap();
    buyer.gives_back(&old).await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    let now = world.has_turn(&sale).await;
    let hold = now.holds("ga", 1).await.unwrap();

    world.redis.flush().await.unwrap();
    let refused = reclaims(&buyer, &old).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("hold_expired")));
    let back = reclaims(&now, &hold).await;
    back.expect(StatusCode::OK).unwrap();

    let order = orders(&now, &hold, "ada@example.com").await;
    world.redis.flush().await.unwrap();
    let ordered = reclaims(&now, &hold).await.expect(StatusCode::OK).unwrap();
    assert_eq!(ordered["state"], "committed", "{ordered}");
    now.gives_back(&hold).await.unwrap();
    assert_eq!(now.looks_at_order(&order).await.unwrap().body["state"], "awaiting_payment", "Redis knows no such hold");
    world.holds_every_invariant();
}

/// The page hears of it on its socket, and Redis is lost again before it could send its receipt.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_two_losses_in_a_row_and_its_holder_is_told_of_each() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.organizer.puts_on_sale(&wish(3)).await.unwrap();
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
    let hold = buyer.holds("ga", 2).await.unwrap();
    let held = buyer.looks_at_hold(&hold).await.unwrap().expect(StatusCode::OK).unwrap();
    let mut socket = visitor.watches().await.unwrap();
    for epoch in [2, 3] {
        world.redis.flush().await.unwrap();
        while socket.waits_for("position", BOUND).await.unwrap()["data"]["epoch"] != epoch {}
    }
    let lost = buyer.looks_at_hold(&hold).await.unwrap();
    assert_eq!(lost.code(), Some("hold_not_found"));
    let back = reclaims(&buyer, &hold).await.expect(StatusCode::OK).unwrap();
    assert_eq!(back["items"], held["items"]);
    let looked = buyer.looks_at_hold(&hold).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&looked["items"], &looked["expires_at"]), (&held["items"], &held["expires_at"]));
    world.holds_every_invariant();
}
