//! Whether anything will be left: what those who wait are told of it.

use sandbox::actors::Visitor;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{SOON, World, jazz_with};

/// A sale with so many units that lets one in at a time, who may have four.
async fn narrow(world: &World, units: u32) -> String {
    world.sale(&jazz_with(units, json!({ "admission": { "max_shoppers": 1 } }))).await
}

async fn told(visitor: &Visitor) -> Value {
    visitor.polls().await.unwrap().body["odds"].clone()
}

#[tokio::test]
async fn the_tail_is_told_its_odds_and_hears_when_they_change() {
    let world = World::new().await;
    let (few, many) = (narrow(&world, 4).await, narrow(&world, 40).await);
    let buyer = world.buyer(&few).await;
    let hold = buyer.holds("ga", 4).await.unwrap();
    let (waiting, mut socket) = world.watcher(&few).await;
    eventually("what is held may come back", async || told(&waiting).await == "uncertain").await;
    buyer.orders(&hold, "ada@example.org", "Ada").await.unwrap();
    socket.waits_until("odds", SOON, |frame| frame["data"]["odds"] == "waitlist").await.unwrap();
    assert_eq!(told(&waiting).await, "waitlist", "nothing is left but what comes back");

    world.buyer(&many).await.holds("ga", 1).await.unwrap();
    let (next, _socket) = world.watcher(&many).await;
    eventually("there is enough", async || told(&next).await == "likely").await;
    let inside = waits_inside(&world).await;
    assert_eq!(inside, Value::Null, "who is inside sees for herself");
    world.stop().await;
}

/// What somebody is told who has a turn.
async fn waits_inside(world: &World) -> Value {
    let sale = narrow(world, 4).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    visitor.waits_for_turn(SOON).await.unwrap();
    told(&visitor).await
}
