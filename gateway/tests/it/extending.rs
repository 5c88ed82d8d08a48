//! `/v1/sales/{sale}/holds/{hold}/extend`, and holds whose order was refused.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use sandbox::actors::Answer;
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{World, jazz, jazz_with};

/// 60 s to fill in the form and no more for paying, so that all figures are the test's own.
fn minute(extensions_max: u32) -> serde_json::Value {
    json!({ "hold": { "checkout_window_s": 60, "min_ttl_s": 60, "max_ttl_s": 150, "p99_multiple": 0,
                      "extensions_max": extensions_max } })
}

fn ends(answer: &Answer) -> Timestamp {
    answer.body["expires_at"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_press_extends_once_and_only_as_often_and_as_long_as_the_sale_allows() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(3, minute(3))).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 2).await.unwrap();
    let before = buyer.looks_at_hold(&hold).await.unwrap();
    assert_eq!((&before.body["ttl_s"], &before.body["extensions_left"]), (&json!(60), &json!(3)));

    let longer = buyer.asks_for_more_time(&hold, "press 1").await.unwrap();
    assert_eq!((longer.status, &longer.body["extensions_left"]), (StatusCode::OK, &json!(2)));
    assert_eq!(ends(&longer).duration_since(ends(&before)), SignedDuration::from_secs(60));
    let receipt = world.signer.verify_receipt(longer.body["receipt"].as_str().unwrap()).unwrap();
    assert_eq!(receipt.expires_at, ends(&longer), "the receipt proves the new time");
    let again = buyer.asks_for_more_time(&hold, "press 1").await.unwrap();
    assert_eq!((again.header("idempotency-replayed"), ends(&again)), (Some("true"), ends(&longer)));

    let longest = buyer.asks_for_more_time(&hold, "press 2").await.unwrap();
    assert_eq!(longest.body["extensions_left"], 1);
    let gain = ends(&longest).duration_since(ends(&longer));
    assert!(gain < SignedDuration::from_secs(60), "150 s ahead is the most: {gain}");
    world.stop().await;
}

#[tokio::test]
async fn a_hold_that_may_not_be_extended_stays_as_it_is() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(3, minute(1))).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    buyer.asks_for_more_time(&hold, "press 1").await.unwrap().expect(StatusCode::OK).unwrap();
    let refused = buyer.asks_for_more_time(&hold, "press 2").await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("hold_not_extendable")));
    let stranger = world.buyer(&sale).await;
    assert_eq!(stranger.asks_for_more_time(&hold, "press 3").await.unwrap().code(), Some("hold_not_found"));

    buyer.orders(&hold, "ada@example.org", "Ada").await.unwrap();
    assert_eq!(buyer.asks_for_more_time(&hold, "press 4").await.unwrap().code(), Some("hold_not_extendable"));
    assert_eq!(buyer.looks_at_hold(&hold).await.unwrap().body["extensions_left"], 0);
    let other = stranger.holds("ga", 1).await.unwrap();
    stranger.gives_back(&other).await.unwrap();
    assert_eq!(stranger.asks_for_more_time(&other, "press 5").await.unwrap().code(), Some("hold_expired"));
    world.stop().await;
}

#[tokio::test]
async fn one_address_has_one_limit_and_a_refused_order_costs_the_hold_nothing() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(9, minute(1))).await;
    let first = world.buyer(&sale).await;
    first.orders(&first.holds("ga", 3).await.unwrap(), "ada@example.org", "Ada").await.unwrap();

    let second = world.buyer(&sale).await;
    let hold = second.holds("ga", 2).await.unwrap();
    let before = second.looks_at_hold(&hold).await.unwrap();
    let refused = second.asks_to_order(&hold, "Ada+2@example.org", "Ada").await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("limit_reached")));
    let after = second.looks_at_hold(&hold).await.unwrap();
    assert_eq!((ends(&after), &after.body["items"]), (ends(&before), &before.body["items"]));
    second.asks_for_more_time(&hold, "press").await.unwrap().expect(StatusCode::OK).unwrap();
    second.orders(&hold, "bea@example.org", "Bea").await.unwrap();

    let more = second.holds("ga", 3).await.unwrap();
    let same_pass = second.asks_to_order(&more, "cleo@example.org", "Cleo").await.unwrap();
    assert_eq!(same_pass.code(), Some("limit_reached"), "another address on the same pass is the same buyer");
    world.stop().await;
}

#[tokio::test]
async fn a_hold_whose_order_was_refused_is_given_back_at_once() {
    let world = World::new().await;
    let sale = world.sale(&jazz(6)).await;
    let first = world.buyer(&sale).await;
    first.orders(&first.holds("ga", 4).await.unwrap(), "ada@example.org", "Ada").await.unwrap();
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 2).await.unwrap();
    assert_eq!(buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap().code(), Some("limit_reached"));
    assert_eq!(buyer.gives_back(&hold).await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(buyer.gives_back(&hold).await.unwrap().status, StatusCode::NO_CONTENT, "twice is once");
    eventually("both are free", async || world.remaining(&sale).await == 2).await;
    let too_late = buyer.asks_to_order(&hold, "bea@example.org", "Bea").await.unwrap();
    assert_eq!(too_late.code(), Some("hold_expired"));
    world.stop().await;
}
