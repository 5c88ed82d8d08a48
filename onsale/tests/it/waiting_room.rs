//! The waiting room as visitors meet it: several gateways, one line.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{LiveSocket, Visitor};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::line::crowd;
use crate::scale::sockets;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, command, sale};

const CROWD: usize = 200;
/// From the last look at the clocks to the opening.
const OPENS_IN: Duration = Duration::from_secs(2);
/// Sockets opened at once.
const OPENING_MAX: usize = 200;
/// What the contract says of a crowd for which there is room.
const ALL_IN_WITHIN: Duration = Duration::from_secs(2);
/// A silent visitor is passed over, and an unused turn lapses, after six to seven slots of 2.5 s; then one tick.
const GRACE_AND_A_TICK: Duration = Duration::from_millis(17_700);
/// Between a decision of the tick and its arrival here, on a busy machine.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_waiting_and_two_hundred_free_are_all_in_within_two_seconds() {
    let world = World::start().await;
    let sale = world.lets_one_in(500).await;
    let sockets = watching(&crowd(&world.edge, &sale, CROWD).await).await;

    let started = Instant::now();
    opens_wide(&world, &sale, CROWD).await;
    let last = all_have_turns(sockets, started).await;
    assert!(last < ALL_IN_WITHIN, "the last one after {last:?}");
    world.holds_every_invariant();
}

/// There is room for half of them, and the front half is not there any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_front_half_that_is_gone_costs_the_others_one_grace() {
    let world = World::start().await;
    let sale = world.lets_one_in(500).await;
    let _gone = crowd(&world.edge, &sale, CROWD / 2).await;
    let sockets = watching(&crowd(&world.edge, &sale, CROWD / 2).await).await;

    let started = Instant::now();
    opens_wide(&world, &sale, CROWD / 2).await;
    let last = all_have_turns(sockets, started).await;
    assert!(last < GRACE_AND_A_TICK + ON_ITS_WAY, "the last one after {last:?}");
    world.holds_every_invariant();
}

/// Two gateways, one prequeue: the order is drawn, published, and recomputed by the command from the file alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_the_prequeue_is_recomputed_from_what_is_published() {
    const REGISTRATIONS: usize = 40;
    let world = World::start().await;
    let (_other, other_edge) = world.adds_gateway().await;
    let opens_in = Duration::from_secs(6);
    let opening = Instant::now() + opens_in;
    let mut wish = sale(500);
    wish["admission"] = json!({ "rate_per_s": 1, "burst": 1, "max_shoppers": 1 });
    let sale = world.organizer.publishes_to_open(&wish, Duration::ZERO, opens_in).await.unwrap();
    world.organizer.waits_until_open(&sale).await.unwrap();

    let mut registered = Vec::new();
    for number in 0..REGISTRATIONS {
        let edge = if number % 2 == 0 { &world.edge } else { &other_edge };
        let mut visitor = Visitor::new(edge, &sale);
        visitor.registers().await.unwrap();
        registered.push(visitor);
    }
    assert!(Instant::now() < opening, "too slow to say anything");
    let early = registered[0].polls().await.unwrap();
    assert_eq!((&early.body["state"], &early.body["number"]), (&json!("prequeue"), &Value::Null), "{early:?}");

    let mut numbers = Vec::new();
    for visitor in &registered {
        numbers.push(visitor.waits_for_number(BOUND).await.unwrap());
    }
    let mut in_order = numbers.clone();
    in_order.sort_unstable();
    assert_eq!(in_order, (1..=REGISTRATIONS as u64).collect::<Vec<_>>());
    assert_ne!(numbers, in_order, "first come, first served is no draw");

    let mut late = Visitor::new(&world.edge, &sale);
    let late = late.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(late["place"]["number"], json!(REGISTRATIONS + 1), "{late}");

    let file = registered[0].fetches_fairness().await.unwrap().expect(StatusCode::OK).unwrap();
    assert!(is_verified(&file).await);
    let mut altered = file.clone();
    let seed = altered["draws"][0]["seed"].as_str().unwrap().to_owned();
    altered["draws"][0]["seed"] = json!(format!("{}{}", if seed.starts_with('0') { "1" } else { "0" }, &seed[1..]));
    assert!(!is_verified(&altered).await);
    world.holds_every_invariant();
}

/// Nobody is in before the opening, however many wait for it with open sockets.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_in_before_the_opening_and_all_are_soon_after() {
    let (people, _files) = sockets(CROWD, 15_000).await;
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let mut wish = sale(u32::try_from(people).unwrap());
    wish["admission"] = json!({ "rate_per_s": people, "burst": people, "max_shoppers": people });
    let prequeue = world.registers_for(&wish).await;
    let sockets = watching(&crowd(&world.edge, &prequeue.sale, people).await).await;
    let opening = world.opens_in(&prequeue, OPENS_IN).await;

    let started = Instant::now();
    let turns = all_have_turns_from(sockets, started).await;
    let after_opening = |turn: Duration| (started + turn).checked_duration_since(opening);
    let [first, most, last] = [0, people * 99 / 100, people - 1].map(|rank| after_opening(turns[rank]));
    eprintln!("{people} sockets at the opening: turns {first:?} (first), {most:?} (p99), {last:?} (last) after it");
    assert!(first.is_some(), "{:?} too early", opening - (started + turns[0]));
    assert_eq!(turns.len(), people);
    world.holds_every_invariant();
}

async fn opens_wide(world: &World, sale: &str, room: usize) {
    world.paces(sale, json!({ "rate_per_s": 1_000, "burst": 1_000, "max_shoppers": room + 1 })).await;
}

async fn watching(visitors: &[Visitor]) -> Vec<LiveSocket> {
    let mut sockets = Vec::with_capacity(visitors.len());
    for some in visitors.chunks(OPENING_MAX) {
        let opening = some.iter().map(async |visitor| {
            let mut socket = visitor.watches_within(BOUND).await.unwrap();
            socket.waits_for("position", BOUND).await.unwrap();
            socket
        });
        sockets.extend(futures_util::future::join_all(opening).await);
    }
    sockets
}

/// When the last of them had a turn.
async fn all_have_turns(sockets: Vec<LiveSocket>, since: Instant) -> Duration {
    *all_have_turns_from(sockets, since).await.last().unwrap()
}

/// When each of them had a turn, sorted.
async fn all_have_turns_from(sockets: Vec<LiveSocket>, since: Instant) -> Vec<Duration> {
    let mut waiting = JoinSet::new();
    for mut socket in sockets {
        waiting.spawn(async move {
            socket.waits_for("admitted", BOUND).await.unwrap();
            since.elapsed()
        });
    }
    let mut turns = waiting.join_all().await;
    turns.sort_unstable();
    turns
}

/// What the command says of a file.
async fn is_verified(file: &Value) -> bool {
    let path = std::env::temp_dir().join(format!("onsale-fairness-{}.json", uuid::Uuid::new_v4().simple()));
    tokio::fs::write(&path, file.to_string()).await.unwrap();
    let verified = command(&["verify-shuffle", path.to_str().unwrap()], &[]).output().unwrap();
    tokio::fs::remove_file(&path).await.unwrap();
    verified.status.success()
}
