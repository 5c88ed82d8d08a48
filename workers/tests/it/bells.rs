//! Bells wake pools at once; where none is rung, pools look by themselves, and miss nothing.

use std::time::{Duration, Instant};

use serde_json::json;
use workers::WorkersConfig;

use crate::eventually::eventually;
use crate::world::{Post, Running, Vouched, World, pools};

/// Longer than any test: who is served sooner was woken.
const NEVER: Duration = Duration::from_secs(3_600);
const POLLS: Duration = Duration::from_secs(1);
const EVENTS: i64 = 6;

const LISTENS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
/// Nobody rings any more.
const SILENCE: &str = "CREATE OR REPLACE FUNCTION queue_ring(p_channel text) RETURNS void
                       LANGUAGE plpgsql SET search_path = public, pg_temp AS $$ BEGIN END $$";

/// Workers that listen, and look by themselves this often.
async fn polling(world: &World, poll_every: Duration) -> Running {
    let config = WorkersConfig { poll_every, ..pools() };
    let workers = world.start_as(config, Post::Open, Vouched::ByBeacon);
    eventually("they listen", async || world.count(LISTENS).await >= 1).await;
    workers
}

/// One event after the other, each written when the one before it is done; how long all of them took.
async fn serves_events_one_by_one(world: &World) -> Duration {
    let begun = Instant::now();
    let before = world.count("SELECT count(*) FROM inbox").await;
    for number in 1..=EVENTS {
        world.stripe.deliver("charge.updated", &json!({ "object": "charge", "number": number }));
        world.posts_events().await;
        let done = "SELECT count(*) FROM inbox WHERE state = 'done'";
        eventually("the event is done", async || world.count(done).await == before + number).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bell_is_quicker_than_polling_and_polling_finds_what_no_bell_told_of() {
    let world = World::new().await;
    let workers = polling(&world, NEVER).await;
    let rung = serves_events_one_by_one(&world).await;
    workers.stop().await;
    world.database.execute(SILENCE).await.expect("Postgres answers");
    let workers = polling(&world, POLLS).await;
    let polled = serves_events_one_by_one(&world).await;
    workers.stop().await;
    eprintln!("{EVENTS} events one by one: {rung:?} with a bell, {polled:?} by looking every {POLLS:?}");
    assert!(rung < polled, "{rung:?} with a bell, {polled:?} without");
}
