//! How long Stripe waits for its 200, at a rate of events that does not wait for anybody.
//!
//! `cargo bench -p gateway --bench webhook`. A gateway over a private Postgres that waits for the disk, as many connections to it as
//! in production. Events come at [`PER_S`] over kept connections, each of another id, signed as Stripe signs; an answer takes from
//! when its event should have been sent, so nobody is spared the wait for those before. By turns a bare handler in the same
//! process is sent the same at the same rate, and answers the same bytes.
//!
//! Everything is in one process, the sender too: the times are those of a machine that does all of it.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]

#[expect(dead_code, reason = "shared with the other benches, which need the rest")]
#[path = "support/bare.rs"]
mod bare;
#[expect(dead_code, reason = "shared with the other benches, which need the rest")]
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bare::BareHttp;
use bytes::Bytes;
use client::Client;
use domain::clock::Clock;
use http::{Request, StatusCode};
use http_body_util::Full;
use sandbox::figures::{Figure, Table, Target, quantile};
use sandbox::{Durability, Postgres, PostgresOptions, sign_webhook};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use world::{Setup, WEBHOOK_SECRET, World};

/// Events a second: a sale of as many orders has a few for each, spread over the time that paying takes.
const PER_S: u32 = 2_000;
/// Events of a round, and rounds that count of each; before them one that does not.
const EVENTS: usize = 6_000;
const ROUNDS: usize = 3;
/// Connections that Stripe keeps to us.
const CONNECTIONS: usize = 64;
/// Of the gateway to Postgres, as in production.
const TO_POSTGRES: usize = 16;
/// What an event is long, as Stripe writes it.
const EVENT_BYTES: usize = 2_500;
const LOOK_EVERY: Duration = Duration::from_millis(1);

const P99_MAX_MS: f64 = 20.0;

#[tokio::main]
async fn main() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap();
    let template = postgres.template("gateway", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let database = Some(template.fresh_database().await.unwrap());
    let world = World::with(Setup { database, connections: Some(TO_POSTGRES), ..Setup::default() }).await;
    let bare = BareHttp::start().await;
    bare.answers(&[("content-type".to_owned(), "application/json".to_owned())], r#"{"stored":"new"}"#);
    let (gateway, bare) = (world.edge.base().trim_start_matches("http://").to_owned(), bare.addr().to_string());

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let [of_ours, of_bare] = [deliver(&gateway, round).await, deliver(&bare, round).await];
        if round > 0 {
            ours.extend(of_ours);
            theirs.extend(of_bare);
        }
    }
    let stored = world.database.number("SELECT count(*) FROM inbox").await.unwrap();
    assert_eq!(usize::try_from(stored).unwrap(), EVENTS * (ROUNDS + 1), "what was answered is stored");

    let table =
        Table::new(&format!("events of Stripe, {PER_S} a second over {CONNECTIONS} connections, stored and answered"));
    table.note("from when it should be sent to its 200: p50", &format!("{:.2} ms", quantile(&mut ours, 50)));
    table.note("a bare handler: p50", &format!("{:.2} ms", quantile(&mut theirs, 50)));
    let p99 = Figure::new(format!("p99 of an event stored and answered, {PER_S}/s"), quantile(&mut ours, 99), "ms")
        .beside("of bare hyper", quantile(&mut theirs, 99));
    table.figure(&p99.should_be(Target::AtMost(P99_MAX_MS)));
    world.stop().await;
}

/// Events of a round to one of the two, each from when it is due; what each took in milliseconds.
async fn deliver(authority: &str, round: usize) -> Vec<f64> {
    let (next, due, tasks) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)), TaskTracker::new());
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(authority, &tasks).await);
    }
    let begun = Instant::now();
    let mut senders = Vec::new();
    for mut client in clients {
        let (next, due) = (Arc::clone(&next), Arc::clone(&due));
        senders.push(tasks.spawn(async move {
            let mut took_ms = Vec::new();
            while let Ok(turn) = due.acquire().await {
                turn.forget();
                let number = next.fetch_add(1, Ordering::Relaxed);
                let (head, body) = client.sends(event(round, number)).await;
                assert_eq!(head.status, StatusCode::OK, "{body:?}");
                took_ms.push((begun + due_after(number)).elapsed().as_secs_f64() * 1e3);
                if next.load(Ordering::Relaxed) >= EVENTS {
                    due.close();
                }
            }
            took_ms
        }));
    }
    let mut let_go = 0;
    while let_go < EVENTS {
        tokio::time::sleep(LOOK_EVERY).await;
        while let_go < EVENTS && due_after(let_go) <= begun.elapsed() {
            let_go += 1;
            due.add_permits(1);
        }
    }
    let mut took_ms = Vec::new();
    for sender in senders {
        took_ms.extend(sender.await.unwrap());
    }
    took_ms
}

fn due_after(number: usize) -> Duration {
    Duration::from_secs(1) * u32::try_from(number).unwrap() / PER_S
}

/// An event as Stripe sends it.
fn event(round: usize, number: usize) -> Request<Full<Bytes>> {
    let now = Clock::system().now().as_second();
    let object =
        json!({ "object": "payment_intent", "id": format!("pi_{number}"), "description": "x".repeat(EVENT_BYTES) });
    let event = json!({
        "id": format!("evt_{round}_{number}"), "object": "event", "type": "payment_intent.succeeded", "created": now,
        "livemode": false, "api_version": "2026-09-30", "data": { "object": object },
    });
    let body = event.to_string();
    Request::post("/v1/stripe/webhook")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("stripe-signature", sign_webhook(WEBHOOK_SECRET, now, body.as_bytes()))
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}
