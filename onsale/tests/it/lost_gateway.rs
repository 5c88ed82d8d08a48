//! `kill -9` of a gateway on which everybody waits: they go on through another one, as if nothing had been.

use std::time::Duration;

use serde_json::json;

use crate::line::{Line, absences, crowd, numbers};
use crate::log::{AdmissionLog, GRANTED};
use crate::scale::sockets;
use crate::world::{ANY_NUMBER_OF_SHOPPERS, NO_LIMITS, World, sale};

/// The time before the opening at which the gateway dies: enough for the way back, and not for much more.
const DIES_BEFORE: Duration = Duration::from_secs(3);

/// As many as the files of one process allow, in the long run.
fn people() -> usize {
    sockets(300, 25_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_in_mid_queue_costs_nobody_number_turn_or_order() {
    let people = people();
    let mut world = World::start_and_set(&[NO_LIMITS, ANY_NUMBER_OF_SHOPPERS]).await;
    let (_other, other) = world.adds_gateway().await;
    let sale = world.lets_one_in(people + 1).await;
    let line = Line::of(&[world.edge.clone(), other], &sale, &crowd(&world.edge, &sale, people).await);
    line.is_with(0).await;
    world.paces(&sale, json!({ "rate_per_s": people / 5, "burst": people / 20, "max_shoppers": people + 1 })).await;
    let some = i64::try_from(people / 8).unwrap();
    world.waits_until_counted(GRANTED, |granted| granted > some).await;

    world.gateway.is_killed();
    let all_back = line.is_with(1).await;
    let turns = line.all_have_turns().await;
    let [half, most, all] = absences(&turns);
    eprintln!(
        "gateway killed: {people} people, away for {half:?} (p50) {most:?} (p99) {all:?}; all back after {all_back:?}"
    );
    assert_eq!(numbers(&turns), (2..=people as u64 + 1).collect::<Vec<_>>());
    // And the one who was let in first.
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(people + 1);
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_shortly_before_the_opening_costs_nobody_the_draw() {
    let people = people();
    let mut world = World::start_and_set(&[NO_LIMITS, ANY_NUMBER_OF_SHOPPERS]).await;
    let (_other, other) = world.adds_gateway().await;
    let mut wish = sale(u32::try_from(people).unwrap());
    wish["admission"] = json!({ "rate_per_s": people / 2, "burst": people / 10, "max_shoppers": people });
    let prequeue = world.registers_for(&wish).await;
    let sale = prequeue.sale.clone();
    let line = Line::of(&[world.edge.clone(), other], &sale, &crowd(&world.edge, &sale, people).await);
    line.is_with(0).await;
    world.opens_in(&prequeue, DIES_BEFORE).await;

    world.gateway.is_killed();
    let all_back = line.is_with(1).await;
    let turns = line.all_have_turns().await;
    let [half, most, all] = absences(&turns);
    eprintln!(
        "gateway killed in the prequeue: {people} people, away for {half:?} (p50) {most:?} (p99) {all:?}; all back after {all_back:?}"
    );
    assert_eq!(numbers(&turns), (1..=people as u64).collect::<Vec<_>>());
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(people);
    world.holds_every_invariant();
}
