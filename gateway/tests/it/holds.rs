//! `/v1/sales/{sale}/holds`

use http::{Method, StatusCode};
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{World, jazz};

#[tokio::test]
async fn units_are_held_looked_at_and_given_back() {
    let world = World::new().await;
    let sale = world.sale(&jazz(3)).await;
    let buyer = world.buyer(&sale).await;
    let held = buyer.asks_to_hold("ga", 2).await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(held["total"], json!({ "amount": 2 * 4_548, "currency": "eur" }));
    let units: Vec<_> = held["items"].as_array().unwrap().iter().map(|item| item["unit"].as_u64().unwrap()).collect();
    assert_eq!(units, [0, 1]);
    let receipt = world.signer.verify_receipt(held["receipt"].as_str().unwrap()).unwrap();
    assert_eq!(receipt.hold.to_string(), held["id"].as_str().unwrap());
    assert_eq!(receipt.units.len(), 2);

    let second = buyer.asks_to_hold("ga", 1).await.unwrap();
    assert_eq!((second.status, second.code()), (StatusCode::CONFLICT, Some("pass_in_use")));

    let hold = sandbox::actors::Hold { id: held["id"].as_str().unwrap().to_owned(), receipt: String::new() };
    assert_eq!(buyer.looks_at_hold(&hold).await.unwrap().body["state"], "held");
    let stranger = world.buyer(&sale).await;
    assert_eq!(stranger.looks_at_hold(&hold).await.unwrap().code(), Some("hold_not_found"));
    assert_eq!(stranger.gives_back(&hold).await.unwrap().code(), Some("hold_not_found"));

    assert_eq!(buyer.gives_back(&hold).await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(buyer.gives_back(&hold).await.unwrap().status, StatusCode::NO_CONTENT, "twice is once");
    eventually("all are free", async || world.remaining(&sale).await == 3).await;
    buyer.holds("ga", 1).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn more_than_one_buyer_may_have_or_than_there_is_is_refused() {
    let world = World::new().await;
    let sale = world.sale(&jazz(3)).await;
    let buyer = world.buyer(&sale).await;
    assert_eq!(buyer.asks_to_hold("ga", 5).await.unwrap().code(), Some("limit_reached"));
    assert_eq!(buyer.asks_to_hold("ga", 4).await.unwrap().code(), Some("too_few_left"));
    buyer.holds("ga", 3).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn giving_a_hold_back_gives_up_its_unpaid_order() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, hold, order) = world.order(&sale, 2).await;
    assert_eq!(buyer.gives_back(&hold).await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(buyer.looks_at_order(&order).await.unwrap().body["state"], "cancelled");
    assert_eq!(buyer.gives_back(&hold).await.unwrap().status, StatusCode::NO_CONTENT);
    world.stop().await;
}

#[tokio::test]
async fn a_paused_sale_holds_nothing_new() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let buyer = world.buyer(&sale).await;
    world.organizer.asks(Method::POST, &format!("sales/{sale}/pause"), &json!(null)).await.unwrap();
    let refused = buyer.asks_to_hold("ga", 1).await.unwrap();
    assert_eq!((refused.code(), refused.header("retry-after")), (Some("sale_paused"), Some("5")));
    world.organizer.asks(Method::POST, &format!("sales/{sale}/resume"), &json!(null)).await.unwrap();
    eventually("it holds again", async || buyer.asks_to_hold("ga", 1).await.unwrap().status == StatusCode::CREATED)
        .await;
    world.stop().await;
}
