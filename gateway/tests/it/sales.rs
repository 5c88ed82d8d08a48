//! `/v1/sales`

use http::StatusCode;
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{World, jazz, jazz_with};

#[tokio::test]
async fn a_published_sale_is_shown_with_its_price_and_what_is_left() {
    let world = World::new().await;
    let config = jazz(10);
    let id = world.sale(&config).await;
    for name in [id.as_str(), config["slug"].as_str().unwrap()] {
        let sale = world.get(&format!("/v1/sales/{name}")).await.expect(StatusCode::OK).unwrap();
        assert_eq!((&sale["id"], &sale["state"]), (&json!(id), &json!("open")));
        let tier = &sale["tiers"][0];
        assert_eq!(tier["availability"], json!({ "level": "many", "remaining": 10 }));
        assert_eq!(tier["price"]["total"], json!({ "amount": 4_548, "currency": "eur" }));
        assert_eq!(tier["price"]["base"]["amount"], 4_000);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_sale_says_its_phases_and_who_may_join_in_them() {
    let world = World::new().await;
    let one = world.sale(&jazz(1)).await;
    let general = world.get(&format!("/v1/sales/{one}")).await.expect(StatusCode::OK).unwrap()["phases"].clone();
    assert_eq!(
        general,
        json!([{ "id": "general", "prequeue_opens_at": null, "opens_at": "2020-01-01T00:00:00Z", "closes_at": null, "access": "public" }])
    );
    let phases = json!([
        { "id": "presale", "opens_at": "2020-01-01T00:00:00Z", "access": "code" },
        { "id": "general", "opens_at": "2099-01-02T00:00:00Z" },
    ]);
    let two = world.sale(&jazz_with(1, json!({ "phases": phases }))).await;
    let told = world.get(&format!("/v1/sales/{two}")).await.expect(StatusCode::OK).unwrap()["phases"].clone();
    assert_eq!((&told[0]["access"], &told[0]["closes_at"]), (&json!("code"), &json!("2099-01-02T00:00:00Z")));
    assert_eq!(told[1]["prequeue_opens_at"], "2099-01-01T23:30:00Z");
    world.stop().await;
}

#[tokio::test]
async fn a_sale_that_has_not_opened_can_be_looked_at_without_redis() {
    let world = World::new().await;
    let later = jazz_with(3, json!({ "opens_at": "2099-01-01T00:00:00Z" }));
    // Published and never loaded: Redis knows nothing of it.
    let sale = world.organizer.publishes(&later).await.unwrap();
    let shown = world.get(&format!("/v1/sales/{sale}")).await.expect(StatusCode::OK).unwrap();
    assert_eq!((&shown["state"], &shown["tiers"][0]["availability"]["remaining"]), (&json!("scheduled"), &json!(3)));
    world.stop().await;
}

#[tokio::test]
async fn the_list_is_searched_and_goes_on_where_it_ended() {
    let world = World::new().await;
    let ids = [world.sale(&jazz(1)).await, world.sale(&jazz(1)).await];
    let first = world.get("/v1/sales?limit=1&q=jazz").await.expect(StatusCode::OK).unwrap();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("/v1/sales?limit=1&cursor={cursor}")).await.expect(StatusCode::OK).unwrap();
    let mut listed = vec![first["data"][0]["id"].as_str().unwrap(), second["data"][0]["id"].as_str().unwrap()];
    listed.sort_unstable();
    assert_eq!(listed, ids);
    assert_eq!(second["next_cursor"], json!(null));
    assert_eq!(world.get("/v1/sales?q=opera").await.body["data"], json!([]));
    assert_eq!(world.get("/v1/sales?limit=0").await.code(), Some("validation_failed"));
    world.stop().await;
}

#[tokio::test]
async fn a_draft_and_an_unknown_sale_are_not_there() {
    let world = World::new().await;
    let draft = world.organizer.asks(http::Method::POST, "sales", &jazz(1)).await.unwrap();
    let draft = draft.expect(StatusCode::CREATED).unwrap();
    for name in [draft["id"].as_str().unwrap(), "sale_00000000000000000000000000000000", "no-such-sale"] {
        let answer = world.get(&format!("/v1/sales/{name}")).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, Some("not_found")), "{name}");
    }
    world.stop().await;
}

#[tokio::test]
async fn what_is_ordered_or_held_is_not_left() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    // Both turns come while there is a unit for each: nobody is let in for nothing.
    let (buyer, late) = (world.buyer(&sale).await, world.buyer(&sale).await);
    buyer.holds("ga", 2).await.unwrap();
    let level = async |wanted: &str| {
        let body = world.get(&format!("/v1/sales/{sale}")).await.body;
        body["tiers"][0]["availability"]["level"] == wanted
    };
    eventually("all held", async || level("all_held").await).await;
    let refused = late.asks_to_hold("ga", 1).await.unwrap();
    assert_eq!((refused.code(), refused.header("retry-after")), (Some("all_held"), Some("2")));
    world.stop().await;
}

#[tokio::test]
async fn a_sale_that_ended_shows_that_nothing_is_left() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(5, json!({ "venue": "Hall" }))).await;
    world.organizer.asks(http::Method::POST, &format!("sales/{sale}/close"), &json!(null)).await.unwrap();
    let shown = world.get(&format!("/v1/sales/{sale}")).await.expect(StatusCode::OK).unwrap();
    assert_eq!((&shown["state"], &shown["tiers"][0]["availability"]["level"]), (&json!("closed"), &json!("none")));
    world.stop().await;
}
