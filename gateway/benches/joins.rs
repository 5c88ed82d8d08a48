//! How many join in a second, against real Redis and Postgres, beside a bare hyper handler that answers the same bytes.
//!
//! `cargo bench -p gateway --bench joins`. Gateway and handler are in one server process and take turns of a few seconds,
//! with the same client over as many connections; each join is a new visitor with a new number.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]

#[path = "support/bare.rs"]
mod bare;
#[expect(dead_code, reason = "shared with the other bench, which needs the rest")]
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "shared with the other bench, which needs the rest")]
#[path = "support/server.rs"]
mod server;
#[expect(dead_code, reason = "shared with the other bench, which needs the rest")]
#[path = "support/table.rs"]
mod table;
#[expect(dead_code, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use http::Method;
use http::header::{CONTENT_LENGTH, DATE};
use serde_json::json;
use server::{Server, authority, busy_s};
use table::{Bound, Table, quantile};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that join at once.
const CONNECTIONS: usize = 256;
/// Turns of each, one after the other, and how long each takes; before the first one, one that does not count.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
/// The target.
const RATIO_MIN: f64 = 0.5;

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "serve") {
        return server::serve().await;
    }
    let tasks = TaskTracker::new();
    let mut server = Server::start().await;
    let mut control = Client::connect(authority(&server.at.gateway), &tasks).await;
    let sale = world::jazz_with(1_000, json!({ "admission": { "max_shoppers": 1 } }));
    let sale = control.publishes(&server.at.api_key, &sale).await;
    server.does(&format!("load {sale}")).await;
    let path = format!("/v1/sales/{sale}/queue");
    let (headers, answer) = control.asks_for_all(Method::POST, &path, None, "").await;
    let ours = headers.iter().filter(|(name, _)| **name != DATE && **name != CONTENT_LENGTH);
    let headers: Vec<_> = ours.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let said = (headers, std::str::from_utf8(&answer).unwrap());
    server.does(&format!("answer {}", serde_json::to_string(&said).unwrap())).await;

    let (mut ours, mut bare) = (Turns::default(), Turns::default());
    for round in 0..=ROUNDS {
        let of_ours = Turn::of(&server, authority(&server.at.gateway), &path, &tasks).await;
        let of_bare = Turn::of(&server, &server.at.bare_http, &path, &tasks).await;
        if round > 0 {
            ours.add(&of_ours);
            bare.add(&of_bare);
        }
    }
    server.stop().await;
    let table = Table::new(&format!("joins over {CONNECTIONS} connections"));
    table.figure("an answer", &format!("{} bytes", answer.len()));
    let (joins_per_s, answers_per_s) = (ours.tell("a join", &table), bare.tell("an answer of a bare handler", &table));
    table.target("joins over bare answers", joins_per_s / answers_per_s, Bound::AtLeast(RATIO_MIN), "x");
}

/// What one turn brought.
struct Turn {
    per_s: f64,
    /// Processor time of the server, and of this process, for each.
    server_s: f64,
    client_s: f64,
}

impl Turn {
    async fn of(server: &Server, authority: &str, path: &str, tasks: &TaskTracker) -> Self {
        let (server_before_s, client_before_s) = (server.busy_s(), busy_s("self"));
        let (count, per_s) = ask(authority, path, tasks).await;
        let each = |after_s: f64, before_s: f64| (after_s - before_s) / count;
        Self {
            per_s,
            server_s: each(server.busy_s(), server_before_s),
            client_s: each(busy_s("self"), client_before_s),
        }
    }
}

/// What the turns brought that count.
#[derive(Default)]
struct Turns {
    per_s: Vec<f64>,
    server_s: Vec<f64>,
    client_s: Vec<f64>,
}

impl Turns {
    fn add(&mut self, turn: &Turn) {
        self.per_s.push(turn.per_s);
        self.server_s.push(turn.server_s);
        self.client_s.push(turn.client_s);
    }

    /// Says the medians, and comes back with that of the rate.
    fn tell(&mut self, what: &str, table: &Table) -> f64 {
        let [per_s, server_s, client_s] =
            [&mut self.per_s, &mut self.server_s, &mut self.client_s].map(|figures| quantile(figures, 50));
        table.figure(&format!("{what}: in a second"), &format!("{per_s:.0}"));
        table.figure(&format!("{what}: server time"), &format!("{:.1} µs", server_s * 1e6));
        table.figure(&format!("{what}: time of the client"), &format!("{:.1} µs", client_s * 1e6));
        per_s
    }
}

/// Asks as often as it can over every connection for a while; says how often in all, and in a second.
async fn ask(authority: &str, path: &str, tasks: &TaskTracker) -> (f64, f64) {
    let (answers, over) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let mut askers = Vec::new();

    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(authority, tasks).await;
        let (path, answers, over) = (path.to_owned(), Arc::clone(&answers), over.clone());
        askers.push(tasks.spawn(async move {
            while !over.is_cancelled() {
                client.asks(Method::POST, &path, None, "").await;
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let begun = Instant::now();
    tokio::time::sleep(ROUND).await;
    let counted = answers.load(Ordering::Relaxed);
    let took = begun.elapsed();
    over.cancel();
    for asker in askers {
        asker.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousand answers")]
    let (all, per_s) = (answers.load(Ordering::Relaxed) as f64, counted as f64 / took.as_secs_f64());
    (all, per_s)
}
