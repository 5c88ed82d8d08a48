//! How many one buyer may have: of all, and of a tier.

use http::StatusCode;
use sandbox::actors::{Answer, Hold};
use serde_json::{Value, json};

use crate::world::{World, jazz_with};

/// A floor, and boxes of which one buyer may have two.
async fn with_boxes(world: &World) -> String {
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 4_000, "capacity": 20 },
        { "id": "boxes", "name": "Boxes", "price": 9_000, "rows": [{ "row": "1", "seats": 8 }], "per_buyer_limit": 2 },
    ]);
    world.sale(&jazz_with(1, json!({ "tiers": tiers }))).await
}

fn faults(answer: &Answer) -> Vec<&str> {
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, Some("limit_reached")), "{:?}", answer.body);
    answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_hold_beyond_a_limit_is_told_which_and_nothing_is_held() {
    let world = World::new().await;
    let sale = with_boxes(&world).await;
    let told = world.get(&format!("/v1/sales/{sale}")).await.expect(StatusCode::OK).unwrap();
    let limits: Vec<_> = told["tiers"].as_array().unwrap().iter().map(|tier| &tier["per_buyer_limit"]).collect();
    assert_eq!((limits, &told["per_buyer_limit"]), (vec![&Value::Null, &json!(2)], &json!(4)));

    let buyer = world.buyer(&sale).await;
    for (items, pointers) in [
        (json!([{ "tier": "boxes", "quantity": 3 }]), vec!["/items/0/quantity"]),
        (
            json!([{ "tier": "ga", "quantity": 1 }, { "tier": "boxes", "seats": ["1-1", "1-2", "1-3"] }]),
            vec!["/items/1/seats"],
        ),
        (json!([{ "tier": "ga", "quantity": 3 }, { "tier": "boxes", "quantity": 2 }]), vec!["/items"]),
        (
            json!([{ "tier": "ga", "quantity": 2 }, { "tier": "boxes", "quantity": 3, "together": true }]),
            vec!["/items/1/quantity", "/items"],
        ),
    ] {
        assert_eq!(faults(&buyer.asks_to_hold_items(&items).await.unwrap()), pointers, "{items}");
    }
    let of_tier = buyer.asks_to_hold("boxes", 3).await.unwrap();
    assert_eq!(of_tier.body["detail"], "One buyer may have at most 2 of boxes.");
    world.holds_nothing(&sale).await;
    let both = json!([{ "tier": "ga", "quantity": 2 }, { "tier": "boxes", "quantity": 2 }]);
    assert_eq!(buyer.asks_to_hold_items(&both).await.unwrap().status, StatusCode::CREATED);
    world.stop().await;
}

#[tokio::test]
async fn the_limit_of_a_tier_counts_over_all_orders_of_an_address_and_the_hold_stays() {
    let world = World::new().await;
    let sale = with_boxes(&world).await;
    let (first, second) = (world.buyer(&sale).await, world.buyer(&sale).await);
    let hold = first.holds("boxes", 1).await.unwrap();
    first.orders(&hold, "ada@example.org", "Ada").await.unwrap();
    let hold = second.holds("boxes", 2).await.unwrap();
    let refused = second.asks_to_order(&hold, "Ada+2@example.org", "Ada").await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("limit_reached")));
    assert!(refused.body["detail"].as_str().unwrap().contains("2 of boxes"), "{}", refused.body);
    assert_eq!(second.looks_at_hold(&hold).await.unwrap().body["state"], "frozen");
    second.orders(&hold, "bea@example.org", "Bea").await.unwrap();

    let third = world.buyer(&sale).await;
    let floor = third.holds("ga", 3).await.unwrap();
    third.orders(&floor, "ada@example.org", "Ada").await.unwrap();
    world.stop().await;
}

/// What a tier gives away for nothing is one line of zero in an order that is paid for.
#[tokio::test]
async fn a_tier_for_nothing_is_ordered_with_one_that_costs_something() {
    let world = World::new().await;
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 4_000, "capacity": 5 },
        { "id": "child", "name": "Children", "price": 0, "capacity": 5 },
    ]);
    let taxed = json!({ "tiers": tiers, "fees": [{ "name": "Booking fee", "basis_points": 1_000 }] });
    let sale = world.sale(&jazz_with(1, taxed)).await;
    let buyer = world.buyer(&sale).await;
    let items = json!([{ "tier": "ga", "quantity": 1 }, { "tier": "child", "quantity": 2 }]);
    let hold = Hold::of(buyer.asks_to_hold_items(&items).await.unwrap()).unwrap();
    let order = buyer.orders(&hold, "ada@example.org", "Ada").await.unwrap();
    let told = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&told["state"], &told["total"]["amount"]), (&json!("awaiting_payment"), &json!(4_708)));
    let lines = told["lines"].as_array().unwrap();
    let of = |tier: &str| {
        lines
            .iter()
            .filter(|line| line["tier"] == tier)
            .map(|line| line["amount"]["amount"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!((of("ga"), of("child")), (vec![4_000, 400, 308], vec![0, 0, 0]));

    let child = world.buyer(&sale).await;
    let hold = child.holds("child", 1).await.unwrap();
    let order = child.orders(&hold, "bea@example.org", "Bea").await.unwrap();
    assert_eq!(child.looks_at_order(&order).await.unwrap().body["state"], "paid", "alone it is free");
    world.stop().await;
}
