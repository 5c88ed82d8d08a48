//! Many honest people behind one address, and one person with many tabs, under the usual limits.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::{ActorError, Edge, LiveSocket, Visitor};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::scale::sockets;
use crate::shopper::text;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World};

const BOUND: Duration = Duration::from_secs(60);
const ADDRESS: &str = "198.51.100.7";
const TABS: usize = 50;
/// One place has only so many connections to one gateway; the tabs beyond are refused theirs, and poll.
const SOCKETS_MIN: usize = 16;
const AGAIN_AFTER: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_behind_one_address_gets_in_to_the_last_one() {
    let (people, _files) = sockets(300, 5_000).await;
    let world = World::start_and_set(&[STRIPE_TAKES_ALL]).await;
    let sale = world.paced(people, json!({ "rate_per_s": 1_000, "burst": people, "max_shoppers": people })).await;
    let started = Instant::now();
    let mut arriving = JoinSet::new();
    for _ in 0..people {
        arriving.spawn(gets_in(world.edge.clone(), sale.clone()));
    }
    let (numbers, mut turns): (BTreeSet<_>, Vec<_>) = arriving.join_all().await.into_iter().unzip();
    turns.sort_unstable();
    let [half, most] = [50, 99].map(|share| turns[(people * share / 100).min(people - 1)]);
    eprintln!(
        "{people} people behind one address at once: {} in, none refused, from joining to the turn {half:?} (p50) \
         {most:?} (p99), all in after {:?}",
        numbers.len(),
        started.elapsed()
    );
    assert_eq!(numbers.len(), people);
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_tabs_of_one_browser_are_one_place_and_one_turn() {
    let world = World::start().await;
    let (_other, other) = world.adds_gateway().await;
    let sale = world.lets_one_in(10).await;
    let cookie = cookie(&world, &sale).await;
    let mut opening = JoinSet::new();
    for tab in 0..TABS {
        let edge = if tab % 2 == 0 { world.edge.clone() } else { other.clone() };
        let (sale, cookie) = (sale.clone(), cookie.clone());
        opening.spawn(async move {
            let headers = [("x-forwarded-for", ADDRESS), ("cookie", cookie.as_str())];
            let path = format!("/v1/sales/{sale}/queue");
            let joined = edge.ask(Method::POST, &path, &headers, &Value::Null).await.unwrap();
            let place = joined.expect_one_of(&[StatusCode::CREATED, StatusCode::OK]).unwrap();
            let mut tab = Visitor::new(&edge, &sale);
            tab.shows(&text(&place["place"], "token"));
            let socket = tab.watches_within(BOUND).await.unwrap();
            (place["place"]["number"].as_u64().unwrap(), (tab, socket))
        });
    }
    let (numbers, tabs): (BTreeSet<_>, Vec<_>) = opening.join_all().await.into_iter().unzip();
    assert_eq!(numbers.len(), 1, "{numbers:?}");
    assert_eq!(world.view(&sale).await.joined_total, 2);

    world.paces(&sale, json!({ "max_shoppers": 5, "burst": 5 })).await;
    let mut passes = BTreeSet::new();
    let mut told = 0;
    for (tab, mut socket) in tabs {
        if let Ok(admitted) = socket.waits_for("admitted", BOUND).await {
            passes.insert(text(&admitted["data"], "pass"));
            told += 1;
        } else {
            passes.insert(tab.polls_for_turn(BOUND).await.unwrap().pass().to_owned());
        }
    }
    assert!(told >= SOCKETS_MIN, "{told} of {TABS} tabs were told");
    assert_eq!(passes.len(), 1);
    assert_eq!(world.view(&sale).await.shoppers(), 2);
    world.holds_every_invariant();
}

/// The link of one's place on as many devices, through two gateways: each shows the same place, and the turn is one.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_devices_with_the_link_of_a_place_are_that_place_and_hold_once() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let (_other, other) = world.adds_gateway().await;
    let sale = world.lets_one_in(10).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    let joined = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let (number, link) = (joined["place"]["number"].as_u64().unwrap(), visitor.place().unwrap().to_owned());
    let mut opening = JoinSet::new();
    for device in 0..TABS {
        let mut device = Visitor::new(if device % 2 == 0 { &world.edge } else { &other }, &sale);
        device.shows(&link);
        opening.spawn(async move {
            let found = device.joins().await.unwrap().expect(StatusCode::OK).unwrap();
            (found["place"]["number"].as_u64().unwrap(), device)
        });
    }
    let (numbers, devices): (BTreeSet<_>, Vec<_>) = opening.join_all().await.into_iter().unzip();
    assert_eq!(numbers, BTreeSet::from([number]));
    assert_eq!(world.view(&sale).await.joined_total, 2);

    world.paces(&sale, json!({ "max_shoppers": 5, "burst": 5 })).await;
    let mut shopping = JoinSet::new();
    for device in devices {
        shopping.spawn(async move {
            let buyer = match device.waits_for_turn(BOUND).await {
                Err(ActorError::Socket(_)) => device.polls_for_turn(BOUND).await.unwrap(),
                watched => watched.unwrap(),
            };
            (buyer.pass().to_owned(), buyer.holds("ga", 1).await.is_ok())
        });
    }
    let (passes, held): (BTreeSet<_>, Vec<_>) = shopping.join_all().await.into_iter().unzip();
    assert_eq!((passes.len(), held.iter().filter(|held| **held).count()), (1, 1));
    assert_eq!(world.view(&sale).await.shoppers(), 2);
    world.holds_every_invariant();
}

/// Somebody who joins, watches, and gets a turn; the number, and how long that took.
async fn gets_in(edge: Edge, sale: String) -> (u64, Duration) {
    let began = Instant::now();
    let place = joins(&edge, &sale).await;
    // A machine that is busy is 503, and a page comes again; a limit would be 429, and is not forgiven.
    let mut socket = LiveSocket::open_within(BOUND, edge.base(), &sale, ADDRESS).await.unwrap();
    socket.shows_place(&text(&place, "token")).await.unwrap();
    socket.waits_for("admitted", BOUND).await.unwrap();
    (place["number"].as_u64().unwrap(), began.elapsed())
}

/// Asks for a place until there is one, as a page does that is answered 503; a limit would be 429, and is not forgiven.
async fn joins(edge: &Edge, sale: &str) -> Value {
    let (path, started) = (format!("/v1/sales/{sale}/queue"), Instant::now());
    loop {
        let joined = edge.ask(Method::POST, &path, &[("x-forwarded-for", ADDRESS)], &Value::Null).await.unwrap();
        if joined.status != StatusCode::SERVICE_UNAVAILABLE || started.elapsed() > BOUND {
            return joined.expect(StatusCode::CREATED).unwrap()["place"].take();
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// What makes a browser known, from its first look at the page.
async fn cookie(world: &World, sale: &str) -> String {
    let seen = world.edge.ask(Method::GET, &format!("/s/{sale}/plain"), &[], &Value::Null).await.unwrap();
    let cookie = seen.header("set-cookie").unwrap_or_else(|| panic!("{seen:?}"));
    cookie.split(';').next().unwrap().to_owned()
}
