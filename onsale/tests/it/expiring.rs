//! Holds that nobody comes back to, swept by real workers of which some are killed in the middle, on a Redis that stands
//! still for a while: each ends once, never before its time, and soon after it.

use std::time::Duration;

use admission::keys::SaleKeys;
use futures_util::future::join_all;
use http::StatusCode;
use sandbox::actors::{Buyer, Hold};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::scale::scaled;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, sale};

const BOUND: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const TTL_S: u32 = 4;
/// One sweep and what it does. Half of all holds end within it, on a busy machine, too.
const ONE_SWEEP_MS: i64 = 1_000;
/// How long an ended hold is remembered, counted from its end.
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// Longer than what counts as a gap.
const FROZEN_FOR: Duration = Duration::from_secs(8);
const KILL_EVERY: Duration = Duration::from_millis(400);
const COME_AT_ONCE: usize = 50;

/// A sale whose holds are short.
async fn short_holds(world: &World, units: usize) -> String {
    let mut wish = sale(u32::try_from(units).unwrap());
    wish["hold"] = json!({ "checkout_window_s": 1, "min_ttl_s": 1, "max_ttl_s": TTL_S, "reclaim_window_s": 3 });
    world.organizer.puts_on_sale(&wish).await.unwrap()
}

/// So many who hold a unit each, and do nothing more.
async fn abandon(world: &World, sale: &str, count: usize) -> Vec<(Buyer, Hold)> {
    let mut abandoned = Vec::new();
    for first in (0..count).step_by(COME_AT_ONCE) {
        let coming = (first..count.min(first + COME_AT_ONCE)).map(async |_| {
            let buyer = world.has_turn(sale).await;
            let hold = buyer.holds("ga", 1).await.unwrap();
            (buyer, hold)
        });
        abandoned.extend(join_all(coming).await);
    }
    abandoned
}

/// How late each hold ended, by the clock of Redis (ms).
async fn lateness(world: &World, sale: &str, abandoned: &[(Buyer, Hold)]) -> Vec<i64> {
    let key = |name: &str| SaleKeys::new(sale.parse().unwrap()).epoch().replace(":epoch", &format!(":{name}"));
    let mut late = Vec::new();
    for (_, hold) in abandoned {
        let record = world.redis.command(&["HGET", &key("holds"), &hold.id]).await.unwrap();
        let fields: Vec<_> = record.split(' ').collect();
        assert_eq!(fields[0], "expired", "{record}");
        let remembered = world.redis.command(&["ZSCORE", &key("due"), &hold.id]).await.unwrap();
        let ended_ms = remembered.parse::<i64>().unwrap() - KEPT_MS;
        late.push(ended_ms - fields[2].parse::<i64>().unwrap());
    }
    late.sort_unstable();
    late
}

async fn all_are_free(world: &World, sale: &str, units: usize) {
    let (started, ga) = (Instant::now(), "ga".parse().unwrap());
    loop {
        let stock = world.view(sale).await.stock[&ga];
        if (stock.free as usize, stock.held) == (units, 0) {
            return;
        }
        assert!(started.elapsed() < BOUND, "{stock:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_holds_end_a_sweep_after_their_time_while_workers_are_killed() {
    let units = scaled(60, 2_000);
    // Who abandons a hold stays inside.
    let mut world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let _others = [world.adds_workers_and_set(&[]).await, world.adds_workers_and_set(&[]).await];
    let sale = short_holds(&world, units).await;
    let abandoned = abandon(&world, &sale, units).await;
    let (started, ga) = (Instant::now(), "ga".parse().unwrap());
    let mut kills = 0;
    while world.view(&sale).await.stock[&ga].held > 0 {
        assert!(started.elapsed() < BOUND, "some never end");
        world.workers.is_killed();
        kills += 1;
        world.restarts_workers().await;
        tokio::time::sleep(KILL_EVERY).await;
    }
    all_are_free(&world, &sale, units).await;
    let late = lateness(&world, &sale, &abandoned).await;
    let (half, most) = (late[late.len() / 2], late[late.len() - 1]);
    eprintln!("{units} holds, {kills} workers killed: ended {half} ms (p50), {most} ms (most) after their time");
    assert!(late[0] >= 0, "before its time: {late:?}");
    assert!(half <= ONE_SWEEP_MS, "{late:?}");
    world.holds_every_invariant();
}

/// Nobody could use the hold while Redis stood still, so nothing of it was used up, and it ends when that was lived, too.
#[tokio::test(flavor = "multi_thread")]
async fn holds_outlive_a_redis_that_stands_still_by_as_much_and_then_end() {
    let units = scaled(20, 500);
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let _others = [world.adds_workers_and_set(&[]).await, world.adds_workers_and_set(&[]).await];
    let sale = short_holds(&world, units).await;
    let abandoned = abandon(&world, &sale, units).await;
    let (buyer, hold) = abandoned.last().unwrap();
    let before = ends_at(buyer, hold).await;
    world.redis.freeze().await;
    tokio::time::sleep(FROZEN_FOR).await;
    world.redis.thaw().await;
    let after = ends_later_than(buyer, hold, before).await;
    let shifted = after.duration_since(before);
    assert!(
        shifted >= FROZEN_FOR.try_into().unwrap(),
        "it was frozen for {FROZEN_FOR:?}, and the hold went on for {shifted:?}"
    );
    all_are_free(&world, &sale, units).await;
    let late = lateness(&world, &sale, &abandoned).await;
    eprintln!(
        "{units} holds over a frozen Redis: longer by {shifted:?}, the last ended {} ms after its time",
        late[late.len() - 1]
    );
    assert!(late[0] >= 0, "before its time: {late:?}");
    world.holds_every_invariant();
}

/// When a live hold ends.
async fn ends_at(buyer: &Buyer, hold: &Hold) -> jiff::Timestamp {
    let started = Instant::now();
    loop {
        let answer = buyer.looks_at_hold(hold).await.unwrap();
        if answer.status == StatusCode::OK {
            let seen: &Value = &answer.body;
            assert_eq!(seen["state"], "held", "{seen}");
            return seen["expires_at"].as_str().unwrap().parse().unwrap();
        }
        assert!(started.elapsed() < BOUND, "{answer:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The same, once the tick has noticed that time stood still.
async fn ends_later_than(buyer: &Buyer, hold: &Hold, before: jiff::Timestamp) -> jiff::Timestamp {
    let started = Instant::now();
    loop {
        let after = ends_at(buyer, hold).await;
        if after > before {
            return after;
        }
        assert!(started.elapsed() < BOUND, "still ends at {after}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
