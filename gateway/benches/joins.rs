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
#[path = "support/meters.rs"]
mod meters;
#[expect(dead_code, reason = "shared with the other bench, which needs the rest")]
#[path = "support/rounds.rs"]
mod rounds;
#[expect(dead_code, reason = "shared with the other bench, which needs the rest")]
#[path = "support/server.rs"]
mod server;
#[expect(dead_code, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use http::Method;
use http::header::{CONTENT_LENGTH, DATE};
use rounds::{Round, Rounds};
use sandbox::figures::{Figure, Table, Target};
use serde_json::json;
use server::{Server, authority};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that join at once.
const CONNECTIONS: usize = 256;
/// Turns of each, one after the other, and how long each takes; before the first one, one that does not count.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
/// The target.
const RATIO_MIN: f64 = 0.5;

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "serve") {
        return server::serve("off").await;
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

    let (mut ours, mut bare) = (Rounds::default(), Rounds::default());
    for round in 0..=ROUNDS {
        let of_ours = Round::of(&server, ask(authority(&server.at.gateway), &path, &tasks)).await;
        let of_bare = Round::of(&server, ask(&server.at.bare_http, &path, &tasks)).await;
        if round > 0 {
            ours.add(of_ours);
            bare.add(of_bare);
        }
    }
    server.stop().await;
    let table = Table::new("joins, beside a bare handler");
    table.note("an answer", &format!("{} bytes", answer.len()));
    ours.tell("a join", &table);
    bare.tell("an answer of a bare handler", &table);
    let joins = Figure::new(format!("joins over {CONNECTIONS} connections"), ours.per_s(), "/s")
        .beside("answers of bare hyper", bare.per_s())
        .by_rounds(ours.over(&bare));
    table.figure(&joins.should_be(Target::RatioAtLeast(RATIO_MIN)));
    let processor = Figure::new("the server's processor for a join", ours.server_us(), "us");
    table.figure(&processor.beside("for an answer of bare hyper", bare.server_us()));
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
