//! A gateway that is gone, by `kill -9` while everybody waits with it or asleep and awake again: the line goes on through
//! another one, as if nothing had been.

use std::time::Duration;

use serde_json::json;

use crate::line::{Line, absences, crowd, numbers};
use crate::log::{AdmissionLog, GRANTED};
use crate::scale::{Files, soak, sockets};
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, sale};

/// Longer than anybody may be silent, and than every bound after which the others go on alone.
const SUSPENDED_FOR: Duration = Duration::from_secs(20);
/// There is room for half of them until it wakes.
const SUSPENDED_PEOPLE: usize = 250;

/// As many as the files of one process allow, in the long run.
async fn people() -> (usize, Files) {
    sockets(300, 25_000).await
}

/// The time before the opening at which the gateway dies: enough for the way back of so many, and not for much more. Whoever
/// is not back by then is passed over until they are.
fn dies_before() -> Duration {
    if soak() { Duration::from_secs(15) } else { Duration::from_secs(3) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_in_mid_queue_costs_nobody_number_turn_or_order() {
    let (people, _files) = people().await;
    let mut world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let (_other, other) = world.adds_gateway().await;
    let sale = world.lets_one_in(people + 1).await;
    let line = Line::of(&[world.edge.clone(), other], &sale, &crowd(&world.edge, &sale, people).await);
    let losing = line.has_formed(0).await;
    assert!(losing > 0, "nobody loses a gateway");
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
    let (people, _files) = people().await;
    let mut world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let (_other, other) = world.adds_gateway().await;
    let mut wish = sale(u32::try_from(people).unwrap());
    wish["admission"] = json!({ "rate_per_s": people / 2, "burst": people / 10, "max_shoppers": people });
    let prequeue = world.registers_for(&wish).await;
    let sale = prequeue.sale.clone();
    let line = Line::of(&[world.edge.clone(), other], &sale, &crowd(&world.edge, &sale, people).await);
    let losing = line.has_formed(0).await;
    assert!(losing > 0, "nobody loses a gateway");
    world.opens_in(&prequeue, dies_before()).await;

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

/// Both gateways let people in, without a leader. One of them is suspended in the middle, as a machine that is paused, and
/// wakes with the ticks, the grants and the people it knew then.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_suspended_for_20_s_wakes_to_a_line_that_went_on_and_gives_no_turn_twice() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let (_other, other) = world.adds_gateway().await;
    let sale = world.lets_one_in(SUSPENDED_PEOPLE + 1).await;
    let mut line = Line::of(std::slice::from_ref(&other), &sale, &crowd(&other, &sale, SUSPENDED_PEOPLE - 1).await);
    // Somebody is with the gateway that is suspended, so that it has a line to tick for.
    line.lengthens(std::slice::from_ref(&world.edge), &sale, &crowd(&world.edge, &sale, 1).await);
    line.is_with(0).await;
    let pace = json!({ "rate_per_s": 8, "burst": 4, "max_shoppers": SUSPENDED_PEOPLE / 2 });
    world.paces(&sale, pace).await;
    world.waits_until_counted(GRANTED, |granted| granted > 10).await;

    let before = world.counts(GRANTED).await;
    world.gateway.is_suspended();
    tokio::time::sleep(SUSPENDED_FOR).await;
    let meanwhile = world.counts(GRANTED).await - before;
    world.gateway.is_resumed();
    world.paces(&sale, json!({ "max_shoppers": SUSPENDED_PEOPLE + 1 })).await;
    assert!(meanwhile > 0, "the line stood still");
    assert!(before + meanwhile < SUSPENDED_PEOPLE as i64, "all were in before it woke");
    let turns = line.all_have_turns().await;
    eprintln!("gateway suspended for {SUSPENDED_FOR:?}: {before} turns before, {meanwhile} meanwhile");
    assert_eq!(numbers(&turns), (2..=SUSPENDED_PEOPLE as u64 + 1).collect::<Vec<_>>());
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(SUSPENDED_PEOPLE + 1);
    world.holds_every_invariant();
}
