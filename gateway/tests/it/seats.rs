//! Seats: by name, side by side, and what is said of those that are not free.

use http::StatusCode;
use sandbox::actors::{Answer, Buyer, Hold};
use serde_json::{Value, json};

use crate::world::{World, jazz_with};

/// A floor, and two tiers of rows, for nothing, so that an order has tickets at once.
async fn hall(world: &World) -> String {
    let rows = |rows: &[(&str, u32)]| -> Value {
        rows.iter().map(|(row, seats)| json!({ "row": row, "seats": seats })).collect()
    };
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 0, "capacity": 5 },
        { "id": "stalls", "name": "Stalls", "price": 0, "rows": rows(&[("A", 4), ("B", 7)]) },
        { "id": "balcony", "name": "Balcony", "price": 0, "rows": rows(&[("Z", 2)]) },
    ]);
    world.sale(&jazz_with(5, json!({ "tiers": tiers, "fees": [], "taxes": [] }))).await
}

async fn asks(buyer: &Buyer, items: &Value) -> Answer {
    buyer.asks_to_hold_items(items).await.unwrap()
}

fn seats(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
    answer.body["items"].as_array().unwrap().iter().filter_map(|item| item["seat"].as_str()).collect()
}

#[tokio::test]
async fn seats_are_held_ordered_and_printed_by_their_names() {
    let world = World::new().await;
    let sale = hall(&world).await;
    let buyer = world.buyer(&sale).await;
    let items = json!([{ "tier": "balcony", "seats": ["Z-2"] }, { "tier": "stalls", "quantity": 2, "together": true }, { "tier": "ga", "quantity": 1 }]);
    let held = asks(&buyer, &items).await;
    assert_eq!(seats(&held), ["Z-2", "A-2", "A-3"], "and a place on the floor has no seat");
    assert_eq!(held.body["items"].as_array().unwrap().len(), 4);
    let order = buyer.orders(&Hold::of(held).unwrap(), "ada@example.org", "Ada").await.unwrap();
    let order = buyer.looks_at_order(&order).await.unwrap();
    let mut printed: Vec<_> =
        order.body["tickets"].as_array().unwrap().iter().map(|ticket| ticket["seat"].as_str()).collect();
    printed.sort_unstable();
    assert_eq!(printed, [None, Some("A-2"), Some("A-3"), Some("Z-2")]);
    world.stop().await;
}

#[tokio::test]
async fn seats_that_others_have_are_named_and_nothing_is_held() {
    let world = World::new().await;
    let sale = hall(&world).await;
    let (first, second) = (world.buyer(&sale).await, world.buyer(&sale).await);
    seats(&asks(&first, &json!([{ "tier": "stalls", "seats": ["A-2", "B-7"] }])).await);
    let items = json!([{ "tier": "ga", "quantity": 1 }, { "tier": "stalls", "seats": ["A-1", "B-7", "A-2"] }]);
    let refused = asks(&second, &items).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("seat_taken")));
    let named: Vec<_> =
        refused.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(named, ["/items/1/seats/1", "/items/1/seats/2"]);
    assert!(refused.body["detail"].as_str().unwrap().contains("A-2, B-7"), "{}", refused.body);
    let had = asks(&second, &json!([{ "tier": "stalls", "seats": ["A-1", "A-3"] }])).await;
    assert_eq!(seats(&had), ["A-1", "A-3"]);
    world.stop().await;
}

#[tokio::test]
async fn more_together_than_any_row_has_is_refused_unless_apart_will_do() {
    let world = World::new().await;
    let sale = hall(&world).await;
    let buyer = world.buyer(&sale).await;
    let three = |more: Value| {
        let mut item = json!({ "tier": "balcony", "quantity": 2, "together": true });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([item])
    };
    let held = asks(&world.buyer(&sale).await, &json!([{ "tier": "stalls", "seats": ["A-3", "B-4"] }])).await;
    assert_eq!(seats(&held).len(), 2);
    let four = three(json!({ "tier": "stalls", "quantity": 4 }));
    let refused = asks(&buyer, &four).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("none_together")));
    let apart = three(json!({ "tier": "stalls", "quantity": 4, "or_apart": true }));
    assert_eq!(seats(&asks(&buyer, &apart).await), ["A-1", "A-2", "A-4", "B-1"]);
    world.stop().await;
}
