//! Units kept back and put on sale again in the middle of a sale, while answers are lost and processes die: each unit is one's,
//! and both stores agree on it.

use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::LostReplies;
use sandbox::actors::{ActorError, Answer, Edge};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::faults::nothing_is_left_to_do;
use crate::shopper::crowd;
use crate::world::{NO_LIMITS, World, sale};

const UNITS: u32 = 40;
const SHOPPERS: usize = 60;
/// Requests under way when the gateway dies, each for one unit.
const REQUESTS: i64 = 12;
/// Longer than the lease on what a killed process was doing.
const LEASE_MS: i64 = 61_000;
/// For a request with everything that may break on its way, and for the sweep after 30 s.
const DONE_WITHIN: Duration = Duration::from_secs(90);
const AGAIN_AFTER: Duration = Duration::from_millis(100);

const WITHHELD: &str = "SELECT count(*) FROM units WHERE state = 'withheld'";
const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";
const FREE: &str = "SELECT count(*) FROM units WHERE state = 'free'";

/// What an organizer asks for, under one name however often.
#[derive(Clone)]
struct Act {
    edge: Edge,
    path: String,
    authorization: String,
    key: String,
    body: Value,
}

/// Which units were withheld or released; none of what could not be.
struct Done(Vec<u64>);

impl Act {
    fn of(world: &World, sale: &str, act: &str, key: &str, quantity: u32) -> Self {
        Self {
            edge: world.edge.clone(),
            path: format!("/v1/organizer/sales/{sale}/{act}"),
            authorization: format!("Bearer {}", world.organizer_key()),
            key: key.to_owned(),
            body: json!({ "tier": "ga", "quantity": quantity }),
        }
    }

    async fn is_asked(&self) -> Result<Answer, ActorError> {
        let headers = [("authorization", self.authorization.as_str()), ("idempotency-key", self.key.as_str())];
        self.edge.ask(Method::POST, &self.path, &headers, &self.body).await
    }

    /// Repeats it until it is done or cannot be.
    async fn is_done(&self) -> Done {
        let started = Instant::now();
        loop {
            match self.is_asked().await {
                Ok(answer) if answer.status == StatusCode::OK => return Done::of(&answer),
                Ok(answer) if matches!(answer.code(), Some("too_few_free" | "not_withheld")) => return Done(Vec::new()),
                Ok(answer) => {
                    let may_pass = [Some("store_unavailable"), Some("request_in_progress")].contains(&answer.code());
                    assert!(may_pass, "{:?}", answer.body);
                }
                Err(_) => {}
            }
            assert!(started.elapsed() < DONE_WITHIN, "{} {} is never done", self.path, self.key);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

impl Done {
    fn of(answer: &Answer) -> Self {
        Self(answer.body["units"].as_array().unwrap().iter().map(|unit| unit.as_u64().unwrap()).collect())
    }

    fn units(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap()
    }
}

/// Waits until Redis has as much of the tier as Postgres has free.
async fn the_stores_agree(world: &World, sale: &str) {
    let started = Instant::now();
    loop {
        let stock = world.view(sale).await.stock[&"ga".parse().unwrap()];
        let free = world.counts(FREE).await;
        if (i64::from(stock.free), stock.held) == (free, 0) {
            return;
        }
        assert!(started.elapsed() < DONE_WITHIN, "{stock:?} in Redis, {free} free in Postgres");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_loses_replies_while_units_go_back_and_forth_gives_each_to_one() {
    let world = World::start_behind_proxies(&[NO_LIMITS]).await;
    let mut wish = sale(UNITS);
    wish["admission"] = json!({ "rate_per_s": 8, "burst": 2, "max_shoppers": 200 });
    let sale = world.organizer.puts_on_sale(&wish).await.unwrap();
    let proxies = world.proxies.as_ref().unwrap();
    // Before anybody shops, so that there is something to keep and to free however fast the rest is sold.
    let mut kept = Act::of(&world, &sale, "withhold", "keep", 3).is_done().await.units();
    assert_eq!(kept, 3);
    let faults = async {
        proxies.redis.lose_replies(LostReplies::EveryNth(10), b"EVALSHA");
        proxies.postgres.lose_replies(LostReplies::EveryNth(40), b"");
        for round in 0..6 {
            kept -= Act::of(&world, &sale, "release", &format!("free {round}"), 2).is_done().await.units();
            kept += Act::of(&world, &sale, "withhold", &format!("keep {round}"), 3).is_done().await.units();
        }
        proxies.have_lost(10, 5).await;
        proxies.postgres.lose_replies(LostReplies::None, b"");
        // What was claimed by a claim whose reply was lost.
        world.database.advance_clock(LEASE_MS).await.unwrap();
    };
    let crowd = crowd(std::slice::from_ref(&world.edge), &sale, &world.stripe.base_url(), SHOPPERS, faults).await;
    proxies.redis.lose_replies(LostReplies::None, b"");
    nothing_is_left_to_do(&world).await;
    the_stores_agree(&world, &sale).await;
    let (sold, withheld) = (world.counts(SOLD).await, world.counts(WITHHELD).await);
    assert_eq!(i64::try_from(crowd.paid()).unwrap(), sold, "{:?}", crowd.told);
    assert_eq!(withheld, kept, "what the organizer was told");
    assert_eq!(sold + withheld + world.counts(FREE).await, i64::from(UNITS));
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_gateway_is_killed_are_done_once_by_the_next_one() {
    let mut world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.organizer.puts_on_sale(&sale(UNITS)).await.unwrap();
    let acts: Vec<_> = (0..REQUESTS).map(|key| Act::of(&world, &sale, "withhold", &format!("keep {key}"), 1)).collect();
    let mut asked = JoinSet::new();
    for act in acts.clone() {
        asked.spawn(async move { act.is_asked().await.is_ok_and(|answer| answer.status == StatusCode::OK) });
    }
    world.waits_until_counted(WITHHELD, |withheld| withheld > 0).await;
    world.gateway.is_killed();
    let answered = asked.join_all().await.into_iter().filter(|answered| *answered).count();
    let before = world.counts(WITHHELD).await;
    world.restarts_gateway().await;
    world.database.advance_clock(LEASE_MS).await.unwrap();
    let mut units: Vec<u64> = Vec::new();
    for act in &acts {
        units.extend(act.is_done().await.0);
    }
    eprintln!("gateway killed: {answered} of {REQUESTS} answered before, {before} withheld by then");
    assert_eq!(world.counts(WITHHELD).await, REQUESTS);
    units.sort_unstable();
    units.dedup();
    assert_eq!(i64::try_from(units.len()).unwrap(), REQUESTS, "each was told units of its own");
    the_stores_agree(&world, &sale).await;
    world.holds_every_invariant();
}
