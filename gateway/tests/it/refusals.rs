//! Refusing a hold without asking Redis, and only as long as it is true.

use std::time::{Duration, Instant};

use admission::{Holds, Release, Store, StoreConfig};
use domain::token::Receipt;
use http::{Method, StatusCode};
use sandbox::actors::{Answer, Buyer, LiveSocket, Visitor};
use sandbox::{FaultProxy, Persistence, Redis, RedisOptions, shared};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{SOON, Setup, World, jazz_with};

/// The contract: whoever asks so long after a unit came back is not refused for want of it.
const REFUSED_MAX: Duration = Duration::from_secs(1);
/// Nearly what a call to Redis may take.
const SLOW: Duration = Duration::from_millis(900);
/// A command that taking a hold needs and a tick does not, once all turns are confirmed.
const OF_TAKING: &str = "zmscore";

/// A command of which a view needs some, and nothing else that goes on here any.
const OF_VIEWS: &str = "getrange";

/// Somebody whose turn it is, for as long as the socket is open.
struct Waiting {
    buyer: Buyer,
    _here: LiveSocket,
}

impl Waiting {
    async fn at(world: &World, sale: &str) -> Self {
        let mut visitor = Visitor::new(&world.edge, sale);
        visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
        let buyer = visitor.waits_for_turn(SOON).await.unwrap();
        Self { buyer, _here: visitor.watches().await.unwrap() }
    }

    /// One press of a button, however often it is sent.
    async fn presses(&self, world: &World, sale: &str) -> Answer {
        let authorization = format!("Bearer {}", self.buyer.pass());
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", "press-1")];
        let body = json!({ "items": [{ "tier": "ga", "quantity": 1 }] });
        world.post(&format!("/v1/sales/{sale}/holds"), &headers, &body).await
    }

    /// Presses until the unit is had that is on sale again since then.
    async fn gets_the_unit_of(&self, world: &World, sale: &str, back_at: Instant) {
        loop {
            let began = Instant::now();
            let answer = self.presses(world, sale).await;
            if answer.status == StatusCode::CREATED {
                return;
            }
            let for_want = matches!(answer.code(), Some("all_held" | "sold_out"));
            let after = began.saturating_duration_since(back_at);
            assert!(!for_want || after < REFUSED_MAX, "refused {after:?} after the unit came back: {answer:?}");
            assert!(after < SOON, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn is_refused(&self, world: &World, sale: &str, code: &str) {
        let refused = self.presses(world, sale).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some(code)), "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
    }
}

/// A sale of so many units in which more people have turns than there are units.
fn rush(units: u32) -> Value {
    jazz_with(units, json!({ "admission": { "overbook": 100 } }))
}

#[tokio::test]
async fn after_the_last_unit_a_refusal_asks_redis_nothing() {
    let redis = Redis::start(RedisOptions { persistence: Persistence::None }).await.unwrap();
    let world = World::with(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let sale = world.sale(&rush(1)).await;
    let first = Waiting::at(&world, &sale).await;
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(Waiting::at(&world, &sale).await);
    }
    let none_asks_redis = async |code: &str| {
        let before = redis.calls_of(OF_TAKING).await.unwrap();
        for other in &others {
            other.is_refused(&world, &sale, code).await;
        }
        redis.calls_of(OF_TAKING).await.unwrap() == before
    };

    let hold = first.buyer.holds("ga", 1).await.unwrap();
    eventually("it is known that all are held", async || none_asks_redis("all_held").await).await;
    first.buyer.orders(&hold, "ada@example.org", "Ada").await.unwrap();
    let refused = async || others[0].presses(&world, &sale).await.code() == Some("sold_out");
    eventually("it is known that all are ordered", refused).await;
    eventually("nobody asks Redis", async || none_asks_redis("sold_out").await).await;

    let before = redis.calls_of(OF_TAKING).await.unwrap();
    assert_eq!(first.buyer.asks_to_hold("ga", 1).await.unwrap().code(), Some("sold_out"));
    assert!(
        redis.calls_of(OF_TAKING).await.unwrap() > before,
        "who has held before may repeat a request: Redis knows it"
    );
    world.stop().await;
}

#[tokio::test]
async fn sold_out_names_the_waitlist() {
    let world = World::new().await;
    let sale = world.sale(&rush(1)).await;
    let other = Waiting::at(&world, &sale).await;
    let _order = world.order(&sale, 1).await;
    let mut refused = other.presses(&world, &sale).await;
    eventually("it is sold out", async || {
        refused = other.presses(&world, &sale).await;
        refused.code() == Some("sold_out")
    })
    .await;
    let waitlist = format!("/v1/sales/{sale}/waitlist");
    assert_eq!(refused.body["waitlist"], waitlist.as_str());
    let link = format!("<{waitlist}>; rel=\"related\"; title=\"waitlist\"");
    assert_eq!((refused.header("link"), refused.header("retry-after")), (Some(link.as_str()), Some("10")));
    let wish = json!({ "tiers": ["ga"], "quantity": 1, "email": "ada@example.org" });
    // Redis refused the hold; the view that opens the waitlist may be half a second older.
    eventually("it is open", async || world.post(&waitlist, &[], &wish).await.status == StatusCode::CREATED).await;
    let nowhere = world.edge.ask(Method::POST, "/v1/sales/nothing/waitlist", &[], &Value::Null).await.unwrap();
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    world.stop().await;
}

#[tokio::test]
async fn whoever_asks_a_second_after_a_unit_came_back_has_it() {
    let world = World::new().await;
    let sale = world.sale(&rush(1)).await;
    let (first, second) = (Waiting::at(&world, &sale).await, Waiting::at(&world, &sale).await);
    let hold = first.buyer.holds("ga", 1).await.unwrap();
    eventually("all are held", async || second.presses(&world, &sale).await.code() == Some("all_held")).await;
    first.buyer.gives_back(&hold).await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    second.gets_the_unit_of(&world, &sale, Instant::now()).await;
    world.stop().await;
}

/// What Redis said of the sale was true when it said so, nearly a second before it is heard.
#[tokio::test]
async fn a_redis_that_answers_late_refuses_nobody_later() {
    let redis = Redis::start(RedisOptions { persistence: Persistence::None }).await.unwrap();
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), ..Setup::default() }).await;
    let sale = world.sale(&rush(1)).await;
    let (first, second) = (Waiting::at(&world, &sale).await, Waiting::at(&world, &sale).await);
    let hold = first.buyer.holds("ga", 1).await.unwrap();
    eventually("all are held", async || second.presses(&world, &sale).await.code() == Some("all_held")).await;
    proxy.delay(SLOW);
    let views = redis.calls_of(OF_VIEWS).await.unwrap();
    eventually("a view is made", async || redis.calls_of(OF_VIEWS).await.unwrap() > views).await;
    comes_back(&world, &redis, &hold.receipt).await;
    let back_at = Instant::now();
    tokio::time::sleep(REFUSED_MAX).await;
    second.gets_the_unit_of(&world, &sale, back_at).await;
    world.stop().await;
}

#[tokio::test]
async fn a_redis_that_is_stuck_refuses_nobody_for_long() {
    let redis = &shared().await.unwrap().redis;
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), ..Setup::default() }).await;
    let sale = world.sale(&rush(1)).await;
    let (first, second) = (Waiting::at(&world, &sale).await, Waiting::at(&world, &sale).await);
    let hold = first.buyer.holds("ga", 1).await.unwrap();
    eventually("all are held", async || second.presses(&world, &sale).await.code() == Some("all_held")).await;
    proxy.stall();
    comes_back(&world, redis, &hold.receipt).await;
    let back_at = Instant::now();
    let served = second.gets_the_unit_of(&world, &sale, back_at);
    let restored = async {
        eventually("nobody knows any more", async || {
            second.presses(&world, &sale).await.code() == Some("store_unavailable")
        })
        .await;
        proxy.restore().await.unwrap();
    };
    tokio::join!(served, restored);
    world.stop().await;
}

/// The units of a hold are free again, by a way to Redis that is not disturbed.
async fn comes_back(world: &World, redis: &Redis, receipt: &str) {
    let Receipt { sale, hold, number, .. } = world.signer.verify_receipt(receipt).unwrap();
    let store = Store::connect(&redis.url(), StoreConfig::default()).await.unwrap();
    let released = Holds::new(store.clone()).release(sale, hold, number).await.unwrap();
    assert!(matches!(released, Release::Released(_)), "{released:?}");
    store.shutdown().await;
}
