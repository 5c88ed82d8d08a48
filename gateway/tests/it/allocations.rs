//! What each phase may sell.

use domain::clock::Clock;
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{DOORS_OFFSET_MS, World, jazz_with};

/// A presale of three units that is open, and in an hour everybody may have four more; then all.
async fn presale(world: &World) -> String {
    let now = Clock::system().now();
    let at = |hours| now + SignedDuration::from_hours(hours);
    let phases = json!([
        { "id": "fans", "opens_at": "2020-01-01T00:00:00Z", "allocation": { "ga": 3 } },
        { "id": "general", "opens_at": at(1), "prequeue_opens_at": at(1), "allocation": { "ga": 4 } },
        { "id": "rest", "opens_at": at(2), "prequeue_opens_at": at(2) },
    ]);
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 4_000, "capacity": 10 },
        { "id": "balcony", "name": "Balcony", "price": 4_000, "capacity": 4 },
    ]);
    world.sale(&jazz_with(10, json!({ "phases": phases, "tiers": tiers, "withheld": { "ga": 1 } }))).await
}

async fn floor(world: &World, sale: &str) -> Value {
    let sale = world.get(&format!("/v1/sales/{sale}")).await.expect(StatusCode::OK).unwrap();
    sale["tiers"][0]["availability"].clone()
}

#[tokio::test]
async fn a_phase_sells_what_it_was_given_and_what_is_left_goes_on_to_the_next() {
    let world = World::new().await;
    let sale = presale(&world).await;
    let buyers = [world.buyer(&sale).await, world.buyer(&sale).await, world.buyer(&sale).await];
    assert_eq!(floor(&world, &sale).await["remaining"], 3);
    let hold = buyers[0].holds("ga", 2).await.unwrap();
    let refused = async |buyer: usize, quantity| {
        let refused = buyers[buyer].asks_to_hold("ga", quantity).await.unwrap();
        assert_eq!(refused.status, StatusCode::CONFLICT, "{:?}", refused.body);
        refused
    };
    assert_eq!(refused(1, 2).await.code(), Some("all_held"), "two are held, and may come back");
    buyers[0].orders(&hold, "ada@example.org", "Ada").await.unwrap();
    let fewer = refused(1, 2).await;
    assert_eq!(fewer.code(), Some("too_few_left"), "one may be had");
    assert_eq!(fewer.body["detail"], "Only 1 of ga is left, or may come back.");
    let last = buyers[1].holds("ga", 1).await.unwrap();
    assert_eq!(refused(2, 1).await.code(), Some("all_held"));
    buyers[1].orders(&last, "bob@example.org", "Bob").await.unwrap();
    let early = refused(2, 1).await;
    assert_eq!(early.code(), Some("allocation_sold_out"));
    let retry_s: u32 = early.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&retry_s), "{retry_s}");
    let detail = early.body["detail"].as_str().unwrap();
    assert!(detail.contains("opens at 20"), "{detail}");
    eventually("everybody sees that nothing may be had now", async || {
        floor(&world, &sale).await == json!({ "level": "none", "remaining": 0 })
    })
    .await;
    buyers[2].holds("balcony", 4).await.unwrap();

    world.clocks_move(&sale, DOORS_OFFSET_MS).await;
    eventually("the next phase sells", async || floor(&world, &sale).await["remaining"] == 3 + 4 - 3).await;
    world.clocks_move(&sale, 2 * DOORS_OFFSET_MS).await;
    eventually("the last one sells all", async || floor(&world, &sale).await["remaining"] == 10 - 1 - 3).await;
    world.stop().await;
}

/// What the page without JavaScript says is left of the only tier.
async fn on_the_plain_page(world: &World, sale: &str) -> String {
    let sale = world.get(&format!("/v1/sales/{sale}")).await.expect(StatusCode::OK).unwrap();
    let page = world.get(&format!("/s/{}/plain", sale["slug"].as_str().unwrap())).await;
    let html = page.body.as_str().unwrap();
    let (_, left) = html.split_once("data-level=\"none\">").unwrap();
    left.split('<').next().unwrap().to_owned()
}

/// Nobody is called to a counter that has nothing to sell yet; who waits is called when it has.
#[tokio::test]
async fn turns_wait_for_the_next_phase() {
    let world = World::new().await;
    let at = Clock::system().now() + SignedDuration::from_hours(1);
    let phases = json!([
        { "id": "fans", "opens_at": "2020-01-01T00:00:00Z", "allocation": { "ga": 1 } },
        { "id": "general", "opens_at": at, "prequeue_opens_at": at },
    ]);
    let sale = world.sale(&jazz_with(10, json!({ "phases": phases }))).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    buyer.orders(&hold, "ada@example.org", "Ada").await.unwrap();
    let mut waiting = sandbox::actors::Visitor::new(&world.edge, &sale);
    waiting.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    eventually("the line has seen ticks", async || {
        let queue = world.organizer.looks_at_queue(&sale).await.unwrap();
        queue.body["line"]["waiting"] == 1 && floor(&world, &sale).await["remaining"] == 0
    })
    .await;
    let queue = world.organizer.looks_at_queue(&sale).await.unwrap();
    assert_eq!(queue.body["line"]["admitted_total"], 1, "{:?}", queue.body);
    assert_eq!(on_the_plain_page(&world, &sale).await, "None left now", "and not sold out: nine are to come");
    world.clocks_move(&sale, DOORS_OFFSET_MS).await;
    waiting.waits_for_turn(crate::world::SOON).await.unwrap();
    world.stop().await;
}
