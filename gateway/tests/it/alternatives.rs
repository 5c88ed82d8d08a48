//! What is offered to who comes too late for a seat.

use http::StatusCode;
use sandbox::actors::{Answer, Buyer, Hold};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{World, jazz_with};

/// A floor of five, and two rows: four seats before six.
async fn hall(world: &World) -> String {
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 1_000, "capacity": 5 },
        { "id": "stalls", "name": "Stalls", "price": 2_000, "rows": [{ "row": "A", "seats": 4 }, { "row": "B", "seats": 6 }] },
    ]);
    world.sale(&jazz_with(5, json!({ "tiers": tiers, "per_buyer_limit": 8 }))).await
}

fn stalls(seats: &[&str]) -> Value {
    json!([{ "tier": "stalls", "seats": seats }])
}

async fn holds(buyer: &Buyer, items: Value) -> Hold {
    Hold::of(buyer.asks_to_hold_items(&items).await.unwrap()).unwrap()
}

/// Comes back when the seat map has rows A and B so: offers are made from it.
async fn map_shows(world: &World, sale: &str, rows: [&str; 2]) {
    eventually("the map shows it", async || {
        let map = world.get(&format!("/v1/sales/{sale}/seats")).await.expect(StatusCode::OK).unwrap();
        let shown = &map["tiers"][0]["rows"];
        [&shown[0]["states"], &shown[1]["states"]] == rows
    })
    .await;
}

/// The seats of each offer and whether they are together, of an answer that says so many are free.
fn offers(answer: &Answer, remaining: u64) -> Vec<(Vec<&str>, bool)> {
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, Some("seat_taken")), "{:?}", answer.body);
    let of_stalls = answer.body["alternatives"].as_array().unwrap().iter().map(|offer| {
        let seats: Vec<_> = offer["seats"].as_array().unwrap().iter().map(|seat| seat.as_str().unwrap()).collect();
        assert_eq!(
            (&offer["tier"], &offer["quantity"], &offer["remaining"]),
            (&json!("stalls"), &json!(seats.len()), &json!(remaining))
        );
        (seats, offer["together"].as_bool().unwrap())
    });
    of_stalls.collect()
}

#[tokio::test]
async fn who_names_taken_seats_is_offered_the_nearest_side_by_side_and_may_have_them() {
    let world = World::new().await;
    let sale = hall(&world).await;
    let (first, second) = (world.buyer(&sale).await, world.buyer(&sale).await);
    map_shows(&world, &sale, ["ffff", "ffffff"]).await;
    holds(&first, stalls(&["B-3", "B-4"])).await;
    let at_once = second.asks_to_hold_items(&stalls(&["B-3", "B-4"])).await.unwrap();
    assert_eq!(offers(&at_once, 8)[0], (vec!["A-2", "A-3"], true), "also before the map knows what was taken");
    map_shows(&world, &sale, ["ffff", "ffhhff"]).await;
    let refused = second.asks_to_hold_items(&stalls(&["B-3", "B-4"])).await.unwrap();
    assert_eq!(
        offers(&refused, 8),
        [(vec!["A-2", "A-3"], true), (vec!["B-1", "B-2"], true), (vec!["B-5", "B-6"], true)]
    );
    let one_taken = second.asks_to_hold_items(&stalls(&["B-4", "B-5", "B-6"])).await.unwrap();
    assert_eq!(
        offers(&one_taken, 8),
        [(vec!["A-2", "A-3", "A-4"], true)],
        "as many as were asked for, not as were taken"
    );
    let offered = stalls(&["A-2", "A-3", "A-4"]);
    assert_eq!(second.asks_to_hold_items(&offered).await.unwrap().status, StatusCode::CREATED);
    world.stop().await;
}

#[tokio::test]
async fn where_no_row_has_so_many_they_are_offered_apart_or_all_that_are_left_or_nothing() {
    let world = World::new().await;
    let sale = hall(&world).await;
    let (first, second, third) = (world.buyer(&sale).await, world.buyer(&sale).await, world.buyer(&sale).await);
    holds(&first, stalls(&["A-2", "A-3", "B-2", "B-4", "B-5", "B-6"])).await;
    map_shows(&world, &sale, ["fhhf", "fhfhhh"]).await;
    let refused = third.asks_to_hold_items(&stalls(&["A-2", "A-3"])).await.unwrap();
    assert_eq!(offers(&refused, 4), [(vec!["A-1", "A-4"], false)]);
    holds(&second, stalls(&["A-1", "A-4", "B-1"])).await;
    map_shows(&world, &sale, ["hhhh", "hhfhhh"]).await;
    let refused = third.asks_to_hold_items(&stalls(&["A-2", "A-3"])).await.unwrap();
    assert_eq!(offers(&refused, 1), [(vec!["B-3"], true)]);
    let items = json!([{ "tier": "ga", "quantity": 1 }, { "tier": "stalls", "seats": ["B-3"] }]);
    holds(&third, items).await;
    map_shows(&world, &sale, ["hhhh", "hhhhhh"]).await;
    let last = world.buyer(&sale).await.asks_to_hold_items(&stalls(&["A-2"])).await.unwrap();
    assert_eq!((last.code(), last.body.get("alternatives")), (Some("seat_taken"), None));
    world.stop().await;
}

#[tokio::test]
async fn who_wants_more_than_is_left_is_told_how_many_there_are_and_offered_what_is_free() {
    let world = World::new().await;
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 1_000, "capacity": 2 },
        { "id": "stalls", "name": "Stalls", "price": 2_000, "rows": [{ "row": "A", "seats": 3 }, { "row": "B", "seats": 1 }] },
    ]);
    let sale = world.sale(&jazz_with(5, json!({ "tiers": tiers, "per_buyer_limit": 8 }))).await;
    let (first, second) = (world.buyer(&sale).await, world.buyer(&sale).await);
    let asks = async |tier: &str, quantity: u32| {
        let answer = second.asks_to_hold(tier, quantity).await.unwrap();
        assert_eq!(answer.status, StatusCode::CONFLICT, "{:?}", answer.body);
        answer
    };
    let told =
        |answer: &Answer| (answer.code().unwrap().to_owned(), answer.body["detail"].as_str().unwrap().to_owned());
    let too_few = |detail: &str| ("too_few_left".to_owned(), detail.to_owned());
    let floor =
        |left: u32| json!([{ "tier": "ga", "quantity": left, "seats": null, "together": false, "remaining": left }]);

    let refused = asks("ga", 3).await;
    assert_eq!(told(&refused), too_few("Only 2 of ga are left, or may come back."));
    assert_eq!(refused.body["alternatives"], floor(2));
    holds(&first, json!([{ "tier": "ga", "quantity": 1 }, { "tier": "stalls", "seats": ["A-2"] }])).await;
    eventually("the one that is held is not offered", async || {
        let refused = asks("ga", 3).await;
        assert_eq!(told(&refused), too_few("Only 2 of ga are left, or may come back."));
        refused.body["alternatives"] == floor(1)
    })
    .await;
    let some_held = told(&asks("ga", 2).await);
    let detail = "Too few of ga are free at the moment: others hold more, and some of those come back.";
    assert_eq!(some_held, ("all_held".to_owned(), detail.to_owned()), "though one is free");

    map_shows(&world, &sale, ["fhf", "f"]).await;
    let refused = asks("stalls", 5).await;
    assert_eq!(told(&refused), too_few("Only 4 of stalls are left, or may come back."));
    let front =
        json!([{ "tier": "stalls", "quantity": 3, "seats": ["A-1", "A-3", "B-1"], "together": false, "remaining": 3 }]);
    assert_eq!(refused.body["alternatives"], front);
    let offered = json!([{ "tier": "stalls", "seats": ["A-1", "A-3", "B-1"] }, { "tier": "ga", "quantity": 1 }]);
    holds(&second, offered).await;
    world.stop().await;
}

#[tokio::test]
async fn one_that_is_left_is_told_in_the_singular_and_not_offered_while_it_is_held() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(1, json!({ "admission": { "overbook": 100 } }))).await;
    let (first, second) = (world.buyer(&sale).await, world.buyer(&sale).await);
    first.holds("ga", 1).await.unwrap();
    eventually("it is not offered", async || {
        let refused = second.asks_to_hold("ga", 2).await.unwrap();
        assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("too_few_left")));
        assert_eq!(refused.body["detail"], "Only 1 of ga is left, or may come back.");
        refused.body.get("alternatives").is_none()
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn who_loses_seats_to_a_disagreement_of_the_stores_is_offered_others_of_each_tier_that_lacks_some() {
    let world = World::new().await;
    let sale = hall(&world).await;
    let buyer = world.buyer(&sale).await;
    let items = json!([{ "tier": "ga", "quantity": 2 }, { "tier": "stalls", "seats": ["A-1", "A-2"] }]);
    let hold = holds(&buyer, items.clone()).await;
    world.database.execute("UPDATE units SET state = 'withheld' WHERE seat_label = 'A-1'").await.unwrap();
    let refused = buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap();
    assert_eq!(
        offers(&refused, 9),
        [(vec!["A-2", "A-3"], true), (vec!["B-2", "B-3"], true)],
        "A-2 is free again with the rest of the hold"
    );
    assert_eq!(world.database.number("SELECT count(*) FROM orders").await.unwrap(), 0);

    let instead = json!([{ "tier": "ga", "quantity": 2 }, { "tier": "stalls", "seats": ["A-2", "A-3"] }]);
    let hold = holds(&buyer, instead).await;
    let sold = "UPDATE units SET state = 'withheld' WHERE tier_id = 'ga' AND unit_no < 4 OR seat_label = 'A-3'";
    world.database.execute(sold).await.unwrap();
    let refused = buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap();
    let floor = json!({ "tier": "ga", "quantity": 2, "seats": null, "together": false, "remaining": 3 });
    assert_eq!(refused.body["alternatives"][0], floor, "Redis does not know yet of the other two");
    assert_eq!(refused.body["alternatives"].as_array().unwrap().len(), 2, "{:?}", refused.body);
    world.stop().await;
}
