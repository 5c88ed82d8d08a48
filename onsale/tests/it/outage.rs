//! A store goes away and comes back; nobody restarts anything.

use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::{ActorError, Answer, Visitor};
use serde_json::Value;
use tokio::time::Instant;

use crate::world::World;

const BOUND: Duration = Duration::from_secs(60);
/// A refusal must come soon, not when a client loses patience.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// Normal service after a store is back with its data.
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// Normal service after Redis came back empty.
const REBUILT_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn redis_goes_away_and_comes_back_with_its_data() {
    let world = World::start().await;
    let sale = world.sells(10).await;
    let visitor = joined(&world, &sale).await;
    world.redis.stop().await.unwrap();
    is_refused(async || Visitor::new(&world.edge, &sale).joins().await).await;

    world.redis.restart().await.unwrap();
    let took = is_normal_again(async || Visitor::new(&world.edge, &sale).joins().await, StatusCode::CREATED).await;
    assert!(took < BACK_WITHIN, "{took:?}");
    visitor.waits_for_turn(BOUND).await.unwrap();
    world.has_bought(&sale).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_comes_back_empty_and_is_rebuilt() {
    let world = World::start().await;
    let sale = world.sells(10).await;
    world.has_bought(&sale).await;
    let before = number_of_a_new_place(&world, &sale).await;

    world.redis.flush().await.unwrap();
    let took = is_normal_again(async || Visitor::new(&world.edge, &sale).joins().await, StatusCode::CREATED).await;
    assert!(took < REBUILT_WITHIN, "{took:?}");
    let after = number_of_a_new_place(&world, &sale).await;
    assert!(after > before, "numbers restarted: {after} after {before}");
    world.has_bought(&sale).await;
    assert_eq!(world.counts("SELECT count(*) FROM units WHERE state = 'sold'").await, 2);
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_goes_away_and_comes_back() {
    let world = World::start().await;
    let sale = world.sells(10).await;
    let visitor = joined(&world, &sale).await;
    let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
    let hold = buyer.holds("ga", 1).await.unwrap();
    world.postgres.stop().await.unwrap();
    is_refused(async || buyer.asks_to_order(&hold, "ada@example.com", "Ada").await).await;

    world.postgres.restart().await.unwrap();
    let took =
        is_normal_again(async || buyer.asks_to_order(&hold, "ada@example.com", "Ada").await, StatusCode::CREATED).await;
    assert!(took < BACK_WITHIN, "{took:?}");
    world.holds_every_invariant();
}

async fn joined(world: &World, sale: &str) -> Visitor {
    let mut visitor = Visitor::new(&world.edge, sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    visitor
}

async fn number_of_a_new_place(world: &World, sale: &str) -> u64 {
    let joined = Visitor::new(&world.edge, sale).joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    joined["place"]["number"].as_u64().unwrap()
}

/// While a store is away the answer is a clear, quick refusal, and the process itself stays alive.
pub(crate) async fn is_refused(mut ask: impl AsyncFnMut() -> Result<Answer, ActorError>) {
    let started = Instant::now();
    let refused = ask().await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable")));
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{refused:?}");
    assert!(started.elapsed() < REFUSED_WITHIN, "{:?}", started.elapsed());
}

/// What is answered from memory is refused as soon as that is too old: two seconds, and a margin.
pub(crate) async fn is_refused_soon(mut ask: impl AsyncFnMut() -> Result<Answer, ActorError>) {
    let started = Instant::now();
    while ask().await.unwrap().status == StatusCode::OK {
        assert!(started.elapsed() < REFUSED_WITHIN, "answered from memory for {:?}", started.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    is_refused(ask).await;
}

/// Asks until the answer is the usual one; how long that took.
pub(crate) async fn is_normal_again(
    mut ask: impl AsyncFnMut() -> Result<Answer, ActorError>,
    status: StatusCode,
) -> Duration {
    let started = Instant::now();
    loop {
        let answer = ask().await.unwrap();
        if answer.status == status {
            return started.elapsed();
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert!(started.elapsed() < BOUND, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_stores_are_away_is_alive_and_not_ready() {
    let world = World::start().await;
    world.redis.stop().await.unwrap();
    for process in [&world.gateway, &world.workers] {
        let live = process.admin.ask(Method::GET, "/livez", &[], &Value::Null).await.unwrap();
        assert_eq!(live.status, StatusCode::OK);
        let ready = process.admin.ask(Method::GET, "/readyz?verbose", &[], &Value::Null).await.unwrap();
        assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{ready:?}");
        assert!(ready.body.as_str().is_some_and(|lines| lines.contains("[-] redis")), "{ready:?}");
    }
    world.redis.restart().await.unwrap();
    world.gateway.is_ready().await;
    world.workers.is_ready().await;
}
