//! How many scans a second the door takes, one by one and in batches, against Postgres that waits for the disk.
//!
//! `cargo bench -p gateway --bench checkins`. [`CONNECTIONS`] devices, each with its own connection, scan a ticket each time that nobody
//! scanned before; a gateway over a private Postgres, as many connections to it as in production. By turns a bare handler in the same
//! process is sent the same and answers the same bytes. Everything is in one process, the devices too. pretix on a machine of this kind
//! took 46 a second, alf.io says 106.

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
use std::time::Instant;

use bare::BareHttp;
use client::Client;
use domain::ticket::TicketPayload;
use domain::{SaleId, TicketId};
use http::Method;
use sandbox::figures::{Figure, Table, Target, median, quantile};
use sandbox::{Durability, Postgres, PostgresOptions};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use world::{Setup, World, jazz_with};

/// Devices that scan at once.
const CONNECTIONS: usize = 32;
/// Scans of a round one by one, and rounds that count; before them one that does not.
const SCANS: usize = 2_000;
const ROUNDS: usize = 3;
/// Scans of a batch, and batches: what devices that were offline bring.
const BATCH: usize = 100;
const BATCHES: usize = 40;
/// Of the gateway to Postgres, as in production.
const TO_POSTGRES: usize = 16;
const TICKETS: usize = SCANS * (ROUNDS + 1) + BATCH * BATCHES;

const SCANS_MIN_PER_S: f64 = 1_000.0;

/// What a round came to.
struct Round {
    per_s: f64,
    took_ms: Vec<f64>,
}

#[tokio::main]
async fn main() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap();
    let template = postgres.template("gateway", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let database = Some(template.fresh_database().await.unwrap());
    let setup = Setup { database, connections: Some(TO_POSTGRES), limits: "off", ..Setup::default() };
    let world = World::with(setup).await;
    let texts = tickets(&world).await;
    let (sale, texts) = (texts.0, texts.1);
    let path = format!("/v1/organizer/sales/{sale}/checkins");
    let authority = world.edge.base().trim_start_matches("http://").to_owned();
    let bare = BareHttp::start().await;
    bare.answers(&[("content-type".to_owned(), "application/json".to_owned())], &said_of_a_scan());

    let (one_by_one, batched) = texts.split_at(SCANS * (ROUNDS + 1));
    let (mut ours, mut theirs, mut took_ms) = (Vec::new(), Vec::new(), Vec::new());
    for (number, round) in one_by_one.chunks(SCANS).enumerate() {
        let bodies: Vec<String> = round.iter().map(|text| body(std::slice::from_ref(text))).collect();
        let of_ours = scans(&authority, &path, &world.api_key, &bodies).await;
        let of_bare = scans(&bare.addr().to_string(), &path, &world.api_key, &bodies).await;
        if number > 0 {
            ours.push(of_ours.per_s);
            theirs.push(of_bare.per_s);
            took_ms.extend(of_ours.took_ms);
        }
    }
    let bodies: Vec<String> = batched.chunks(BATCH).map(body).collect();
    let in_batches = scans(&authority, &path, &world.api_key, &bodies).await.per_s * per(BATCH);
    let valid = world.database.number("SELECT count(*) FROM checkins WHERE verdict = 'valid'").await.unwrap();
    assert_eq!(usize::try_from(valid).unwrap(), TICKETS, "each was let in");

    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let table = Table::new(&format!(
        "scans of different tickets over {CONNECTIONS} connections, kept on disk before they are answered"
    ));
    let one_by_one = Figure::new("scans at the door, one by one", ours, "/s").beside("answers of bare hyper", theirs);
    table.figure(&one_by_one.should_be(Target::AtLeast(SCANS_MIN_PER_S)));
    table.note("p50", &format!("{:.2} ms", quantile(&mut took_ms, 50)));
    table.figure(&Figure::new("p99 of a scan", quantile(&mut took_ms, 99), "ms"));
    table.figure(&Figure::new(format!("scans in batches of {BATCH}"), in_batches, "/s").beside("one by one", ours));
    world.stop().await;
}

/// A sale with that many tickets, and the texts of their codes. One is bought; the others are written beside it, because how they were
/// bought is not measured here.
async fn tickets(world: &World) -> (SaleId, Vec<String>) {
    let tiers = json!([{ "id": "ga", "name": "Floor", "price": 0, "capacity": TICKETS }]);
    let sale = world.sale(&jazz_with(1, json!({ "tiers": tiers, "fees": [], "taxes": [] }))).await;
    world.order(&sale, 1).await;
    let written = "INSERT INTO tickets (sale_id, id, order_id, payment_reference, tier_id, unit_no, qr_kid, issued_at)
                   SELECT t.sale_id, gen_random_uuid(), t.order_id, t.payment_reference, u.tier_id, u.unit_no, t.qr_kid, t.issued_at
                     FROM tickets t JOIN units u ON u.sale_id = t.sale_id AND u.unit_no <> t.unit_no; ANALYZE";
    world.database.execute(written).await.unwrap();
    let ids = world.database.text("SELECT string_agg(id::text, ' ') FROM tickets").await.unwrap();
    let (sale, kid): (SaleId, _) = (sale.parse().unwrap(), world.ticket_signer.kid());
    let text = |id: &str| {
        let ticket = TicketId::from_uuid(Uuid::parse_str(id).unwrap());
        world.ticket_signer.qr_text(&TicketPayload { ticket, sale, rotation: 0 }, kid).unwrap()
    };
    let texts: Vec<_> = ids.split(' ').map(text).collect();
    assert_eq!(texts.len(), TICKETS);
    (sale, texts)
}

fn body(texts: &[String]) -> String {
    let at = "2030-01-01T20:00:00Z";
    let scan = |text: &String| json!({ "id": Uuid::now_v7(), "text": text, "at": at });
    json!({ "device": "gate", "sent_at": at, "scans": texts.iter().map(scan).collect::<Vec<Value>>() }).to_string()
}

/// About what a scan is answered.
fn said_of_a_scan() -> String {
    let told = json!({ "id": Uuid::nil(), "verdict": "valid", "why": null, "ticket": format!("tkt_{}", Uuid::nil().simple()),
                       "used_at": "2030-01-01T20:00:00Z", "used_device": "gate", "conflict": false });
    json!({ "data": [told] }).to_string()
}

/// Sends requests over all connections, each as soon as its device has the answer before.
async fn scans(authority: &str, path: &str, key: &str, bodies: &[String]) -> Round {
    let (next, tasks) = (Arc::new(AtomicUsize::new(0)), TaskTracker::new());
    let bodies: Arc<[String]> = bodies.into();
    let mut devices = Vec::new();
    for _ in 0..CONNECTIONS {
        devices.push(Client::connect(authority, &tasks).await);
    }
    let begun = Instant::now();
    let mut going = Vec::new();
    for mut device in devices {
        let (next, bodies, path, key) = (Arc::clone(&next), Arc::clone(&bodies), path.to_owned(), key.to_owned());
        going.push(tasks.spawn(async move {
            let mut took_ms = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let asked = Instant::now();
                device.asks(Method::POST, &path, Some(&key), body).await;
                took_ms.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            took_ms
        }));
    }
    let mut took_ms = Vec::new();
    for device in going {
        took_ms.extend(device.await.unwrap());
    }
    Round { per_s: per(bodies.len()) / begun.elapsed().as_secs_f64(), took_ms }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn per(count: usize) -> f64 {
    count as f64
}
