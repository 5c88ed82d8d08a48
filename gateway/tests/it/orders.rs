//! `/v1/sales/{sale}/orders`

use http::StatusCode;
use serde_json::json;

use crate::world::{World, jazz, jazz_with};

#[tokio::test]
async fn a_hold_becomes_one_order_however_often_it_is_asked_for() {
    let world = World::new().await;
    let sale = world.sale(&jazz(3)).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 2).await.unwrap();
    let order = buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap();
    let order = order.expect(StatusCode::CREATED).unwrap();
    assert_eq!((&order["state"], &order["final"]), (&json!("awaiting_payment"), &json!(false)));
    assert_eq!(order["total"], json!({ "amount": 2 * 4_548, "currency": "eur" }));
    let kinds: Vec<_> = order["lines"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["base", "fee", "tax"]);
    assert_eq!(order["payment"]["publishable_key"], "pk_test_of_the_tests");
    assert_eq!(order["tickets"], json!([]));

    let again = buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(again["id"], order["id"]);
    assert_eq!(buyer.looks_at_hold(&hold).await.unwrap().body["state"], "committed");
    assert_eq!(world.database.number("SELECT count(*) FROM orders").await.unwrap(), 1);
    world.stop().await;
}

#[tokio::test]
async fn an_order_is_seen_by_its_buyer_only() {
    let world = World::new().await;
    let sale = world.sale(&jazz(3)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let path = format!("/v1/sales/{sale}/orders/{}", order.id);
    assert_eq!(world.get(&path).await.code(), Some("unauthorized"));
    let pass = format!("Bearer {}", buyer.pass());
    assert_eq!(world.get_with(&path, &[("authorization", &pass)]).await.code(), Some("token_invalid"));
    let (_, _, other) = world.order(&sale, 1).await;
    let token = format!("Bearer {}", other.token);
    assert_eq!(world.get_with(&path, &[("authorization", &token)]).await.code(), Some("token_invalid"));
    let seen = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert!(seen.get("token").is_none() && seen.get("email").is_none());
    world.stop().await;
}

#[tokio::test]
async fn a_free_order_is_paid_at_once() {
    let world = World::new().await;
    let free = json!({
        "tiers": [{ "id": "ga", "name": "Floor", "price": 0, "capacity": 2 }], "fees": [], "taxes": [],
    });
    let sale = world.sale(&jazz_with(2, free)).await;
    let (buyer, _, order) = world.order(&sale, 2).await;
    let order = buyer.looks_at_order(&order).await.unwrap().body;
    assert_eq!((&order["state"], &order["payment"], &order["final"]), (&json!("paid"), &json!(null), &json!(true)));
    assert_eq!(order["tickets"].as_array().unwrap().len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn units_that_postgres_has_not_free_are_not_ordered() {
    let world = World::new().await;
    let sale = world.sale(&jazz(3)).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 2).await.unwrap();
    world.database.execute("UPDATE units SET state = 'withheld' WHERE unit_no = 0").await.unwrap();
    let refused = buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("seat_taken")));
    assert_eq!(world.database.number("SELECT count(*) FROM orders").await.unwrap(), 0);
    let next = buyer.asks_to_hold("ga", 2).await.unwrap().expect(StatusCode::CREATED).unwrap();
    let units: Vec<_> = next["items"].as_array().unwrap().iter().map(|item| item["unit"].as_u64().unwrap()).collect();
    assert_eq!(units, [1, 2], "the lost unit is not offered again, the other one is");
    world.stop().await;
}
