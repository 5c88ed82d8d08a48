//! How many orders a second are posted, beside `pgbench` posting the same rows one order a transaction; and whether an order
//! costs the same however large the books are.
//!
//! `cargo bench -p ledger --bench posting`; `ONSALE_BENCH_FULL=1` fills ten million entries instead of one (4 GB of disk). A
//! private Postgres that waits for the disk, one organizer's sale, so every order meets the same accounts; all constraints and
//! triggers on. An order is the transfer of its payment: two seat legs, and what was paid as organizer's, platform's and tax.
//!
//! - **Size.** The books are filled; at each size a batch is timed by turns with one in books that were just begun.
//! - **Burst.** The same for a connection that made its plans when the books were nearly empty, and no `ANALYZE` since.
//! - **Rate.** In the full books by turns, each going first every other time: `pgbench` calls `post` once a transaction over as
//!   many and over many connections, we call `post_batch` with a hundred.
//! - **Seals.** What was posted is sealed and checked.
//!
//! Ratios are of figures taken by turns in one run, whatever else the machine does; those have bounds.
//! Figures are of this machine at that hour: load and fsync latency are printed beside, with what they should be.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]
#![expect(clippy::cast_precision_loss, reason = "counts of a bench")]

#[path = "support/books.rs"]
mod books;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/pgbench.rs"]
mod pgbench;
#[expect(dead_code, reason = "what the world asks of a test run; a bench is none")]
#[path = "../tests/it/soak.rs"]
mod soak;
#[expect(dead_code, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::time::{Duration, Instant};

use books::{BATCH, Books, POST, backend_us, post_batch};
use ledger::audit::audit_chain;
use ledger::seals::{SEAL_TRANSFERS_MAX, Sealing, seal_next};
use sandbox::figures::{Figure, Table, Target, median};
use sandbox::{Durability, Postgres, PostgresOptions, Template};
use tokio::task::JoinSet;

/// Rounds of each way, by turns; the first one warms up and does not count.
const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_secs(5);
/// Connections of ours, and of `pgbench`: as many, and as many as it is best with.
const CONNECTIONS: usize = 8;
const MANY_CONNECTIONS: usize = 32;
/// Sizes of the books at which an order is timed, in entries.
const SIZES: [i64; 3] = [10_000, 100_000, 1_000_000];
const FULL_SIZE: i64 = 10_000_000;
/// Pairs of batches timed at each size.
const PAIRS: usize = 60;
/// Batches of a burst before an order is timed: as many as come before autovacuum looks (a minute).
const BURST: usize = 300;
/// Blocks that are timed being sealed.
const BLOCKS: usize = 20;

const RATIO_MIN: f64 = 4.0;
const GROWTH_MAX: f64 = 1.5;
const ORDERS_PER_S_MIN: f64 = 12_000.0;

#[tokio::main]
async fn main() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap();
    let template = postgres.template("ledger", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let books = Books::open(&template).await;
    machine::describe(&books.connection().await).await;

    grows(&template, &books).await;
    bursts(&template).await;
    compares(&books).await;
    seals(&books).await;
    balance(&books).await;
}

fn is_full() -> bool {
    std::env::var_os("ONSALE_BENCH_FULL").is_some_and(|value| value == "1")
}

/// What an order costs while the books fill.
async fn grows(template: &Template<'_>, books: &Books) {
    let table = Table::new(&format!("an order in a batch of {BATCH}, beside one in books just begun, by entries"));
    for size in SIZES.into_iter().chain(is_full().then_some(FULL_SIZE)) {
        books.fill(size).await;
        let begun = just_begun(template).await;
        costs(&table, &format!("an order in books of {size} entries"), books, &begun).await;
    }
}

/// What an order costs a connection that made its plans before the burst.
async fn bursts(template: &Template<'_>) {
    let table = Table::new("the same in a burst, with plans made before it");
    let books = Books::open(template).await;
    books.execute("ALTER TABLE transfers SET (autovacuum_enabled = off)").await;
    books.execute("ALTER TABLE entries SET (autovacuum_enabled = off)").await;
    // Books of a few pages, which are quicker to read than to look up in.
    books.cost().await;
    books.execute("ANALYZE transfers, entries").await;
    for _ in 0..BURST {
        books.cost().await;
    }
    let begun = just_begun(template).await;
    costs(&table, &format!("an order after a burst of {}", BURST * BATCH), &books, &begun).await;
}

async fn just_begun(template: &Template<'_>) -> Books {
    let books = Books::open(template).await;
    books.fill(SIZES[0]).await;
    books
}

/// Times pairs of batches, after one that makes the plans of both.
async fn costs(table: &Table, what: &str, books: &Books, begun: &Books) {
    let (mut times, mut begun_times, mut processor, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=PAIRS {
        let (cost, small) = (books.cost().await, begun.cost().await);
        if pair > 0 {
            times.push(cost.time_us);
            begun_times.push(small.time_us);
            processor.push(cost.processor_us);
            ratios.push(cost.time_us / small.time_us);
        }
    }
    let [time, processor, in_begun] = [times, processor, begun_times].map(|mut values| median(&mut values));
    table.note(&format!("{what}: the processor's part"), &format!("{processor:.0} us"));
    let figure = Figure::new(what, time, "us").beside("in books just begun", in_begun).by_rounds(median(&mut ratios));
    table.figure(&figure.must_be(Target::RatioAtMost(GROWTH_MAX)));
}

/// Ours and theirs by turns.
async fn compares(books: &Books) {
    let table = Table::new("orders a second, by turns in the same books, medians");
    let (mut ours, mut alike, mut many, mut processor) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Who goes second has the first one's pages to write.
        if round % 2 == 0 {
            ours.push(posts_per_s(books, &mut processor).await);
        }
        alike.push(pgbench_per_s(books, CONNECTIONS).await);
        many.push(pgbench_per_s(books, MANY_CONNECTIONS).await);
        if round % 2 == 1 {
            ours.push(posts_per_s(books, &mut processor).await);
        }
    }
    let ratios = |theirs: &[f64]| {
        let mut ratios: Vec<f64> = ours.iter().zip(theirs).skip(1).map(|(ours, theirs)| ours / theirs).collect();
        median(&mut ratios)
    };
    let (to_alike, to_many) = (ratios(&alike), ratios(&many));
    let [ours, alike, many] = [ours, alike, many].map(|mut rounds| median(&mut rounds[1..]));
    let posted = Figure::new(format!("orders posted, batches of {BATCH}, {CONNECTIONS} connections"), ours, "/s");
    table.figure(&posted.should_be(Target::AtLeast(ORDERS_PER_S_MIN)));
    table.note("processor an order, all backends", &format!("{:.0} us", median(&mut processor)));
    table.note("fdatasync now, median", &format!("{:.0} us", machine::sync_us()));
    for (connections, theirs, ratio) in [(CONNECTIONS, alike, to_alike), (MANY_CONNECTIONS, many, to_many)] {
        let figure = Figure::new(format!("the same, to pgbench over {connections} connections"), ours, "/s")
            .beside("orders of pgbench, one a transaction", theirs)
            .by_rounds(ratio);
        table.figure(&figure.must_be(Target::RatioAtLeast(RATIO_MIN)));
    }
}

async fn pgbench_per_s(books: &Books, connections: usize) -> f64 {
    books.execute("CHECKPOINT").await;
    pgbench::transactions_per_s(&books.world.database.url, POST, connections, ROUND).await
}

/// Orders a second over all connections. Adds what processor each order took.
async fn posts_per_s(books: &Books, processor_us: &mut Vec<f64>) -> f64 {
    books.execute("CHECKPOINT").await;
    let mut connections = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..CONNECTIONS {
        let client = books.connection().await;
        connections.spawn(async move {
            let mut posted = 0;
            while begun.elapsed() < ROUND {
                post_batch(&client, BATCH).await;
                posted += BATCH;
            }
            (posted, backend_us(&client).await)
        });
    }
    let done = connections.join_all().await;
    let posted = done.iter().map(|(posted, _)| posted).sum::<usize>() as f64;
    processor_us.push(done.iter().map(|(_, used)| used).sum::<f64>() / posted);
    posted / begun.elapsed().as_secs_f64()
}

/// How fast what was posted is sealed, and checked again.
async fn seals(books: &Books) {
    let table = Table::new(&format!("transfers sealed, in blocks of {SEAL_TRANSFERS_MAX}"));
    let begun = Instant::now();
    let mut sealed = 0;
    for _ in 0..BLOCKS {
        if let Sealing::Sealed(_, transfers) = seal_next(&books.world.workers).await.unwrap() {
            sealed += transfers;
        }
    }
    assert!(sealed > 0, "nothing was sealed");
    table.figure(&Figure::new("transfers sealed", sealed as f64 / begun.elapsed().as_secs_f64(), "/s"));
    let begun = Instant::now();
    let chain = audit_chain(&books.world.readonly, None).await.unwrap();
    assert!(chain.breaches.is_empty(), "{chain:?}");
    table.figure(&Figure::new("transfers audited by the chain", sealed as f64 / begun.elapsed().as_secs_f64(), "/s"));
}

/// What was measured are books.
async fn balance(books: &Books) {
    let off = "SELECT count(*) FROM (
                   SELECT FROM entries GROUP BY sale_id, transfer_id, unit_of_account
                   HAVING sum(amount) <> 0 OR count(*) < 2) AS off";
    assert_eq!(books.world.number(off).await, 0);
}
