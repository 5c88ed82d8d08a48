//! How long holds last, over all processes: what one gateway's buyers take to pay is known to every other.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Card, Visitor};
use tokio::time::Instant;

use crate::metrics::scrape;
use crate::world::{Process, World};

const BOUND: Duration = Duration::from_secs(60);

/// One in a hundred of the attempts that are assumed until there are enough, and one more.
const TOO_MANY_TO_BE_CHANCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn payments_that_hang_make_new_holds_last_longer_on_every_gateway() {
    let world = World::start().await;
    let (other, other_edge) = world.adds_gateway().await;
    let sale = world.sells(20).await;
    let early = world.has_turn(&sale).await.asks_to_hold("ga", 1).await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(early["ttl_s"], 300, "180 s for the form and three times the 40 s that are assumed");

    for _ in 0..TOO_MANY_TO_BE_CHANCE {
        let (buyer, order) = world.has_order(&sale).await;
        let paid = buyer.pays(&order, Card::AuthenticationRequired, &world.stripe.base_url()).await.unwrap();
        assert_eq!(paid.expect(StatusCode::OK).unwrap()["payment"]["status"], "requires_action");
    }
    // Their banks let them wait.
    world.database.advance_clock(100_000).await.unwrap();
    for gateway in [&world.gateway, &other] {
        shows_a_ttl_of_at_least(gateway, 480).await;
    }
    let mut visitor = Visitor::new(&other_edge, &sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
    let late = buyer.asks_to_hold("ga", 1).await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert!((480..=900).contains(&late["ttl_s"].as_u64().unwrap()), "{late}");
    world.holds_every_invariant();
}

async fn shows_a_ttl_of_at_least(gateway: &Process, ttl_s: u32) {
    let started = Instant::now();
    loop {
        let scraped = scrape(gateway).await;
        let shown = scraped.lines().find_map(|line| line.strip_prefix("onsale_hold_ttl_seconds{")?.rsplit_once(' '));
        if shown.is_some_and(|(_, value)| value.parse::<f64>().unwrap() >= f64::from(ttl_s)) {
            return;
        }
        assert!(started.elapsed() < BOUND, "{shown:?} after {BOUND:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
