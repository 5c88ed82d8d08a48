//! `/v1/sales/{sale}/holds/{hold}/reclaim`

use http::{Method, StatusCode};
use sandbox::actors::{Answer, Buyer, Hold};
use sandbox::{Persistence, Redis, RedisOptions};
use serde_json::Value;

use crate::eventually::eventually;
use crate::world::{Setup, World, jazz};

async fn on_redis_of_its_own() -> (Redis, World) {
    let redis = Redis::start(RedisOptions { persistence: Persistence::None }).await.unwrap();
    let world = World::with(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    (redis, world)
}

async fn shows(world: &World, sale: &str, hold: &str, token: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    world
        .post(&format!("/v1/sales/{sale}/holds/{hold}/reclaim"), &[("authorization", &authorization)], &Value::Null)
        .await
}

async fn held(buyer: &Buyer, hold: &Hold) -> Value {
    buyer.looks_at_hold(hold).await.unwrap().expect(StatusCode::OK).unwrap()
}

#[tokio::test]
async fn a_lost_hold_comes_back_on_its_receipt_and_nothing_else_is_held_meanwhile() {
    let (redis, world) = on_redis_of_its_own().await;
    let sale = world.sale(&jazz(5)).await;
    let (buyer, other) = (world.buyer(&sale).await, world.buyer(&sale).await);
    let hold = buyer.holds("ga", 2).await.unwrap();
    let before = held(&buyer, &hold).await;
    redis.flush().await.unwrap();
    let away = buyer.reclaims(&hold).await.unwrap();
    assert_eq!((away.status, away.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable")));
    world.load(&sale).await;

    let refused = other.asks_to_hold("ga", 1).await.unwrap();
    assert_eq!((refused.code(), refused.header("retry-after")), (Some("store_unavailable"), Some("3")));
    let back = buyer.reclaims(&hold).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(
        (&back["items"], &back["expires_at"], &back["state"]),
        (&before["items"], &before["expires_at"], &before["state"])
    );
    let receipt = world.signer.verify_receipt(back["receipt"].as_str().unwrap()).unwrap();
    assert_eq!((receipt.epoch, receipt.hold.to_string()), (2, hold.id.clone()), "its newest receipt");
    assert_eq!(buyer.reclaims(&hold).await.unwrap().status, StatusCode::OK, "twice is once");
    eventually("new ones are taken", async || other.asks_to_hold("ga", 3).await.unwrap().status == StatusCode::CREATED)
        .await;
    assert_eq!(held(&buyer, &hold).await["items"], before["items"]);
    world.stop().await;
}

#[tokio::test]
async fn a_hold_that_was_never_lost_is_answered_as_it_is() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let (buyer, hold, _order) = world.order(&sale, 2).await;
    let ordered = buyer.reclaims(&hold).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&ordered["state"], ordered["items"].as_array().unwrap().len()), (&"committed".into(), 2));
    let other = world.buyer(&sale).await;
    let hold = other.holds("ga", 1).await.unwrap();
    assert_eq!(other.reclaims(&hold).await.unwrap().body["state"], "held");
    other.gives_back(&hold).await.unwrap();
    assert_eq!(other.reclaims(&hold).await.unwrap().code(), Some("hold_expired"));
    world.stop().await;
}

#[tokio::test]
async fn only_the_receipt_of_that_hold_will_do() {
    let world = World::new().await;
    let (sale, elsewhere) = (world.sale(&jazz(5)).await, world.sale(&jazz(5)).await);
    let buyer = world.buyer(&sale).await;
    let (hold, other) =
        (buyer.holds("ga", 1).await.unwrap(), world.buyer(&elsewhere).await.holds("ga", 1).await.unwrap());
    let path = format!("/v1/sales/{sale}/holds/{}/reclaim", hold.id);
    assert_eq!(world.post(&path, &[], &Value::Null).await.code(), Some("unauthorized"));
    let mut forged = hold.receipt.clone();
    forged.replace_range(30..31, if &forged[30..31] == "A" { "B" } else { "A" });
    for token in ["", "rcp_", "rcp_AAAA", buyer.pass(), &forged, &other.receipt, &hold.receipt[..60]] {
        let refused = shows(&world, &sale, &hold.id, token).await;
        assert!(matches!(refused.code(), Some("token_invalid" | "unauthorized")), "{token}: {refused:?}");
    }
    assert_eq!(shows(&world, &elsewhere, &hold.id, &hold.receipt).await.code(), Some("token_invalid"));
    assert_eq!(shows(&world, &sale, &other.id, &other.receipt).await.code(), Some("token_invalid"));
    for id in ["hold_1", "x", "ord_0190c5a0b0c07abc8def0123456789ab"] {
        assert_eq!(shows(&world, &sale, id, &hold.receipt).await.code(), Some("hold_not_found"), "{id}");
    }
    let got = world.edge.ask(Method::GET, &path, &[], &Value::Null).await.unwrap();
    assert_eq!((got.status, got.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("POST, OPTIONS")));
    world.stop().await;
}
