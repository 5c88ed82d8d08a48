//! What a hold takes, against real Redis and Postgres, beside a bare hyper handler that answers the same bytes.
//!
//! `cargo bench -p gateway --bench holds`. Gateway and handler are in one server process and are asked in rounds by turns,
//! by the same client over as many connections. Limits, idempotency and metrics are on; every buyer has a pass and an
//! address of their own. Three things are measured:
//!
//! - as many holds as can be had, of general admission and of seats together, each by another buyer, and how long one takes
//!   at half that rate;
//! - a rush, ten times as many buyers as units, who come at that rate whether the others have answers or not;
//! - refusals of a sale that is sold out, and how often Redis is asked for one.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]

#[path = "support/asking.rs"]
mod asking;
#[path = "support/bare.rs"]
mod bare;
#[expect(dead_code, reason = "shared with the other benches, which need the rest")]
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "shared with the integration tests, which need the rest")]
#[path = "../tests/it/inside.rs"]
mod inside;
#[path = "support/meters.rs"]
mod meters;
#[path = "support/redis.rs"]
mod redis;
#[path = "support/rounds.rs"]
mod rounds;
#[expect(dead_code, reason = "shared with the other benches, which need the rest")]
#[path = "support/server.rs"]
mod server;
#[expect(dead_code, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::sync::Arc;

use admission::{Queue, Store, StoreConfig};
use asking::{Asks, CONNECTIONS, Told};
use client::Client;
use domain::SaleId;
use http::header::{CONTENT_LENGTH, DATE};
use http::{Method, StatusCode};
use redis::Done;
use rounds::{Round, Rounds};
use sandbox::figures::{Figure, Table, Target, median, quantile};
use serde_json::{Value, json};
use server::{Server, authority};
use tokio_util::task::TaskTracker;

/// Rounds of each, one after the other; before the first one, one that does not count.
const ROUNDS: usize = 3;
/// Holds of a round, each for another pass of a sale of its own.
const HOLDS: usize = 4_096;
/// Answers of a bare handler in a round, and refusals: they are quicker.
const ANSWERS: usize = 20_000;
/// What is sold, and in which rows.
const UNITS: u32 = 50_000;
const ROW_SEATS: u32 = 40;
/// A rush: units, and buyers for each.
const STOCK: u32 = 1_000;
const BUYERS_PER_UNIT: usize = 10;
/// Passes of those who are refused again and again.
const REFUSED: usize = 1_000;
/// As ever, but nobody comes too often: a bench has no time to wait between two requests of the same buyer.
const LIMITS: &str = "hold=1000000/1s";

const TWO: &str = r#"{"items":[{"tier":"ga","quantity":2}]}"#;
const TWO_TOGETHER: &str = r#"{"items":[{"tier":"ga","quantity":2,"together":true}]}"#;
const ONE: &str = r#"{"items":[{"tier":"ga","quantity":1}]}"#;

/// The targets.
const HOLDS_RATIO_MIN: f64 = 0.5;
const HALF_RATE_P99_MAX_MS: f64 = 10.0;
const RUSH_P99_MAX_MS: f64 = 100.0;
const REFUSALS_RATIO_MIN: f64 = 0.8;

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "serve") {
        return server::serve(LIMITS).await;
    }
    let mut bench = Bench::new().await;
    let hall = json!({ "tiers": [{ "id": "ga", "name": "Hall", "price": 4_000, "rows": rows() }] });
    let per_s = bench.holds("general admission, 2", &world::jazz(UNITS), TWO).await;
    bench.holds("seats together, 2", &world::jazz_with(UNITS, hall), TWO_TOGETHER).await;
    bench.rush(per_s).await;
    bench.refusals().await;
    bench.server.stop().await;
}

fn rows() -> Vec<Value> {
    (0..UNITS / ROW_SEATS).map(|row| json!({ "row": row.to_string(), "seats": ROW_SEATS })).collect()
}

struct Bench {
    server: Server,
    control: Client,
    store: Store,
    tasks: TaskTracker,
}

impl Bench {
    async fn new() -> Self {
        let tasks = TaskTracker::new();
        let mut server = Server::start().await;
        server.does("meter").await;
        let control = Client::connect(authority(&server.at.gateway), &tasks).await;
        let redis = format!("redis://{}", server.at.redis);
        let store = Store::connect(&redis, StoreConfig::default()).await.unwrap();
        Self { server, control, store, tasks }
    }

    /// A sale with so many people whose turn it is, who want that.
    async fn sale(&mut self, sale: &Value, passes: usize, body: &'static str) -> Arc<Asks> {
        let sale = self.control.publishes(&self.server.at.api_key, sale).await;
        self.server.does(&format!("load {sale}")).await;
        let (id, count): (SaleId, _) = (sale.parse().unwrap(), u64::try_from(passes).unwrap());
        inside::comes_in(&Queue::new(self.store.clone()), id, count).await;
        // The first answer waits for the gateway to have seen the sale.
        self.control.asks(Method::GET, &format!("/v1/sales/{sale}"), None, "").await;
        Arc::new(Asks { sale, body, passes: inside::passes(id, count) })
    }

    /// The sale must not tick on beside the next one.
    async fn ends(&mut self, asks: &Asks) {
        let path = format!("/v1/organizer/sales/{}/close", asks.sale);
        self.control.asks(Method::POST, &path, Some(&self.server.at.api_key), "").await;
    }

    /// Holds as fast as answers come, and then at half that rate; the former, a second.
    async fn holds(&mut self, what: &str, sale: &Value, body: &'static str) -> f64 {
        let table = Table::new(&format!("holds over {CONNECTIONS} connections: {what}"));
        let (mut ours, mut bare, mut redis_us) = (Rounds::default(), Rounds::default(), Vec::new());
        for round in 0..=ROUNDS {
            let asks = self.sale(&another(sale), HOLDS + 1, body).await;
            let answer = self.says(&asks, HOLDS).await;
            let before = self.redis().await.busy_s();
            let of_ours = self.round(&asks, &self.server.at.gateway, HOLDS, StatusCode::CREATED).await;
            redis_us.push((self.redis().await.busy_s() - before) / of_ours.answers * 1e6);
            let of_bare = self.round(&asks, &self.server.at.bare_http, ANSWERS, StatusCode::OK).await;
            self.ends(&asks).await;
            if round > 0 {
                ours.add(of_ours);
                bare.add(of_bare);
            } else {
                table.note("an answer", &format!("{answer} bytes"));
            }
        }
        ours.tell("a hold", &table);
        table.note("a hold: time of Redis", &format!("{:.1} µs", median(&mut redis_us)));
        bare.tell("an answer of a bare handler", &table);
        let holds = Figure::new(format!("holds, {what}"), ours.per_s(), "/s")
            .beside("answers of bare hyper", bare.per_s())
            .by_rounds(ours.over(&bare));
        table.figure(&holds.should_be(Target::RatioAtLeast(HOLDS_RATIO_MIN)));
        let processor = Figure::new(format!("the server's processor for a hold, {what}"), ours.server_us(), "us");
        table.figure(&processor.beside("for an answer of bare hyper", bare.server_us()));
        let told = self.at_rate(&another(sale), HOLDS, body, ours.per_s() / 2.0).await;
        assert!(told.iter().all(|told| told.status == StatusCode::CREATED));
        tell(&table, &format!("a hold at half that rate, {what}"), told, HALF_RATE_P99_MAX_MS);
        ours.per_s()
    }

    /// Ten times as many buyers as units, at that rate.
    async fn rush(&mut self, per_s: f64) {
        let buyers = BUYERS_PER_UNIT * usize::try_from(STOCK).unwrap();
        let table = Table::new(&format!("{buyers} buyers for {STOCK} units, {per_s:.0} a second"));
        let before_s = self.server.busy_s();
        let told = self.at_rate(&world::jazz(STOCK), buyers, ONE, per_s).await;
        let held = told.iter().filter(|told| told.status == StatusCode::CREATED).count();
        let refused = told.iter().filter(|told| told.status == StatusCode::CONFLICT).count();
        assert_eq!((held, refused), (usize::try_from(STOCK).unwrap(), buyers - held));
        let busy_us = (self.server.busy_s() - before_s) * 1e6 / per_each(buyers);
        table.figure(&Figure::new("the server's processor for an answer of the rush", busy_us, "us"));
        tell(&table, &format!("an answer to {buyers} who want {STOCK} units"), told, RUSH_P99_MAX_MS);
    }

    async fn refusals(&mut self) {
        let table = Table::new(&format!("refusals after sold out over {CONNECTIONS} connections"));
        let mut asks = self.sale(&world::jazz(1), REFUSED + 1, ONE).await;
        self.sells_out(&asks).await;
        Arc::get_mut(&mut asks).expect("nobody asks yet").passes.truncate(REFUSED);
        self.round(&asks, &self.server.at.gateway, ANSWERS, StatusCode::CONFLICT).await;
        let answer = self.says(&asks, 0).await;
        let (mut ours, mut bare) = (Rounds::default(), Rounds::default());
        let before = self.redis().await.calls_of(OF_TAKING);
        for _ in 0..ROUNDS {
            ours.add(self.round(&asks, &self.server.at.gateway, ANSWERS, StatusCode::CONFLICT).await);
            bare.add(self.round(&asks, &self.server.at.bare_http, ANSWERS, StatusCode::OK).await);
        }
        let asked = self.redis().await.calls_of(OF_TAKING) - before;
        self.ends(&asks).await;
        table.note("an answer", &format!("{answer} bytes"));
        ours.tell("a refusal", &table);
        bare.tell("an answer of a bare handler", &table);
        let refusals = Figure::new("refusals after the last unit", ours.per_s(), "/s")
            .beside("answers of bare hyper", bare.per_s())
            .by_rounds(ours.over(&bare));
        table.figure(&refusals.should_be(Target::RatioAtLeast(REFUSALS_RATIO_MIN)));
        table.figure(&Figure::new("calls to Redis for all refusals", asked, "").should_be(Target::AtMost(0.0)));
    }

    /// The last of the buyers orders the only unit.
    async fn sells_out(&mut self, asks: &Asks) {
        let (_, hold) = self.control.sends(asks.request(REFUSED)).await;
        let hold: Value = serde_json::from_slice(&hold).unwrap();
        let order = json!({ "hold": hold["id"], "email": "ada@example.org", "name": "Ada Lovelace" });
        let path = format!("/v1/sales/{}/orders", asks.sale);
        let request = asks.posts(&path, REFUSED, order.to_string());
        let (head, body) = self.control.sends(request).await;
        assert_eq!(head.status, StatusCode::CREATED, "{body:?}");
    }

    /// What that buyer is told, bare answers say too; how long it is.
    async fn says(&mut self, asks: &Asks, buyer: usize) -> usize {
        let (head, answer) = self.control.sends(asks.request(buyer)).await;
        let ours = head.headers.iter().filter(|(name, _)| **name != DATE && **name != CONTENT_LENGTH);
        let headers: Vec<_> = ours.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let said = (headers, std::str::from_utf8(&answer).unwrap());
        self.server.does(&format!("answer {}", serde_json::to_string(&said).unwrap())).await;
        answer.len()
    }

    async fn round(&self, asks: &Arc<Asks>, at: &str, count: usize, status: StatusCode) -> Round {
        Round::of(&self.server, asks.ask(authority(at), count, status, &self.tasks)).await
    }

    async fn at_rate(&mut self, sale: &Value, buyers: usize, body: &'static str, per_s: f64) -> Vec<Told> {
        let asks = self.sale(sale, buyers, body).await;
        let told = asks.ask_at(authority(&self.server.at.gateway), per_s, &self.tasks).await;
        self.ends(&asks).await;
        told
    }

    async fn redis(&self) -> Done {
        Done::by(&self.server.at.redis).await
    }
}

/// A command that taking a hold needs, and a tick of a sale that lets nobody in does not.
const OF_TAKING: &str = "zmscore";

/// The same sale by another name.
fn another(sale: &Value) -> Value {
    let mut another = sale.clone();
    another["slug"] = world::jazz(1)["slug"].clone();
    another
}

fn tell(table: &Table, what: &str, told: Vec<Told>, p99_max_ms: f64) {
    let mut times_ms: Vec<_> = told.into_iter().map(|told| told.took_s * 1e3).collect();
    table.note(&format!("{what}: p50"), &format!("{:.2} ms", quantile(&mut times_ms, 50)));
    let p99 = Figure::new(format!("p99 of {what}"), quantile(&mut times_ms, 99), "ms");
    table.figure(&p99.should_be(Target::AtMost(p99_max_ms)));
}

#[expect(clippy::cast_precision_loss, reason = "some thousand buyers")]
fn per_each(buyers: usize) -> f64 {
    buyers as f64
}
