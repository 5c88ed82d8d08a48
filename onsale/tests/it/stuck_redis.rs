//! A Redis that is there and does not do its work: frozen, or out of memory.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use sandbox::actors::Visitor;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::line::{Line, crowd};
use crate::log::{AdmissionLog, GRANTED};
use crate::outage::{is_normal_again, is_refused, is_refused_soon};
use crate::world::{NO_LIMITS, World};

const BOUND: Duration = Duration::from_secs(60);
const CLAIM_WINDOW: Duration = Duration::from_secs(6);
/// Longer than the window of a turn, and than what counts as a gap.
const FROZEN_FOR: Duration = Duration::from_secs(8);
/// What is left of a turn when Redis is frozen at once, on a busy machine.
const LEFT_MIN: Duration = Duration::from_secs(2);
/// Normal service after Redis does its work again.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// Nobody could use the turn while Redis was frozen, so nothing of it was used up.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_with_a_short_window_outlives_a_frozen_redis_with_what_was_left() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let pace = json!({ "rate_per_s": 50, "burst": 5, "max_shoppers": 1, "claim_window_s": CLAIM_WINDOW.as_secs() });
    let sale = world.paced(10, pace).await;
    let visitor = crowd(&world.edge, &sale, 1).await.remove(0);
    let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
    // Its socket shows that it is here.
    let _here = visitor.watches().await.unwrap();
    let next = crowd(&world.edge, &sale, 1).await.remove(0);
    let _next_is_here = next.watches().await.unwrap();
    let before = turn_ends_at(&visitor).await;

    world.redis.freeze().await;
    let frozen = Instant::now();
    let mut again = next.clone();
    is_refused(async || again.joins().await).await;
    tokio::time::sleep_until(frozen + FROZEN_FOR).await;
    let thawed = Instant::now();
    world.redis.thaw().await;
    let took = is_normal_again(async || again.joins().await, StatusCode::OK).await;
    assert!(took < BACK_WITHIN, "{took:?}");
    let after = turn_ends_at(&visitor).await;
    let shifted = Duration::try_from(after.duration_since(before)).unwrap();
    eprintln!("Redis frozen for {:?}: back after {took:?}, the turn went on for {shifted:?} longer", thawed - frozen);
    assert!(shifted + LEFT_MIN > FROZEN_FOR, "{shifted:?}");
    let waits = next.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(waits["state"], "waiting", "two inside, and there is room for one: {waits}");
    buyer.holds("ga", 1).await.unwrap();
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(1);
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_out_of_memory_refuses_clearly_and_lets_nobody_in_twice() {
    const PEOPLE: usize = 60;
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.paced(500, json!({ "rate_per_s": 10, "burst": 2, "max_shoppers": 500 })).await;
    let people = crowd(&world.edge, &sale, PEOPLE).await;
    let line = Line::of(std::slice::from_ref(&world.edge), &sale, &people);
    world.waits_until_counted(GRANTED, |granted| granted >= 10).await;

    world.redis.set_memory_max(1).await.unwrap();
    let mut again = people[PEOPLE - 1].clone();
    is_refused(async || again.joins().await).await;
    is_refused_soon(async || people[0].polls().await).await;
    let granted = world.counts(GRANTED).await;
    assert!(granted < PEOPLE as i64, "all in before Redis was full");
    world.redis.set_memory_max(0).await.unwrap();
    let took = is_normal_again(async || again.joins().await, StatusCode::OK).await;
    eprintln!("Redis out of memory: back after {took:?}");
    assert!(took < BACK_WITHIN, "{took:?}");
    line.all_have_turns().await;
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(PEOPLE);
    world.holds_every_invariant();
}

async fn turn_ends_at(visitor: &Visitor) -> Timestamp {
    let position: Value = visitor.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    position["pass_expires_at"].as_str().unwrap_or_else(|| panic!("{position}")).parse().unwrap()
}
