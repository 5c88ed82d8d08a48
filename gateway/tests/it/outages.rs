//! A store goes away and comes back: 503 with Retry-After while it lasts, service within two seconds after.

use std::time::{Duration, Instant};

use http::StatusCode;
use sandbox::actors::{Answer, Buyer, Visitor};
use sandbox::{FaultProxy, Webhook, shared};
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{SOON, Setup, WEBHOOK_SECRET, World, jazz, jazz_with};

/// No answer takes longer than this, however a store is away.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// The contract: normal service within two seconds after a store is back.
const BACK_MAX: Duration = Duration::from_secs(2);

fn is_away(answer: &Answer) -> bool {
    answer.status == StatusCode::SERVICE_UNAVAILABLE
        && answer.code() == Some("store_unavailable")
        && answer.header("retry-after").is_some()
}

/// One press of a button, however often it is sent.
async fn press(world: &World, sale: &str, buyer: &Buyer) -> Answer {
    let authorization = format!("Bearer {}", buyer.pass());
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "press-1")];
    let body = json!({ "items": [{ "tier": "ga", "quantity": 1 }] });
    world.post(&format!("/v1/sales/{sale}/holds"), &headers, &body).await
}

#[tokio::test]
async fn redis_away_is_said_and_service_returns_with_it() {
    let redis = &shared().await.unwrap().redis;
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), ..Setup::default() }).await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    proxy.cut().await;
    let before = Instant::now();
    assert!(is_away(&press(&world, &sale, &buyer).await));
    assert!(is_away(&Visitor::new(&world.edge, &sale).joins().await.unwrap()));
    assert!(before.elapsed() < 2 * ANSWER_MAX, "{:?}", before.elapsed());
    eventually("what is left is not known", async || is_away(&world.get(&format!("/v1/sales/{sale}")).await)).await;
    assert!(world.gateway.ready().await.iter().any(|line| line.name == "redis" && !line.ok));
    proxy.restore().await.unwrap();
    let back = Instant::now();
    // A request that came too early may have been carried out unheard: the same key finds out, as a buyer's page does.
    eventually("holds are taken again", async || press(&world, &sale, &buyer).await.status == StatusCode::CREATED)
        .await;
    assert!(back.elapsed() < BACK_MAX, "{:?}", back.elapsed());
    world.stop().await;
}

#[tokio::test]
async fn postgres_away_is_said_and_service_returns_with_it() {
    let postgres = &shared().await.unwrap().postgres;
    let proxy = FaultProxy::start(postgres.address()).await.unwrap();
    let world = World::with(Setup { postgres: Some(proxy.address()), ..Setup::default() }).await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    proxy.cut().await;
    let before = Instant::now();
    assert!(is_away(&buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap()));
    assert!(before.elapsed() < ANSWER_MAX, "{:?}", before.elapsed());
    assert_eq!(buyer.looks_at_hold(&hold).await.unwrap().status, StatusCode::OK, "what needs Redis only goes on");
    assert_eq!(world.get(&format!("/v1/sales/{sale}")).await.status, StatusCode::OK);
    proxy.restore().await.unwrap();
    let back = Instant::now();
    eventually("orders are written again", async || {
        buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap().status.is_success()
    })
    .await;
    assert!(back.elapsed() < BACK_MAX, "{:?}", back.elapsed());
    world.stop().await;
}

/// Nothing changed meanwhile, so nothing else would tell them that it is over.
#[tokio::test]
async fn who_was_told_that_the_store_is_away_is_told_that_it_is_back() {
    let redis = &shared().await.unwrap().redis;
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), ..Setup::default() }).await;
    let sale = world.sale(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let (_inside, mut waiting) = (world.buyer(&sale).await, Visitor::new(&world.edge, &sale));
    waiting.joins().await.unwrap();
    let mut socket = waiting.watches().await.unwrap();
    let before = socket.waits_for("position", SOON).await.unwrap();
    proxy.cut().await;
    assert_eq!(socket.waits_for("error", SOON).await.unwrap()["data"]["code"], "store_unavailable");
    proxy.restore().await.unwrap();
    let after = socket.waits_for("position", SOON).await.unwrap();
    assert_eq!(after["data"]["number"], before["data"]["number"]);
    world.stop().await;
}

#[tokio::test]
async fn a_stalled_store_makes_nobody_wait_for_long() {
    let redis = &shared().await.unwrap().redis;
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), ..Setup::default() }).await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    proxy.stall();
    let before = Instant::now();
    assert!(is_away(&press(&world, &sale, &buyer).await));
    assert!(before.elapsed() < ANSWER_MAX, "{:?}", before.elapsed());
    proxy.restore().await.unwrap();
    eventually("holds are taken again", async || press(&world, &sale, &buyer).await.status == StatusCode::CREATED)
        .await;
    world.stop().await;
}

#[tokio::test]
async fn a_sale_that_redis_lost_is_away_until_it_is_loaded_again() {
    let redis = sandbox::Redis::start(sandbox::RedisOptions { persistence: sandbox::Persistence::None }).await.unwrap();
    let world = World::with(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    redis.flush().await.unwrap();
    assert!(is_away(&buyer.asks_to_hold("ga", 1).await.unwrap()));
    world.load(&sale).await;
    eventually("the pass survives", async || buyer.asks_to_hold("ga", 1).await.unwrap().status == StatusCode::CREATED)
        .await;
    world.stop().await;
}

/// Postgres is away while Stripe delivers: each delivery is answered 503 and comes again, so nothing is lost and nothing is stored
/// twice.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_while_postgres_is_away_are_stored_when_it_is_back() {
    const EVENTS: i64 = 30;
    let postgres = &shared().await.unwrap().postgres;
    let proxy = FaultProxy::start(postgres.address()).await.unwrap();
    let world = World::with(Setup { postgres: Some(proxy.address()), ..Setup::default() }).await;
    world.stripe.set_webhook(Webhook {
        url: format!("http://{}/v1/stripe/webhook", world.gateway.addr()),
        secret: WEBHOOK_SECRET.to_owned(),
    });
    let tell = |number| {
        world.stripe.deliver("customer.created", &json!({ "id": format!("cus_{number}"), "object": "customer" }))
    };
    let stored = "SELECT count(*) FROM inbox";
    tell(0);
    eventually("events are stored", async || world.database.number(stored).await.unwrap() == 1).await;
    proxy.cut().await;
    let body = world.stripe.event_body(&tell(1)).expect("the fake remembers");
    let signature = sandbox::sign_webhook(WEBHOOK_SECRET, domain::clock::Clock::system().now().as_second(), &body);
    let answer = world
        .edge
        .send(http::Method::POST, "/v1/stripe/webhook", &[("stripe-signature", signature.as_str())], body)
        .await
        .unwrap();
    assert!(is_away(&answer), "{answer:?}");
    for number in 2..EVENTS {
        tell(number);
    }
    assert!(!world.stripe.wait_until_delivered(Duration::from_secs(1)).await, "none of them is taken for delivered");
    assert_eq!(world.database.number(stored).await.unwrap(), 1);
    proxy.restore().await.unwrap();
    assert!(world.stripe.wait_until_delivered(SOON).await, "Stripe brings them again");
    let each_once = "SELECT count(DISTINCT raw) FROM inbox WHERE state = 'pending'";
    assert_eq!(world.database.number(each_once).await.unwrap(), EVENTS);
    assert_eq!(world.database.number(stored).await.unwrap(), EVENTS);
    world.stop().await;
}
