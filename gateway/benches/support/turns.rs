//! How soon a free slot reaches the socket that gets the turn.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::Method;
use sandbox::figures::{Figure, Table, Target, quantile};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::crowd::open;
use crate::server::{Server, authority};
use crate::{TURN_MAX_S, join_all, world};

/// Visitors who get their turn, one after the other: a hundred wait for it.
const TURNS: usize = 101;
/// How long a turn may take before something is broken.
const TURN_PANIC: Duration = Duration::from_secs(20);

/// One is inside and leaves; the next is told. Again and again, while the many of the other sale stay connected.
pub(crate) async fn measures(server: &mut Server, tasks: &TaskTracker, table: &Table) {
    let mut control = Client::connect(authority(&server.at.gateway), tasks).await;
    let sale = world::jazz_with(1_000, json!({ "admission": { "rate_per_s": 100, "burst": 100, "max_shoppers": 1 } }));
    let sale = control.publishes(&server.at.api_key, &sale).await;
    server.does(&format!("load {sale}")).await;
    let places = join_all(server, &sale, TURNS, tasks).await;
    let url = format!("{}/v1/sales/{sale}/live", server.at.gateway.replace("http", "ws"));
    let (turns, mut turn) = mpsc::unbounded_channel();
    for (number, place) in places.iter().enumerate() {
        let mut socket = open(&url, place, number).await;
        let turns = turns.clone();
        tasks.spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if matches!(&message, Message::Text(text) if text.contains(r#""type":"admitted""#)) {
                    let _ = turns.send((number, Instant::now()));
                }
            }
        });
    }
    let mut client = Client::connect(authority(&server.at.gateway), tasks).await;
    let path = format!("/v1/sales/{sale}/queue/place");
    let (mut inside, _) = turn.recv().await.unwrap();
    let mut waits = Vec::new();
    for _ in 1..TURNS {
        client.asks(Method::DELETE, &path, Some(&places[inside]), "").await;
        let free_at = Instant::now();
        let next = tokio::time::timeout(TURN_PANIC, turn.recv()).await.expect("the next one gets the turn");
        let (next, told_at) = next.unwrap();
        waits.push(told_at.saturating_duration_since(free_at).as_secs_f64());
        inside = next;
    }
    table.note("a free slot to the socket that gets the turn, p50", &format!("{:.2} s", quantile(&mut waits, 50)));
    let p99_s = quantile(&mut waits, 99);
    let figure = Figure::new("p99 of a free slot to the socket that gets the turn", p99_s, "s");
    table.figure(&figure.should_be(Target::AtMost(TURN_MAX_S)));
}
