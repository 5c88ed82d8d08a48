//! How many orders a second are paid, end to end, what an order costs of the processor, and where that goes.
//!
//! `cargo bench -p onsale --bench paid_orders`. Real processes on private servers that keep what they say on the disk: a
//! gateway, workers, Postgres and Redis. Buyers, the fake Stripe and the mail sink are in this process, on the same cores.
//! Everybody joins, watches the socket for the turn, holds a place, orders and pays; then looks at the order once a second, as
//! the page does, until the ticket is there. Stripe answers at once and takes all that it is asked.
//!
//! The clock stops when every order is paid, every event of Stripe's is delivered and applied, and no job is left: no capture,
//! no ticket, no mail. Then the audit must be clean, the books those of Stripe to the cent, and every buyer has a ticket and a
//! mail. Beside it, in the same run: how many rows `pgbench` commits a second to the same Postgres, and what others used of the
//! processor meanwhile, so that figures of a shared machine say something: what an order costs tells what two cores of one's
//! own could do at most.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]

#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/parts.rs"]
mod parts;
#[path = "../../ledger/benches/support/pgbench.rs"]
mod pgbench;
#[path = "support/spent.rs"]
mod spent;
#[expect(dead_code, reason = "a bench refunds nothing")]
#[path = "../tests/it/totals.rs"]
mod totals;
#[expect(dead_code, reason = "the world of the end-to-end tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crowd::{BOUND, Crowd, until_nothing_is_left};
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use parts::Parts;
use sandbox::actors::{Buyer, Order};
use sandbox::figures::{Figure, Table, Target, quantile};
use sandbox::{Database, Durability, Persistence, Postgres, PostgresOptions, Redis, RedisOptions};
use spent::Spent;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use world::{NO_LIMITS, Reach, STRIPE_TAKES_ALL, World};

/// Orders that count, and those before them.
const ORDERS: u32 = 2_000;
const WARMING: u32 = 300;
/// On their way to Pay at once.
const AT_ONCE: usize = 64;
/// Between two looks at an order.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// The reference: sessions that commit a row each, for so long.
const SESSIONS: usize = 32;
const COMMITTING: Duration = Duration::from_secs(10);

/// On two cores, with Redis' file and Postgres' `fsync` on.
const PER_S_MIN: f64 = 2_000.0;

#[tokio::main]
async fn main() {
    let world = World::start_over(stores().await, Reach::Direct, &[NO_LIMITS, STRIPE_TAKES_ALL], None).await;
    parts::count_functions(&world).await;
    let crowd = Arc::new(Crowd::before(&world, &world.edge, WARMING + ORDERS).await);
    buys(&world, &crowd, 0..WARMING).await;

    let table = Table::new("paid orders, end to end");
    table.note("cores, and load before", &format!("{}, {}", cores(), load()));
    let (began, before) = (Instant::now(), Spent::until_now(&world).await);
    let (parts, functions) = (Parts::of_processes(&world).await, Parts::of_postgres(&world).await);
    let mut waits = buys(&world, &crowd, WARMING..WARMING + ORDERS).await;
    let (took_s, spent) = (began.elapsed().as_secs_f64(), Spent::until_now(&world).await.since(&before));
    let after = Parts::of_processes(&world).await;

    table.note("from joining to the ticket on the page, median", &format!("{:.1} s", quantile(&mut waits, 50)));
    table.note("the same, 99 of 100", &format!("{:.1} s", quantile(&mut waits, 99)));
    spent.print(took_s, f64::from(ORDERS), &table);
    let commits_per_s = commits_per_s(&world).await;
    let paid = Figure::new("orders paid end to end, everything on", f64::from(ORDERS) / took_s, "/s")
        .beside(format!("rows that pgbench commits over {SESSIONS} sessions"), commits_per_s);
    table.figure(&paid.should_be(Target::AtLeast(PER_S_MIN)));
    let table = Table::new("where the time of a paid order goes, by the wall");
    after.print(&parts, f64::from(ORDERS), &table);
    Parts::of_postgres(&world).await.print(&functions, f64::from(ORDERS), &table);
    everybody_has_what_was_paid_for(&world, &crowd).await;
}

/// Both on the disk as in production: a commit of Postgres waits for it, Redis writes once a second.
async fn stores() -> (Postgres, Redis) {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap();
    let redis = Redis::start(RedisOptions { persistence: Persistence::AppendOnly }).await.unwrap();
    redis.command(&["CONFIG", "SET", "appendfsync", "everysec"]).await.unwrap();
    (postgres, redis)
}

/// These buy, until everything is done; how long each waited from joining to the ticket, in seconds.
async fn buys(world: &World, crowd: &Arc<Crowd>, numbers: std::ops::Range<u32>) -> Vec<f64> {
    let (mut pages, orders) = (JoinSet::new(), numbers.end);
    let buyers = stream::iter(numbers).map(async |number| {
        let began = Instant::now();
        let (buyer, order) = crowd.orders(number).await;
        crowd.presses_pay(&buyer, &order).await;
        (began, buyer, order)
    });
    let mut buyers = Box::pin(buyers.buffer_unordered(AT_ONCE));
    while let Some((began, buyer, order)) = buyers.next().await {
        pages.spawn(async move { follows(began, &buyer, &order).await });
    }
    until_all_are_paid(world, orders).await;
    assert!(world.stripe.wait_until_delivered(BOUND).await, "some event is never delivered");
    until_nothing_is_left(world).await;
    pages.join_all().await
}

/// Looks at the order as its page does.
async fn follows(began: Instant, buyer: &Buyer, order: &Order) -> f64 {
    loop {
        sleep(LOOK_EVERY).await;
        let seen = buyer.looks_at_order(order).await.unwrap().expect(StatusCode::OK).unwrap();
        if seen["state"] == "paid" && seen["tickets"].as_array().is_some_and(|tickets| tickets.len() == 1) {
            return began.elapsed().as_secs_f64();
        }
        assert!(began.elapsed() < BOUND, "never paid: {seen}");
    }
}

async fn until_all_are_paid(world: &World, orders: u32) {
    let began = Instant::now();
    while world.counts("SELECT count(*) FROM orders WHERE state = 'paid'").await < i64::from(orders) {
        assert!(began.elapsed() < BOUND, "some order is never paid");
        sleep(COUNT_EVERY).await;
    }
}

/// One row a transaction, in a database of its own.
async fn commits_per_s(world: &World) -> f64 {
    let database = Database::at(world.postgres.url("postgres"), "postgres".to_owned());
    database.execute("CREATE TABLE committed (id uuid PRIMARY KEY)").await.unwrap();
    let script = "INSERT INTO committed VALUES (gen_random_uuid());";
    pgbench::transactions_per_s(&database.url, script, SESSIONS, COMMITTING).await
}

async fn everybody_has_what_was_paid_for(world: &World, crowd: &Crowd) {
    let all = i64::from(WARMING + ORDERS);
    assert_eq!(world.counts("SELECT count(*) FROM tickets WHERE state = 'valid'").await, all);
    let left = "SELECT (SELECT count(*) FROM inbox WHERE state <> 'done')
                     + (SELECT count(*) FROM outbox WHERE state <> 'done')";
    assert_eq!(world.counts(left).await, 0, "some work was set aside");
    let mails = world.mail.messages();
    let recipients: BTreeSet<_> = mails.iter().flat_map(|mail| &mail.to).collect();
    assert_eq!((mails.len(), recipients.len()), (usize::try_from(all).unwrap(), usize::try_from(all).unwrap()));
    totals::agree_with_stripe(world, &crowd.sale).await;
    world.holds_every_invariant();
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
