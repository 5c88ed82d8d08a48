//! How many payment events a second are applied one by one, and together.
//!
//! `cargo bench -p ledger --bench applying`. A private Postgres that waits for the disk, one sale; each event says that another
//! order is paid: payment, order, unit, ticket, books, a mail and the mark on the event. Rounds by turns in the same database:
//! one by one over as many connections as a pool of workers has, as they did before there were batches; and together over four,
//! as they do now, in full batches and in small ones. At last everything is audited.
//!
//! Figures are of this machine at that hour: the fsync latency and the load are printed beside, and the ratios are of one run.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]
#![expect(clippy::cast_precision_loss, reason = "counts of a bench")]

#[path = "support/machine.rs"]
mod machine;
#[expect(dead_code, reason = "what the world asks of a test run; a bench is none")]
#[path = "../tests/it/soak.rs"]
mod soak;
#[expect(dead_code, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::payment::IntentStatus;
use ledger::orders::{CreateOrder, NewOrder, order_create};
use ledger::payments::{
    APPLY_BATCH_MAX, Applied, Apply, BeginPayment, payment_apply, payment_begin, payment_target, payment_targets,
    payments_apply,
};
use ledger::{Ledger, PoolConfig, Role};
use sandbox::figures::{Figure, Table, Target, median};
use sandbox::{Durability, Postgres, PostgresOptions};
use tokio::task::JoinSet;
use tokio_postgres::Client;
use world::{Paying, Price, World, connect, new_payment};

/// Rounds of each way, one after the other; the first one of each warms up and does not count.
const ROUNDS: usize = 4;
/// Events of a round.
const EVENTS: usize = 720;
/// Orders made ready at once.
const BUYERS: usize = 16;
/// What a full pool of connections applied one by one, and how many calls share the work now.
const CONNECTIONS: usize = 16;
const CALLS: usize = 4;
/// A batch of a quiet hour.
const BATCH_SMALL: usize = 8;

/// What the connections that are timed call themselves.
const APPLICATION: &str = "applying";

/// The target: a batch that is no faster would not be worth its rules.
const RATIO_MIN: f64 = 1.5;

/// A way to apply events.
#[derive(Debug, Clone, Copy)]
struct Way {
    what: &'static str,
    connections: usize,
    batch: usize,
}

const WAYS: [Way; 3] = [
    Way { what: "one by one", connections: CONNECTIONS, batch: 1 },
    Way { what: "together", connections: CALLS, batch: APPLY_BATCH_MAX },
    Way { what: "a few together", connections: CALLS, batch: BATCH_SMALL },
];

/// What a round came to.
#[derive(Debug, Clone, Copy)]
struct Round {
    per_s: f64,
    statements: f64,
}

#[tokio::main]
async fn main() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap();
    let template = postgres.template("ledger", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let world = Arc::new(World::in_database(template.fresh_database().await.unwrap()));
    machine::describe(&connect(&world.database.url).await).await;

    let mut rounds: [Vec<Round>; WAYS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (way, rounds) in WAYS.into_iter().zip(&mut rounds) {
            let news = paid_orders(&world).await;
            rounds.push(applies(&world, way, news).await);
        }
    }
    prints(&rounds);
    world.audits_clean().await;
}

fn prints(rounds: &[Vec<Round>; WAYS.len()]) {
    let table =
        Table::new(&format!("events a second, {EVENTS} orders paid a round, by turns in one database, medians"));
    let of = |rounds: &[Round], what: fn(&Round) -> f64| median(&mut rounds[1..].iter().map(what).collect::<Vec<_>>());
    for (way, rounds) in WAYS.iter().zip(rounds) {
        let Way { what, connections, batch } = way;
        let what = format!("{what}: {connections} connections, batches of {batch}");
        table.note(&what, &format!("{:.0}/s", of(rounds, |round| round.per_s)));
        table.note("  statements an event", &format!("{:.2}", of(rounds, |round| round.statements)));
    }
    let [alone, together, few] = [0, 1, 2].map(|way| of(&rounds[way], |round: &Round| round.per_s));
    let figure = |what: &str, per_s| Figure::new(what, per_s, "/s").beside("one by one", alone);
    let together = figure("payment events applied together", together);
    table.figure(&together.should_be(Target::RatioAtLeast(RATIO_MIN)));
    table.figure(&figure(&format!("payment events applied {BATCH_SMALL} together"), few));
}

/// Orders whose payment is under way, with the events that say that they are paid.
async fn paid_orders(world: &Arc<World>) -> Vec<Apply> {
    let sale = world.sale(u32::try_from(EVENTS).unwrap(), Price::Paid).await;
    let orders: Vec<NewOrder> = (0..).take(EVENTS).map(|unit| sale.order([unit])).collect();
    let mut buyers = JoinSet::new();
    for orders in orders.chunks(EVENTS.div_ceil(BUYERS)) {
        let (world, orders) = (Arc::clone(world), orders.to_vec());
        buyers.spawn(async move {
            let mut news = Vec::new();
            for order in orders {
                news.push(paid(&world, order).await);
            }
            news
        });
    }
    buyers.join_all().await.concat()
}

async fn paid(world: &World, order: NewOrder) -> Apply {
    let CreateOrder::Created(order) = order_create(&world.gateway, &order).await.unwrap() else { panic!("no order") };
    let begun = payment_begin(&world.gateway, &new_payment(order.sale, order.id)).await.unwrap();
    let BeginPayment::Begun(attempt) = begun else { panic!("{begun:?}") };
    let paying = Paying { intent: format!("pi_{}", attempt.id.uuid().simple()), order, attempt };
    let event = format!("evt_{}", paying.intent);
    world.receives(&event).await;
    paying.event(&event, IntentStatus::Succeeded)
}

async fn applies(world: &World, way: Way, news: Vec<Apply>) -> Round {
    let application = APPLICATION.to_owned();
    let pool = PoolConfig { connections_max: way.connections, application, ..PoolConfig::default() };
    let workers = Ledger::connect(&world.database.url, Role::Workers, pool).unwrap();
    let client = connect(&world.database.url).await;
    let (news, next) = (Arc::new(news), Arc::new(AtomicUsize::new(0)));
    let (before, begun) = (statements(&client).await, Instant::now());
    let mut connections = JoinSet::new();
    for _ in 0..way.connections {
        let (workers, news, next) = (workers.clone(), Arc::clone(&news), Arc::clone(&next));
        connections.spawn(async move {
            while let Some(batch) = news.chunks(way.batch).nth(next.fetch_add(1, Ordering::Relaxed)) {
                apply(&workers, batch).await;
            }
        });
    }
    connections.join_all().await;
    let taken = begun.elapsed().as_secs_f64();
    // A connection that ends says all that it did.
    drop(workers);
    let statements = (statements(&client).await - before) as f64 / EVENTS as f64;
    Round { per_s: EVENTS as f64 / taken, statements }
}

/// Transactions of the connections that have ended, which are one statement each.
async fn statements(client: &Client) -> i64 {
    let open = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{APPLICATION}'");
    while client.query_one(&open, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    let count = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(count, &[]).await.unwrap().get(0)
}

/// As a worker does it: the payment is looked for, for its tickets, and then told.
async fn apply(workers: &Ledger, news: &[Apply]) {
    if let [news] = news {
        payment_target(workers, &news.facts).await.unwrap().unwrap();
        assert_eq!(payment_apply(workers, news).await.unwrap(), Applied::Captured);
        return;
    }
    let facts: Vec<_> = news.iter().map(|news| &news.facts).collect();
    let targets = payment_targets(workers, &facts).await.unwrap();
    assert!(targets.iter().all(Option::is_some));
    let applied = payments_apply(workers, news).await.unwrap();
    assert!(applied.iter().all(|applied| *applied == Some(Applied::Captured)), "{applied:?}");
}
