//! How many orders a second are posted, beside `pgbench` posting the same rows one order a transaction.
//!
//! `cargo bench -p ledger --bench posting`; `-- full` fills ten million entries instead of one. A private Postgres that waits
//! for the disk, one organizer's sale, so every order meets the same accounts; all constraints and triggers on. An order is
//! the transfer of its payment: two seat legs, and what was paid as organizer's, platform's and tax. Rounds by turns in the
//! same database: `pgbench` calls `post` once a transaction over few and over many connections, we call `post_batch` with a
//! hundred. Then the books are filled and the same batch is timed at each size; at last everything is sealed and audited.
//!
//! Figures are of this machine at that hour: the fsync latency and the load are printed beside, and the ratio is of one run.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]
#![expect(clippy::cast_precision_loss, reason = "counts of a bench")]

#[path = "support/machine.rs"]
mod machine;
#[path = "support/pgbench.rs"]
mod pgbench;
#[expect(dead_code, reason = "what the world asks of a test run; a bench is none")]
#[path = "../tests/it/soak.rs"]
mod soak;
#[path = "support/table.rs"]
mod table;
#[expect(dead_code, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::time::{Duration, Instant};

use ledger::audit::{audit, audit_chain};
use ledger::seals::{SEAL_TRANSFERS_MAX, Sealing, seal_next};
use sandbox::{Durability, Postgres, PostgresOptions};
use table::{Bound, Table, median};
use tokio::task::JoinSet;
use tokio_postgres::Client;
use uuid::Uuid;
use world::{Price, World, connect};

/// Rounds of each way, one after the other; the first one of each warms up and does not count.
const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_secs(8);
/// Connections of ours, and of `pgbench`: as many, and as many as it is best with.
const CONNECTIONS: usize = 8;
const MANY_CONNECTIONS: usize = 32;
/// Orders of a call.
const BATCH: usize = 100;
/// Sizes of the books at which the cost of an order is measured, in entries.
const SIZES: [i64; 3] = [10_000, 100_000, 1_000_000];
const FULL_SIZE: i64 = 10_000_000;
/// Batches timed at each size, over one connection.
const TIMED: usize = 60;
/// Blocks that are timed being sealed.
const BLOCKS: usize = 20;

/// The targets.
const RATIO_MIN: f64 = 4.0;
const ORDERS_PER_S_MIN: f64 = 12_000.0;
const GROWTH_MAX: f64 = 1.5;

const POST_BATCH: &str = r"
    SELECT count(*) FILTER (WHERE outcome = 'posted') FROM sales, post_batch((
        SELECT array_agg(ROW(sales.id, 'captured', key, order_id, 'pi', now(), NULL, NULL, ARRAY[
                   ROW('payment_clearing', 'eur', 5891)::leg, ROW('organizer_payable', 'eur', -4500)::leg,
                   ROW('platform_fee', 'eur', -450)::leg, ROW('tax_payable', 'eur', -941)::leg,
                   ROW('seats_sold', 'seats:ga', 1)::leg, ROW('seats_ordered', 'seats:ga', -1)::leg])::posting)
          FROM unnest($1::text[], $2::uuid[]) AS p (key, order_id)))";

/// The same row by row. A colon begins a variable of `pgbench`, so the seats are spelled without one.
const POST: &str = r"SELECT post(id, 'captured', gen_random_uuid()::text, gen_random_uuid(), 'pi', now(), NULL, NULL, ARRAY[ROW('payment_clearing', 'eur', 5891)::leg, ROW('organizer_payable', 'eur', -4500)::leg, ROW('platform_fee', 'eur', -450)::leg, ROW('tax_payable', 'eur', -941)::leg, ROW('seats_sold', E'seats\x3aga', 1)::leg, ROW('seats_ordered', E'seats\x3aga', -1)::leg]) FROM sales;";

#[tokio::main]
async fn main() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap();
    let template = postgres.template("ledger", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let world = World::in_database(template.fresh_database().await.unwrap());
    world.sale(1, Price::Paid).await;
    machine::describe(&connect(&world.database.url).await).await;
    let biggest = if std::env::args().any(|argument| argument == "full") { FULL_SIZE } else { SIZES[2] };

    grows(&world, biggest).await;
    compares(&world).await;
    seals(&world).await;
    let report = audit(&world.readonly, None).await.unwrap();
    let books = report.lines.iter().find(|line| line.invariant == "I3").unwrap();
    assert!(books.breaches.is_empty(), "{books:?}");
}

/// Ours and theirs by turns.
async fn compares(world: &World) {
    let table = Table::new("orders a second, by turns in one database, medians");
    let (mut ours, mut alike, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(posts_for(world, ROUND).await);
        alike.push(pgbench::transactions_per_s(&world.database.url, POST, CONNECTIONS, ROUND).await);
        many.push(pgbench::transactions_per_s(&world.database.url, POST, MANY_CONNECTIONS, ROUND).await);
    }
    let [ours, alike, many] = [ours, alike, many].map(|mut rounds| median(&mut rounds[1..]));
    table.figure(&format!("pgbench, an order a transaction, {CONNECTIONS} connections"), &format!("{alike:.0}/s"));
    table.figure(&format!("pgbench, an order a transaction, {MANY_CONNECTIONS} connections"), &format!("{many:.0}/s"));
    let what = format!("post_batch of {BATCH}, {CONNECTIONS} connections");
    table.target(&what, ours, Bound::AtLeast(ORDERS_PER_S_MIN), "/s");
    table.target("to pgbench over as many connections", ours / alike, Bound::AtLeast(RATIO_MIN), "x");
    table.target("to pgbench over as many as it likes", ours / many, Bound::AtLeast(RATIO_MIN), "x");
}

/// Orders a second over all connections.
async fn posts_for(world: &World, time: Duration) -> f64 {
    let until = Instant::now() + time;
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = owner(world).await;
        connections.spawn(async move {
            let mut posted = 0;
            while Instant::now() < until {
                post_batch(&client).await;
                posted += BATCH;
            }
            posted
        });
    }
    let posted: usize = connections.join_all().await.into_iter().sum();
    posted as f64 / time.as_secs_f64()
}

async fn owner(world: &World) -> Client {
    let client = connect(&world.database.url).await;
    client.batch_execute("SET ROLE onsale_owner").await.unwrap();
    client
}

async fn post_batch(client: &Client) {
    let orders: Vec<Uuid> = std::iter::repeat_with(Uuid::new_v4).take(BATCH).collect();
    let keys: Vec<String> = std::iter::repeat_with(|| Uuid::new_v4().to_string()).take(BATCH).collect();
    let posted: i64 = client.query_one(POST_BATCH, &[&keys, &orders]).await.unwrap().get(0);
    assert_eq!(usize::try_from(posted), Ok(BATCH));
}

/// What an order costs while the books fill.
async fn grows(world: &World, biggest: i64) {
    let table =
        Table::new(&format!("microseconds an order, a batch of {BATCH} over one connection, by entries in the books"));
    let (client, mut first) = (owner(world).await, None);
    for size in SIZES.into_iter().chain((biggest > SIZES[2]).then_some(biggest)) {
        while world.number("SELECT count(*) FROM entries").await < size {
            posts_for(world, Duration::from_secs(1)).await;
        }
        // What autovacuum would do sooner or later is done before, at every size.
        client.batch_execute("VACUUM ANALYZE transfers, entries").await.unwrap();
        let mut times = Vec::with_capacity(TIMED);
        for _ in 0..TIMED {
            let begun = Instant::now();
            post_batch(&client).await;
            times.push(begun.elapsed().as_secs_f64() * 1e6 / BATCH as f64);
        }
        let cost = median(&mut times);
        let entries = world.number("SELECT count(*) FROM entries").await;
        match first {
            None => {
                first = Some(cost);
                table.figure(&format!("{entries} entries"), &format!("{cost:.0} us"));
            }
            Some(first) => {
                let what = format!("{entries} entries ({cost:.0} us), to the first");
                table.target(&what, cost / first, Bound::AtMost(GROWTH_MAX), "x");
            }
        }
    }
}

/// How fast what was posted is sealed, and checked again.
async fn seals(world: &World) {
    let table = Table::new(&format!("transfers a second, in blocks of {SEAL_TRANSFERS_MAX}"));
    let begun = Instant::now();
    let mut sealed = 0;
    for _ in 0..BLOCKS {
        if let Sealing::Sealed(_, transfers) = seal_next(&world.workers).await.unwrap() {
            sealed += transfers;
        }
    }
    table.figure("sealed", &format!("{:.0}/s", sealed as f64 / begun.elapsed().as_secs_f64()));
    let begun = Instant::now();
    let chain = audit_chain(&world.readonly, None).await.unwrap();
    assert!(chain.breaches.is_empty(), "{chain:?}");
    table.figure("audited by the chain", &format!("{:.0}/s", sealed as f64 / begun.elapsed().as_secs_f64()));
}
