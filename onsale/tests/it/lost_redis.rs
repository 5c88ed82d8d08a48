//! Redis loses what it had, all of it or the last of it, at every stage of a sale: no number is given twice, nobody gets a
//! second turn, nobody loses the place, and the order stays.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Edge, Visitor};
use sandbox::{FakeBeacon, FakeBeaconOptions};
use serde_json::{Value, json};

use crate::line::{Line, crowd, numbers};
use crate::log::{AdmissionLog, GRANTED};
use crate::outage::is_normal_again;
use crate::world::{NO_LIMITS, World, sale};

const BOUND: Duration = Duration::from_secs(60);
const OPENS_IN: Duration = Duration::from_secs(9);
/// Long enough between freeze and draw to lose Redis in.
const BEACON_PERIOD_S: u32 = 3;
const FROZEN: &str = "SELECT count(*) FROM draws WHERE state = 'frozen'";
const DRAWN: &str = "SELECT count(*) FROM draws WHERE state = 'drawn'";
const LAPSED: &str = "SELECT count(*) FROM admission_log WHERE kind = 'lapsed'";
const LEFT: &str = "SELECT count(*) FROM admission_log WHERE kind = 'left'";

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_lost_in_the_prequeue_loses_no_registration() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let prequeue = world.registers_for(&slow()).await;
    let sale = prequeue.sale.clone();
    let mut people = crowd(&world.edge, &sale, 20).await;
    world.redis.kill().await.unwrap();
    people.extend(crowd(&world.edge, &sale, 20).await);
    let position = people[0].polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&position["state"], &position["number"]), (&json!("prequeue"), &Value::Null), "{position}");
    world.redis.restart().await.unwrap();
    people.extend(crowd(&world.edge, &sale, 20).await);
    is_loaded(&world).await;
    world.opens_in(&prequeue, Duration::ZERO).await;

    let turns = Line::of(&edges(&world), &sale, &people).all_have_turns().await;
    assert_eq!(numbers(&turns), (1..=60).collect::<Vec<_>>());
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(60);
    assert!(new_number(&world, &sale).await > 60);
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_lost_between_freeze_and_draw_and_right_after_it_keeps_the_drawn_order() {
    let beacon = FakeBeaconOptions { period_s: BEACON_PERIOD_S, ..FakeBeaconOptions::default() };
    let beacon = FakeBeacon::start_with(beacon).await.unwrap();
    let world = World::start_and_set(&[NO_LIMITS, ("ONSALE_BEACON_URL", &beacon.url())]).await;
    let sale = world.organizer.publishes_to_open(&slow(), Duration::ZERO, OPENS_IN).await.unwrap();
    world.organizer.waits_until_open(&sale).await.unwrap();
    let people = crowd(&world.edge, &sale, 40).await;
    let line = Line::of(&edges(&world), &sale, &people);
    line.is_with(0).await;

    world.waits_until_counted(FROZEN, |draws| draws == 1).await;
    loses_everything(&world).await;
    world.waits_until_counted(DRAWN, |draws| draws == 1).await;
    loses_everything(&world).await;
    let took = answers_again(&people[0]).await;
    eprintln!("Redis lost right after the draw: back after {took:?}");
    let turns = line.all_have_turns().await;
    assert_eq!(numbers(&turns), (1..=40).collect::<Vec<_>>());
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(40);
    assert!(new_number(&world, &sale).await > 40);
    world.holds_every_invariant();
}

/// Those inside count as inside afterwards: there is room for so many as leave, and not for more.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_lost_in_mid_queue_lets_nobody_in_twice_nor_too_many() {
    const CAP: u32 = 10;
    const PEOPLE: usize = 40;
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.paced(500, json!({ "rate_per_s": 50, "burst": 5, "max_shoppers": CAP })).await;
    let people = crowd(&world.edge, &sale, PEOPLE).await;
    let mut line = Line::of(&edges(&world), &sale, &people);
    world.waits_until_counted(GRANTED, |granted| granted == i64::from(CAP)).await;

    for _ in 0..2 {
        loses_everything(&world).await;
        let took = answers_again(&people[0]).await;
        eprintln!("Redis lost in mid-queue: back after {took:?}");
    }
    for _ in 0..PEOPLE {
        let turn = line.next_turn().await;
        turn.visitor.leaves().await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    }
    AdmissionLog::of(&world, &sale).await.nobody_was_above_cap(CAP);
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(PEOPLE);
    world.holds_every_invariant();
}

/// A failover to a replica that lags: what is there looks whole, and is of some seconds ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_last_writes_gives_no_number_and_no_turn_twice() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.paced(500, json!({ "rate_per_s": 10, "burst": 1, "max_shoppers": 500 })).await;
    let mut people = crowd(&world.edge, &sale, 30).await;
    let mut line = Line::of(&edges(&world), &sale, &people);
    world.waits_until_counted(GRANTED, |granted| granted >= 5).await;
    world.redis.keep_snapshot().await.unwrap();
    let since = crowd(&world.edge, &sale, 30).await;
    line.lengthens(&edges(&world), &sale, &since);
    people.extend(since);
    world.waits_until_counted(GRANTED, |granted| granted >= 15).await;

    world.redis.restart_from_snapshot().await.unwrap();
    let took = answers_again(&people[0]).await;
    eprintln!("Redis back from some seconds ago: back after {took:?}");
    let since = crowd(&world.edge, &sale, 10).await;
    line.lengthens(&edges(&world), &sale, &since);
    let turns = line.all_have_turns().await;
    let mut distinct = numbers(&turns);
    distinct.dedup();
    assert_eq!(distinct.len(), 70, "numbers given twice: {:?}", numbers(&turns));
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(70);
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_loss_a_lapsed_turn_waits_again_and_is_first_and_a_left_place_stays_left() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let pace = json!({ "rate_per_s": 50, "burst": 5, "max_shoppers": 1, "claim_window_s": 3 });
    let sale = world.paced(500, pace).await;
    let mut people = Vec::new();
    for _ in 0..4 {
        people.extend(crowd(&world.edge, &sale, 1).await);
    }
    let [too_late, shopper, leaver, patient] = people.as_slice() else { panic!("four people") };
    too_late.waits_for_turn(BOUND).await.unwrap();
    let shops = async { shopper.waits_for_turn(BOUND).await.unwrap().holds("ga", 1).await.unwrap() };
    tokio::join!(shops, world.waits_until_counted(LAPSED, |lapsed| lapsed == 1));
    leaver.leaves().await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    world.waits_until_counted(LEFT, |left| left == 1).await;

    loses_everything(&world).await;
    answers_again(patient).await;
    let (mut late_socket, mut patient_socket) = (too_late.watches().await.unwrap(), patient.watches().await.unwrap());
    for socket in [&mut late_socket, &mut patient_socket] {
        let position = socket.waits_for("position", BOUND).await.unwrap();
        assert_eq!(position["data"]["state"], "waiting", "{position}");
    }
    world.paces(&sale, json!({ "max_shoppers": 2 })).await;
    late_socket.waits_for("admitted", BOUND).await.unwrap();
    let waits = patient.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&waits["state"], &waits["ahead"]), (&json!("waiting"), &json!(0)), "{waits}");
    world.paces(&sale, json!({ "max_shoppers": 5 })).await;
    patient_socket.waits_for("admitted", BOUND).await.unwrap();
    let gone = leaver.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&gone["state"], &gone["pass"]), (&json!("left"), &Value::Null), "{gone}");
    assert_eq!(AdmissionLog::of(&world, &sale).await.granted(), [1, 2, 1, 4]);
    world.holds_every_invariant();
}

/// A sale that lets in some at a time.
fn slow() -> Value {
    let mut wish = sale(500);
    wish["admission"] = json!({ "rate_per_s": 30, "burst": 5, "max_shoppers": 500 });
    wish
}

/// Waits until Redis has the sale again, after the first loss.
async fn is_loaded(world: &World) {
    world.waits_until_counted("SELECT max(epoch)::bigint FROM epochs", |epoch| epoch == 2).await;
}

fn edges(world: &World) -> Vec<Edge> {
    vec![world.edge.clone()]
}

async fn loses_everything(world: &World) {
    world.redis.kill().await.unwrap();
    world.redis.restart().await.unwrap();
}

/// Waits until the sale knows somebody again who is in it; how long that took.
async fn answers_again(visitor: &Visitor) -> Duration {
    let mut visitor = visitor.clone();
    is_normal_again(async || visitor.joins().await, StatusCode::OK).await
}

async fn new_number(world: &World, sale: &str) -> u64 {
    let joined = Visitor::new(&world.edge, sale).joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    joined["place"]["number"].as_u64().unwrap()
}
