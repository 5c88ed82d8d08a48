//! Many honest people behind one address, and one person with many tabs, under the usual limits.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::{ActorError, Edge, LiveSocket};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::scale::scaled;
use crate::shopper::text;
use crate::world::{ANY_NUMBER_OF_SHOPPERS, World};

const BOUND: Duration = Duration::from_secs(60);
const ADDRESS: &str = "198.51.100.7";
const TABS: usize = 50;
const AGAIN_AFTER: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_behind_one_address_gets_in_to_the_last_one() {
    let people = scaled(300, 5_000);
    let world = World::start_and_set(&[ANY_NUMBER_OF_SHOPPERS]).await;
    let sale = world.paced(people, json!({ "rate_per_s": 1_000, "burst": people, "max_shoppers": people })).await;
    let started = Instant::now();
    let mut arriving = JoinSet::new();
    for _ in 0..people {
        arriving.spawn(gets_in(world.edge.clone(), sale.clone()));
    }
    let numbers: BTreeSet<_> = arriving.join_all().await.into_iter().collect();
    eprintln!("{people} people behind one address: all in after {:?}", started.elapsed());
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
            let mut socket = LiveSocket::open(edge.base(), &sale, ADDRESS).await.unwrap();
            socket.shows_place(&text(&place["place"], "token")).await.unwrap();
            (place["place"]["number"].as_u64().unwrap(), socket)
        });
    }
    let (numbers, sockets): (BTreeSet<_>, Vec<_>) = opening.join_all().await.into_iter().unzip();
    assert_eq!(numbers.len(), 1, "{numbers:?}");
    assert_eq!(world.view(&sale).await.joined_total, 2);

    world.paces(&sale, json!({ "max_shoppers": 5, "burst": 5 })).await;
    let mut passes = BTreeSet::new();
    for mut socket in sockets {
        passes.insert(text(&socket.waits_for("admitted", BOUND).await.unwrap()["data"], "pass"));
    }
    assert_eq!(passes.len(), 1);
    assert_eq!(world.view(&sale).await.shoppers(), 2);
    world.holds_every_invariant();
}

/// Somebody who joins, watches, and gets a turn; the number.
async fn gets_in(edge: Edge, sale: String) -> u64 {
    let path = format!("/v1/sales/{sale}/queue");
    let joined = edge.ask(Method::POST, &path, &[("x-forwarded-for", ADDRESS)], &Value::Null).await.unwrap();
    let place = joined.expect(StatusCode::CREATED).unwrap()["place"].take();
    let mut socket = opens_socket(&edge, &sale).await;
    socket.shows_place(&text(&place, "token")).await.unwrap();
    socket.waits_for("admitted", BOUND).await.unwrap();
    place["number"].as_u64().unwrap()
}

/// A busy machine may answer 503 for a moment, and a page then tries again; a limit would be 429, and is not forgiven.
async fn opens_socket(edge: &Edge, sale: &str) -> LiveSocket {
    let started = Instant::now();
    loop {
        match LiveSocket::open(edge.base(), sale, ADDRESS).await {
            Ok(socket) => return socket,
            Err(ActorError::Socket(refusal)) if refusal.contains("503") && started.elapsed() < BOUND => {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What makes a browser known, from its first look at the page.
async fn cookie(world: &World, sale: &str) -> String {
    let seen = world.edge.ask(Method::GET, &format!("/s/{sale}/plain"), &[], &Value::Null).await.unwrap();
    let cookie = seen.header("set-cookie").unwrap_or_else(|| panic!("{seen:?}"));
    cookie.split(';').next().unwrap().to_owned()
}
