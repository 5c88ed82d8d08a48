//! Books of their own with one organizer's sale, and one connection that posts to them.

use std::time::Instant;

use sandbox::Template;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::world::{Price, World, connect};

/// Legs of an order: what was paid as organizer's, platform's and tax, and the seat.
const LEGS: i64 = 6;

/// Orders of a call that is timed.
pub(crate) const BATCH: usize = 100;
/// Orders of a call that only fills: as large as pays.
const FILL_BATCH: usize = 500;
/// Connections that fill, one a core of the smallest machine.
const FILLING: usize = 2;

/// The transfers of so many payments. Ids and keys are in the order of time, as in production.
const POST_BATCH: &str = r"
    SELECT count(*) FILTER (WHERE outcome = 'posted') FROM sales, post_batch((
        SELECT array_agg(ROW(sales.id, 'captured', key, order_id, 'pi', now(), NULL, NULL, ARRAY[
                   ROW('payment_clearing', 'eur', 5891)::leg, ROW('organizer_payable', 'eur', -4500)::leg,
                   ROW('platform_fee', 'eur', -450)::leg, ROW('tax_payable', 'eur', -941)::leg,
                   ROW('seats_sold', 'seats:ga', 1)::leg, ROW('seats_ordered', 'seats:ga', -1)::leg])::posting)
          FROM unnest($1::text[], $2::uuid[]) AS p (key, order_id)))";

/// The same row by row, for `pgbench`. A colon begins a variable there, so words with one are spelled without.
pub(crate) const POST: &str = r"SELECT post(id, 'captured', E'payment\x3a' || o || E'\x3acaptured', o, 'pi', now(), NULL, NULL, ARRAY[ROW('payment_clearing', 'eur', 5891)::leg, ROW('organizer_payable', 'eur', -4500)::leg, ROW('platform_fee', 'eur', -450)::leg, ROW('tax_payable', 'eur', -941)::leg, ROW('seats_sold', E'seats\x3aga', 1)::leg, ROW('seats_ordered', E'seats\x3aga', -1)::leg]) FROM sales, onsale_uuid() AS o;";

/// What an order costs.
pub(crate) struct Cost {
    pub(crate) time_us: f64,
    /// Of the backend; not a number where the system does not say.
    pub(crate) processor_us: f64,
}

pub(crate) struct Books {
    pub(crate) world: World,
    client: Client,
}

impl Books {
    /// Empty ones, but for the seats that the sale issued.
    pub(crate) async fn open(template: &Template<'_>) -> Self {
        let world = World::in_database(template.fresh_database().await.expect("a copy of the template"));
        world.sale(1, Price::Paid).await;
        // As the pool's sessions have it (`ledger/src/pool.rs`), here for those of `pgbench`, too.
        let as_in_the_pool = format!("ALTER DATABASE {} SET jit = off", world.database.name);
        world.database.execute(&as_in_the_pool).await.expect("the superuser may");
        let client = connect(&world.database.url).await;
        Self { world, client }
    }

    /// Another connection.
    pub(crate) async fn connection(&self) -> Client {
        connect(&self.world.database.url).await
    }

    /// Posts until there are so many entries, and does what autovacuum would sooner or later.
    pub(crate) async fn fill(&self, entries: i64) {
        let orders = (entries - self.entries().await).max(0) / LEGS;
        let calls = usize::try_from(orders).expect("not below nothing").div_ceil(FILL_BATCH);
        let mut filling = tokio::task::JoinSet::new();
        for connection in 0..FILLING.min(calls) {
            let (client, mine) = (self.connection().await, (calls + connection) / FILLING.min(calls));
            filling.spawn(async move {
                for _ in 0..mine {
                    post_batch(&client, FILL_BATCH).await;
                }
            });
        }
        filling.join_all().await;
        self.execute("VACUUM ANALYZE transfers, entries").await;
    }

    pub(crate) async fn execute(&self, statement: &str) {
        self.client.batch_execute(statement).await.expect("an answer");
    }

    /// How many entries there are.
    pub(crate) async fn entries(&self) -> i64 {
        self.world.number("SELECT count(*) FROM entries").await
    }

    /// What an order costs in a batch over the one connection.
    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    pub(crate) async fn cost(&self) -> Cost {
        let used = backend_us(&self.client).await;
        let begun = Instant::now();
        post_batch(&self.client, BATCH).await;
        let time_us = begun.elapsed().as_secs_f64() * 1e6 / BATCH as f64;
        Cost { time_us, processor_us: (backend_us(&self.client).await - used) / BATCH as f64 }
    }
}

/// Posts so many orders in one call.
pub(crate) async fn post_batch(client: &Client, count: usize) {
    let orders: Vec<Uuid> = std::iter::repeat_with(Uuid::now_v7).take(count).collect();
    let keys: Vec<String> = orders.iter().map(|order| format!("payment:{order}:captured")).collect();
    let posted: i64 = client.query_one(POST_BATCH, &[&keys, &orders]).await.expect("an answer").get(0);
    assert_eq!(usize::try_from(posted), Ok(count));
}

/// Microseconds of processor that the server's end of a connection has used; not a number where the system does not say.
pub(crate) async fn backend_us(client: &Client) -> f64 {
    let process: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.expect("an answer").get(0);
    let nanoseconds = std::fs::read_to_string(format!("/proc/{process}/schedstat"))
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or(f64::NAN, |nanoseconds| nanoseconds / 1e3)
}
