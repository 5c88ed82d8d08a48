//! The opening of a sale without a draw, when everybody asks for the first time: nobody gets in early, and all are answered.
//!
//! The page looks again at a moment of its own within two seconds of the opening; so do these people. Some are impatient
//! and ask all the time.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Edge, Visitor};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::log::AdmissionLog;
use crate::scale::sockets;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, sale};

const OPENS_IN: Duration = Duration::from_secs(3);
/// The page's own figure, beside `OPENING_SPREAD_MS`.
const SPREAD: Duration = Duration::from_secs(2);
const IMPATIENT: usize = 8;
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// A place, and then a turn, on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn first_asks_at_the_opening_are_all_answered_and_none_before_it() {
    let (people, _files) = sockets(400, 8_000).await;
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let (_other, other) = world.adds_gateway().await;
    let all = people + IMPATIENT;
    let mut wish = sale(u32::try_from(all).unwrap());
    wish["admission"] = json!({ "rate_per_s": all, "burst": all, "max_shoppers": all });
    let doors = world.awaits_opening_of(&wish).await;
    let opening = world.opens_in(&doors, OPENS_IN).await;

    let mut asking = JoinSet::new();
    for person in 0..people {
        let edge = if person % 2 == 0 { &world.edge } else { &other };
        let visitor = Visitor::new(edge, &doors.sale);
        let moment = SPREAD.mul_f64(person as f64 / people as f64);
        asking.spawn(asks_at(visitor, opening + moment));
    }
    let mut early = JoinSet::new();
    for person in 0..IMPATIENT {
        let edge: &Edge = if person % 2 == 0 { &world.edge } else { &other };
        early.spawn(asks_until_in(Visitor::new(edge, &doors.sale)));
    }
    let refusals = early.join_all().await;
    let soonest = refusals.iter().map(|(at, _)| *at).min().unwrap();
    let refused: usize = refusals.iter().map(|(_, refused)| refused).sum();
    assert!(soonest >= opening, "{:?} too early", opening - soonest);
    assert!(refused >= IMPATIENT, "nobody asked before the opening");

    let (mut replies, turns): (Vec<_>, Vec<_>) = asking.join_all().await.into_iter().unzip();
    assert!(turns.iter().all(|turn| *turn >= opening), "a turn before the opening");
    replies.sort_unstable();
    let [half, most, last] = [people / 2, people * 99 / 100, people - 1].map(|rank| replies[rank]);
    eprintln!(
        "{people} first asks within {SPREAD:?} of the opening: replies {half:?} (p50) {most:?} (p99) {last:?} (last); \
         {refused} asks before it refused, the first one in {:?} after it",
        soonest - opening
    );
    assert_eq!(world.view(&doors.sale).await.joined_total, all as u64);
    AdmissionLog::of(&world, &doors.sale).await.everyone_had_one_turn_in_order(all);
    world.holds_every_invariant();
}

/// Asks at that moment, and waits for the turn; how long the answer took, and when the turn came.
async fn asks_at(mut visitor: Visitor, at: Instant) -> (Duration, Instant) {
    tokio::time::sleep_until(at).await;
    joins(&mut visitor).await;
    let reply = at.elapsed();
    visitor.waits_for_turn(BOUND).await.unwrap();
    (reply, Instant::now())
}

/// Asks all the time, and waits for the turn; when there was a place, and how often there was none.
async fn asks_until_in(mut visitor: Visitor) -> (Instant, usize) {
    let refused = joins(&mut visitor).await;
    let joined_at = Instant::now();
    visitor.waits_for_turn(BOUND).await.unwrap();
    (joined_at, refused)
}

/// Asks until there is a place; how often there was none, because it is too early or, as a busy gateway may say, for now.
async fn joins(visitor: &mut Visitor) -> usize {
    let (began, mut refused) = (Instant::now(), 0);
    loop {
        let joined = visitor.joins().await.unwrap();
        if joined.status == StatusCode::CREATED {
            return refused;
        }
        let is_early = joined.code() == Some("sale_not_open");
        assert!(is_early || joined.status == StatusCode::SERVICE_UNAVAILABLE, "{joined:?}");
        assert!(began.elapsed() < BOUND, "{joined:?}");
        refused += 1;
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
