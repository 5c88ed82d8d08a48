//! One of two gateways is cut off from Redis: it lets nobody in, and what its visitors have goes on through the other.

use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::FaultProxy;
use sandbox::actors::{Buyer, Card};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::line::{Line, crowd};
use crate::log::{AdmissionLog, GRANTED};
use crate::metrics::scrape;
use crate::outage::{is_normal_again, is_refused, is_refused_soon};
use crate::scale::scaled;
use crate::world::{NO_LIMITS, World};

const BOUND: Duration = Duration::from_secs(60);
const BACK_WITHIN: Duration = Duration::from_secs(3);
const CAP: u32 = 12;
/// What the cut gateway says of it, for whoever watches.
const STORE_ERRORS: &str = "onsale_store_errors_total{store=\"redis\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_cut_off_from_redis_lets_nobody_in_and_its_visitors_go_on_through_the_other() {
    let people = scaled(30, 600);
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let proxy = FaultProxy::start(world.redis.address()).await.unwrap();
    let redis = proxy.through(&world.redis.url());
    let (cut, cut_edge) = world.adds_gateway_and_set(&[("REDIS_URL", &redis)]).await;
    let sale = world.paced(people + 20, json!({ "rate_per_s": 20, "burst": 2, "max_shoppers": CAP })).await;
    let visitors = crowd(&cut_edge, &sale, people).await;
    let mut line = Line::of(&[cut_edge.clone(), world.edge.clone()], &sale, &visitors);
    let (holds, orders) = (line.next_turn().await, line.next_turn().await);
    let holder = Buyer::new(&cut_edge, &sale, "10.1.1.1", &holds.pass);
    let hold = holder.holds("ga", 1).await.unwrap();
    let orderer = Buyer::new(&cut_edge, &sale, "10.1.1.2", &orders.pass);
    let order = orderer.orders(&orderer.holds("ga", 1).await.unwrap(), "ada@example.com", "Ada").await.unwrap();

    let (granted, began) = (world.counts(GRANTED).await, Instant::now());
    proxy.stall();
    let mut last = visitors[people - 1].clone();
    is_refused(async || last.joins().await).await;
    is_refused_soon(async || last.polls().await).await;
    is_refused(async || holder.looks_at_hold(&hold).await).await;
    is_not_ready(&cut).await;
    // The same people, through the other door.
    let here = Buyer::new(&world.edge, &sale, "10.1.1.1", &holds.pass);
    assert_eq!(here.looks_at_hold(&hold).await.unwrap().status, StatusCode::OK);
    let second = here.orders(&hold, "bea@example.com", "Bea").await.unwrap();
    let there = Buyer::new(&world.edge, &sale, "10.1.1.2", &orders.pass);
    for (buyer, order) in [(&there, &order), (&here, &second)] {
        buyer.pays(order, Card::Visa, &world.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
        buyer.waits_until_order_is(order, "paid", BOUND).await.unwrap();
    }
    let elsewhere = line.is_with(1).await;
    let meanwhile = world.counts(GRANTED).await - granted;
    let errors = scrape(&cut).await;
    assert!(errors.lines().any(|line| line.starts_with(STORE_ERRORS) && !line.ends_with(" 0")), "{errors}");
    let restored = Instant::now();
    proxy.restore().await.unwrap();
    let took = is_normal_again(async || last.joins().await, StatusCode::OK).await;
    cut.is_ready().await;
    eprintln!(
        "partition: {people} people, cut off for {:?}: {granted} turns before, {meanwhile} meanwhile (cap {CAP}), all \
         with the other gateway {elsewhere:?} after two had paid there; back after {took:?} (ready {:?})",
        restored - began,
        restored.elapsed()
    );
    assert!(took < BACK_WITHIN, "{took:?}");

    for _ in 2..people {
        line.next_turn().await.visitor.leaves().await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    }
    AdmissionLog::of(&world, &sale).await.nobody_was_above_cap(CAP);
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(people);
    world.holds_every_invariant();
}

async fn is_not_ready(process: &crate::world::Process) {
    let ready = process.admin.ask(Method::GET, "/readyz?verbose", &[], &Value::Null).await.unwrap();
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{ready:?}");
    assert!(ready.body.as_str().is_some_and(|lines| lines.contains("[-] redis")), "{ready:?}");
}
