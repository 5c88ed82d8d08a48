//! The seat map of a running installation: how soon it is right, and what it costs.

use std::time::Duration;

use domain::clock::Clock;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use sandbox::actors::{Buyer, Edge, Hold, LiveSocket, Visitor};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::metrics::scrape;
use crate::world::{NO_LIMITS, Process, World, sale};

const BOUND: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(20);
/// The contract: within a second of the sweep that frees it, which comes every half.
const SEEN_WITHIN: SignedDuration = SignedDuration::from_millis(1_500);
/// One of so many must be in time: the machine may be busy for a while, the product may not.
const ROUNDS: usize = 8;
const TTL_S: u32 = 2;
/// The seat is taken, expires, is taken and is given back.
const CHANGES_OF_A_ROUND: usize = 4;

const LOOKERS_ON: usize = 40;
/// More seats than there are people: nobody is let in for units that are not there.
const ROW_SEATS: usize = LOOKERS_ON;
const CHANGES: usize = 20;
const READS: usize = 50;
const TICKS: u64 = 5;

fn hall() -> Value {
    let mut hall = sale(1);
    let rows = ["A", "B"].map(|row| json!({ "row": row, "seats": ROW_SEATS }));
    hall["tiers"] = json!([{ "id": "stalls", "name": "Stalls", "price": 8_000, "rows": rows }]);
    hall["hold"] = json!({ "checkout_window_s": TTL_S, "min_ttl_s": TTL_S, "max_ttl_s": TTL_S, "p99_multiple": 1 });
    hall
}

async fn map(world: &World, sale: &str) -> Value {
    let path = format!("/v1/sales/{sale}/seats");
    world.edge.ask(http::Method::GET, &path, &[], &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap()
}

async fn shows_a1_free(world: &World, sale: &str) {
    let started = Instant::now();
    while !map(world, sale).await["tiers"][0]["rows"][0]["states"].as_str().unwrap().starts_with('f') {
        assert!(started.elapsed() < BOUND, "it never comes back");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn takes_a1(buyer: &Buyer) -> Option<Hold> {
    let answer = buyer.asks_to_hold_items(&json!([{ "tier": "stalls", "seats": ["A-1"] }])).await.unwrap();
    if answer.status == StatusCode::CONFLICT {
        assert_eq!(answer.code(), Some("seat_taken"), "{answer:?}");
        return None;
    }
    Some(Hold::of(answer).unwrap())
}

async fn hears(socket: &mut LiveSocket, change: &Value) {
    let told = |frame: &Value| frame["data"]["changes"].as_array().is_some_and(|changes| changes.contains(change));
    socket.waits_until("the seat", BOUND, told).await.unwrap();
}

/// The version after so many changes of seats, in the first epoch.
fn version(changes: usize) -> String {
    format!("1-{changes}")
}

/// Hears of everything up to a map.
async fn hears_to(socket: &mut LiveSocket, version: &str) {
    let told = |frame: &Value| frame["data"]["to"] == version;
    socket.waits_until("the last change", BOUND, told).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_whose_hold_expired_is_seen_and_taken_within_a_second_of_the_sweep() {
    let world = World::start().await;
    let sale = world.organizer.puts_on_sale(&hall()).await.unwrap();
    let mut looker_on = Visitor::new(&world.edge, &sale);
    looker_on.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    looker_on.waits_for_turn(BOUND).await.unwrap();
    let mut socket = looker_on.watches().await.unwrap();
    socket.waits_for("seats", BOUND).await.unwrap();
    let (first, next) = (world.has_turn(&sale).await, world.has_turn(&sale).await);
    let mut took = Vec::new();
    while took.len() < ROUNDS && !took.iter().any(|late| *late <= SEEN_WITHIN) {
        let held = first.asks_to_hold_items(&json!([{ "tier": "stalls", "seats": ["A-1"] }])).await.unwrap();
        let held = held.expect(StatusCode::CREATED).unwrap();
        let over: Timestamp = held["expires_at"].as_str().unwrap().parse().unwrap();
        let [is_held, is_free] = ["h", "f"].map(|letter| json!(["stalls", "A", 1, letter]));
        hears(&mut socket, &is_held).await;
        tokio::join!(hears(&mut socket, &is_free), shows_a1_free(&world, &sale));
        let seen = Clock::system().now();
        assert!(seen >= over, "nobody has it before its time is over");
        let again = takes_a1(&next).await.expect("it is free");
        took.push(Clock::system().now().duration_since(over));
        next.gives_back(&again).await.unwrap();
        hears_to(&mut socket, &version(CHANGES_OF_A_ROUND * took.len())).await;
    }
    eprintln!("seen and taken after {took:?}");
    assert!(took.iter().any(|late| *late <= SEEN_WITHIN), "{took:?}");
    world.holds_every_invariant();
}

/// Somebody inside who looks on until the last change.
async fn looks_on(edge: Edge, sale: String, last: String, ready: mpsc::Sender<()>) {
    let mut visitor = Visitor::new(&edge, &sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    visitor.waits_for_turn(BOUND).await.unwrap();
    let mut socket = visitor.watches().await.unwrap();
    socket.waits_for("seats", BOUND).await.unwrap();
    ready.send(()).await.unwrap();
    hears_to(&mut socket, &last).await;
}

/// How often the gateway ran a script.
async fn runs_of(gateway: &Process, script: &str) -> u64 {
    let line = format!("onsale_redis_script_duration_seconds_count{{script=\"{script}\"}} ");
    scrape(gateway).await.lines().find_map(|of| of.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seats_are_read_once_a_tick_in_which_they_change_however_many_look_on() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.organizer.puts_on_sale(&hall()).await.unwrap();
    let last = version(2 * CHANGES);
    let (ready, mut looking_on) = mpsc::channel(LOOKERS_ON);
    let mut lookers_on = JoinSet::new();
    for _ in 0..LOOKERS_ON {
        lookers_on.spawn(looks_on(world.edge.clone(), sale.clone(), last.clone(), ready.clone()));
    }
    for _ in 0..LOOKERS_ON {
        looking_on.recv().await.expect("everybody comes to look on");
    }
    let buyer = world.has_turn(&sale).await;
    let (reads, ticks) = (runs_of(&world.gateway, "seats_view").await, runs_of(&world.gateway, "queue_view").await);
    for _ in 0..CHANGES {
        let held = takes_a1(&buyer).await.expect("nobody else takes any");
        buyer.gives_back(&held).await.unwrap();
    }
    while let Some(told) = lookers_on.join_next().await {
        told.unwrap();
    }
    let ticked = runs_of(&world.gateway, "queue_view").await - ticks;
    let after = runs_of(&world.gateway, "seats_view").await;
    assert!((1..=ticked).contains(&(after - reads)), "{} reads in {ticked} ticks", after - reads);
    let quiet = runs_of(&world.gateway, "queue_view").await;
    for _ in 0..READS {
        assert_eq!(map(&world, &sale).await["version"], last);
    }
    while runs_of(&world.gateway, "queue_view").await < quiet + TICKS {
        tokio::time::sleep(ASK_EVERY).await;
    }
    assert_eq!(runs_of(&world.gateway, "seats_view").await, after, "nothing changed, nothing is read");
}
