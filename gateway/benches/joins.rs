//! How many join in a second, against real Redis and Postgres, beside a bare hyper handler that answers the same text.
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
use serde_json::json;
use server::{Server, authority};
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
    let answer = control.asks(Method::POST, &path, None, "").await;
    server.does(&format!("answer {}", String::from_utf8(answer.to_vec()).unwrap())).await;

    let (mut ours, mut bare, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let before_s = server.busy_s();
        let joins_per_s = asks_per_s(authority(&server.at.gateway), &path, &tasks).await;
        let between_s = server.busy_s();
        let answers_per_s = asks_per_s(&server.at.bare_http, &path, &tasks).await;
        let used_s = [between_s - before_s, server.busy_s() - between_s];
        if round > 0 {
            ours.push(joins_per_s);
            bare.push(answers_per_s);
            busy.push((used_s[0] / joins_per_s) / (used_s[1] / answers_per_s));
        }
    }
    server.stop().await;
    let (ours, bare) = (quantile(&mut ours, 50), quantile(&mut bare, 50));
    let table = Table::new(&format!("joins over {CONNECTIONS} connections"));
    table.figure("an answer", &format!("{} bytes", answer.len()));
    table.figure("joins a second", &format!("{ours:.0}"));
    table.figure("answers of a bare handler a second", &format!("{bare:.0}"));
    table.figure("server time of a join over that of a bare answer", &format!("{:.2} x", quantile(&mut busy, 50)));
    table.target("joins over bare answers", ours / bare, Bound::AtLeast(RATIO_MIN), "x");
}

/// Asks as often as it can over every connection for a while.
async fn asks_per_s(authority: &str, path: &str, tasks: &TaskTracker) -> f64 {
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
    let count = answers.load(Ordering::Relaxed);
    let took = begun.elapsed();
    over.cancel();
    for asker in askers {
        asker.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousand answers")]
    let per_s = count as f64 / took.as_secs_f64();
    per_s
}
