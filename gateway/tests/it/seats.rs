//! Seats: by name, side by side, and what is said of those that are not there.

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

#[tokio::test]
async fn every_bad_wish_is_told_where_it_is_and_nothing_is_held() {
    let world = World::new().await;
    let sale = hall(&world).await;
    let buyer = world.buyer(&sale).await;
    let stalls = |fields: Value| {
        let mut item = json!({ "tier": "stalls" });
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item
    };
    for (item, pointers) in [
        (stalls(json!({ "seats": ["A-5"] })), vec!["/items/0/seats/0"]),
        (
            stalls(json!({ "seats": ["A-1", "a-1", "A-0", "A-01", ""] })),
            vec!["/items/0/seats/1", "/items/0/seats/2", "/items/0/seats/3", "/items/0/seats/4"],
        ),
        (stalls(json!({ "seats": ["A-1", "A-1"] })), vec!["/items/0/seats/1"]),
        (stalls(json!({ "seats": ["Z-1"] })), vec!["/items/0/seats/0"]),
        (stalls(json!({ "seats": [] })), vec!["/items/0/seats"]),
        (stalls(json!({ "seats": vec!["A-1"; 101] })), vec!["/items/0/seats"]),
        (stalls(json!({ "seats": [1] })), vec!["/items/0/seats/0"]),
        (stalls(json!({ "seats": "A-1" })), vec!["/items/0/seats"]),
        (stalls(json!({ "seats": ["A-1"], "quantity": 1 })), vec!["/items/0/seats"]),
        (stalls(json!({ "seats": ["A-1"], "together": true })), vec!["/items/0/together"]),
        (stalls(json!({ "quantity": 0, "together": true })), vec!["/items/0/quantity"]),
        (stalls(json!({ "quantity": 1_000_000_000, "together": true })), vec!["/items/0/quantity"]),
        (stalls(json!({ "quantity": 2, "together": "yes" })), vec!["/items/0/together"]),
        (stalls(json!({ "quantity": 2, "or_apart": true })), vec!["/items/0/or_apart"]),
        (stalls(json!({})), vec!["/items/0/quantity"]),
        (json!({ "tier": "ga", "seats": ["A-1"] }), vec!["/items/0/seats"]),
        (json!({ "tier": "ga", "quantity": 2, "together": true }), vec!["/items/0/together"]),
        (json!({ "tier": "circle", "seats": ["A-1"] }), vec!["/items/0/tier"]),
    ] {
        let answer = asks(&buyer, &json!([item])).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, Some("validation_failed")), "{item}");
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!(
            errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect::<Vec<_>>(),
            pointers,
            "{item}"
        );
    }
    let other = asks(&buyer, &json!([stalls(json!({ "seats": ["Z-1"] }))])).await;
    assert!(other.body["errors"][0]["detail"].as_str().unwrap().contains("of balcony"), "{}", other.body);
    let too_many = asks(&buyer, &json!([stalls(json!({ "quantity": 5, "together": true }))])).await;
    assert_eq!(too_many.code(), Some("limit_reached"));
    for tier in ["ga", "stalls", "balcony"] {
        let whole = world.get(&format!("/v1/sales/{sale}")).await;
        let tiers = whole.body["tiers"].as_array().unwrap();
        let left = tiers.iter().find(|told| told["id"] == tier).unwrap()["availability"]["remaining"].as_u64();
        assert_eq!(
            left,
            Some(match tier {
                "ga" => 5,
                "stalls" => 11,
                _ => 2,
            }),
            "{tier}"
        );
    }
    world.stop().await;
}
