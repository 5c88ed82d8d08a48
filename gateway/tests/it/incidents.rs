//! Something that selling needs is away for long: the sale pauses by itself, says what it is, and goes on by itself.

use http::{Method, StatusCode};
use sandbox::actors::{Card, Visitor};
use sandbox::{CallFault, FaultProxy, Operation, shared};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{SOON, Setup, World, jazz, jazz_with};

/// These tests look more often than a visitor would.
const LOOKS: &str = "place=100000/10s";

async fn pause(visitor: &Visitor) -> Value {
    visitor.polls().await.unwrap().expect(StatusCode::OK).unwrap()["pause"].take()
}

#[tokio::test]
async fn postgres_away_for_long_pauses_the_sale_and_everybody_is_told() {
    let postgres = &shared().await.unwrap().postgres;
    let proxy = FaultProxy::start(postgres.address()).await.unwrap();
    let world = World::with(Setup { postgres: Some(proxy.address()), limits: LOOKS, ..Setup::default() }).await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let (mut inside, mut waiting) = (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale));
    inside.joins().await.unwrap();
    waiting.joins().await.unwrap();
    inside.polls_for_turn(SOON).await.unwrap();
    let before = waiting.polls().await.unwrap().body;
    proxy.stall();
    let incident = json!({ "by": "incident", "what": "postgres" });
    eventually("the sale pauses by itself", async || pause(&waiting).await == incident).await;
    let during = waiting.polls().await.unwrap().body;
    assert_eq!((&during["ahead"], &during["sale_state"]), (&before["ahead"], &before["sale_state"]));
    proxy.restore().await.unwrap();
    eventually("it goes on by itself", async || pause(&waiting).await.is_null()).await;
    inside.leaves().await.unwrap();
    waiting.polls_for_turn(SOON).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn payments_that_fail_for_long_pause_the_sale() {
    let world = World::with(Setup { limits: LOOKS, ..Setup::default() }).await;
    let sale = world.sale(&jazz(10)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let mut waiting = Visitor::new(&world.edge, &sale);
    waiting.joins().await.unwrap();
    world.stripe.fail_next_of(Operation::CreateIntent, 1_000, CallFault::ServerError);
    let incident = json!({ "by": "incident", "what": "stripe" });
    eventually("the sale pauses by itself", async || {
        let failed = world.pays(&buyer, &order, Card::Visa).await;
        assert_eq!(failed.code(), Some("store_unavailable"), "{:?}", failed.body);
        pause(&waiting).await == incident
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn gateways_that_know_a_decision_at_different_times_do_not_undo_it() {
    let world = World::with(Setup { limits: LOOKS, ..Setup::default() }).await;
    let second = world.second_gateway().await;
    let sale = world.sale(&jazz(10)).await;
    let mut waiting = Visitor::new(&world.edge, &sale);
    waiting.joins().await.unwrap();
    for round in 0..3 {
        for (decision, wanted) in [("pause", json!({ "by": "organizer", "what": null })), ("resume", Value::Null)] {
            let path = format!("sales/{sale}/{decision}");
            world.organizer.asks(Method::POST, &path, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
            eventually("the decision shows", async || pause(&waiting).await == wanted).await;
            // As long as the second gateway may not have heard of it; once it shows, it stays.
            for _ in 0..20 {
                assert_eq!(pause(&waiting).await, wanted, "round {round}: {decision} was undone");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    second.stop().await;
    world.stop().await;
}
