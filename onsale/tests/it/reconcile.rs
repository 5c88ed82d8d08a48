//! The exported figures of a line add up: every place is counted once, in every scrape of every gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use crate::line::crowd;
use crate::metrics::scrape;
use crate::scale::scaled;
use crate::world::{NO_LIMITS, Process, World};

const BOUND: Duration = Duration::from_secs(60);
const SCRAPE_EVERY: Duration = Duration::from_millis(50);
const PLACES: &str = "onsale_queue_places";

/// Places by state.
type Places = BTreeMap<String, u64>;

#[tokio::test(flavor = "multi_thread")]
async fn joined_is_in_line_and_inside_and_left_and_expired_in_every_scrape() {
    let people = scaled(60, 2_000);
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let (other, other_edge) = world.adds_gateway().await;
    let pace = json!({ "rate_per_s": 50, "burst": 10, "max_shoppers": 12 });
    let sale = world.paced(500, pace).await;
    let happens = async {
        world.has_bought(&sale).await;
        let here = crowd(&world.edge, &sale, people / 2).await;
        let there = crowd(&other_edge, &sale, people / 2).await;
        // Of those who leave, some have their turn and some wait.
        for visitor in here.iter().chain(&there).step_by(3) {
            visitor.leaves().await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
        }
    };
    let joined = people as u64 + 1;
    let left = (people as u64).div_ceil(3);
    let is_over = |places: &Places| places["joined"] == joined && places["left"] == left && places["expired"] == 1;
    let scraping = async {
        let (started, mut scrapes) = (Instant::now(), 0);
        let mut last = Places::new();
        for process in [&world.gateway, &other] {
            while !(last.contains_key("joined") && is_over(&last)) {
                assert!(started.elapsed() < BOUND, "never {joined} joined, {left} left and one expired: {last:?}");
                last = adds_up(process, &sale).await;
                scrapes += 1;
                tokio::time::sleep(SCRAPE_EVERY).await;
            }
            last.clear();
        }
        scrapes
    };
    let ((), scrapes) = tokio::join!(happens, scraping);
    let view = world.view(&sale).await;
    eprintln!("{joined} places: {scrapes} scrapes of two gateways added up");
    assert_eq!((view.joined_total, view.left_total), (joined, left));
    world.holds_every_invariant();
}

/// The places in a scrape. It may fall between two of the figures of one tick; the next one does not, too.
async fn adds_up(process: &Process, sale: &str) -> Places {
    let first = places(process, sale).await;
    if is_whole(&first) {
        return first;
    }
    let second = places(process, sale).await;
    assert!(is_whole(&second), "{first:?}, then {second:?}");
    second
}

fn is_whole(places: &Places) -> bool {
    let of = |state: &str| places.get(state).copied().unwrap_or_default();
    of("joined") == of("in_line") + of("inside") + of("left") + of("expired")
}

async fn places(process: &Process, sale: &str) -> Places {
    let scraped = scrape(process).await;
    let of_sale = format!("sale=\"{sale}\"");
    let lines = scraped.lines().filter(|line| line.starts_with(PLACES) && line.contains(&of_sale));
    let place = |line: &str| {
        let state = line.split("state=\"").nth(1)?.split('"').next()?;
        Some((state.to_owned(), line.rsplit(' ').next()?.parse().ok()?))
    };
    lines.map(|line| place(line).unwrap_or_else(|| panic!("{line}"))).collect()
}
