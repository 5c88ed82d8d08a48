//! How fast a backlog of Stripe's events is drained, and what each costs.
//!
//! `cargo bench -p workers --bench backlog`. A private Postgres that waits for the disk, and real workers. The events are those of
//! the fake Stripe, all in the inbox before the first worker starts: of each order every event of a payment that was captured,
//! every second one after 3-D Secure, so that its authorisation is news. The workers drain it, and the calls to Stripe that they
//! order meanwhile go at Stripe's usual limit. Beside it, in the same run and table, the same rows are claimed and marked by two
//! connections that do nothing else, in sets as large: what no way to apply them can be faster than.
//!
//! Figures are of this machine at that hour; the ratio and the processor time say more than events a second.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]
#![expect(clippy::cast_precision_loss, reason = "counts of a bench")]

#[path = "../tests/it/eventually.rs"]
mod eventually;
#[expect(dead_code, unused_imports, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::sale::CaptureMode;
use domain::{PlaceNumber, UnitNo};
use futures_util::{StreamExt as _, stream};
use ledger::inbox::inbox_stats;
use sandbox::figures::{Figure, Table, Target};
use sandbox::{
    Authentication, Database, Durability, FakeStripeOptions, IntentStatus, Postgres, PostgresOptions, processor,
};
use workers::WorkersConfig;
use world::{NEEDS_3DS, Post, Sale, VISA, Vouched, World};

/// Orders paid; each is five events or six.
const ORDERS: u32 = 1_900;
/// Orders that warm up, and do not count.
const WARMING: u32 = 100;
/// Buyers at once.
const BUYERS: usize = 8;
/// Rows of a statement of the reference, and its connections.
const SET: usize = 250;
const CONNECTIONS: usize = 2;
/// How often it is looked whether events wait.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const DRAINED_MAX: Duration = Duration::from_secs(300);
/// Events a second, at least, where nothing else runs.
const PER_S_MIN: f64 = 5_000.0;

/// What a way through the backlog came to.
struct Drained {
    events: i64,
    taken: Duration,
    /// Of all processes of Postgres, and of this one with its workers and the fake Stripe.
    processor: [Duration; 2],
}

#[tokio::main]
async fn main() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap();
    let template = postgres.template("workers", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let world =
        Arc::new(World::in_database(template.fresh_database().await.unwrap(), FakeStripeOptions::default()).await);
    let running = start(&world);
    let warming = world.open_sale(WARMING, CaptureMode::Manual).await;
    let sale = world.open_sale(ORDERS, CaptureMode::Manual).await;
    running.stop().await;

    backlog(&world, &warming, WARMING).await;
    drain(&world).await;
    backlog(&world, &sale, ORDERS).await;
    let drained = drain(&world).await;
    let plain = rows_alone(&world.database).await;

    let table = Table::new("a backlog of payment events, and the same rows only claimed and marked");
    table.note("events, of orders", &format!("{}, {ORDERS}", drained.events));
    let figure = Figure::new("a backlog of Stripe's events drained", drained.per_s(), "/s")
        .beside("the same rows, claimed and marked", plain.per_s());
    table.figure(&figure.should_be(Target::AtLeast(PER_S_MIN)));
    for (what, drained) in [("drained", &drained), ("only claimed and marked", &plain)] {
        let [postgres, here] = drained.processor.map(|spent| spent.as_secs_f64() * 1e6 / drained.events as f64);
        table.note(&format!("processor an event, {what}: Postgres"), &format!("{postgres:.0} us"));
        table.note("  and here", &format!("{here:.0} us"));
    }
    world.audit().await;
}

impl Drained {
    fn per_s(&self) -> f64 {
        self.events as f64 / self.taken.as_secs_f64()
    }
}

fn start(world: &World) -> world::Running {
    let pools = WorkersConfig { poll_every: Duration::from_millis(200), ..WorkersConfig::default() };
    world.start_as(pools, Post::None, Vouched::ByNobody)
}

/// Orders that are paid and captured at Stripe, and all that it told of them in the inbox.
async fn backlog(world: &World, sale: &Sale, orders: u32) {
    let pays = async |unit: u32| {
        let number = PlaceNumber(u64::from(unit) + 1);
        let order = world.orders_unheld(sale, number, vec![(sale.tier.clone(), UnitNo(unit))]).await;
        let card = if unit.is_multiple_of(2) { VISA } else { NEEDS_3DS };
        world.pays(&order, card, CaptureMode::Manual).await;
    };
    stream::iter(0..orders).for_each_concurrent(BUYERS, pays).await;
    let captures = async |(intent, status): (String, IntentStatus)| {
        if status == IntentStatus::RequiresAction {
            world.stripe.authenticate(&intent, Authentication::Passed).unwrap();
        }
        world.till.capture(&intent, &format!("capture:{intent}")).await.unwrap();
    };
    let intents = world.stripe.payment_intents().into_iter().map(|intent| (intent.id, intent.status));
    let open = intents.filter(|(_, status)| *status != IntentStatus::Succeeded);
    stream::iter(open).for_each_concurrent(BUYERS, captures).await;
    let stores = async |event: String| world.stores_event(&world.stripe.event_body(&event).unwrap()).await;
    stream::iter(world.stripe.events()).for_each_concurrent(BUYERS, async |event| stores(event.id).await).await;
}

/// Workers from their start until no event waits.
async fn drain(world: &World) -> Drained {
    let waiting = "SELECT count(*) FROM inbox WHERE state = 'pending'";
    let events = world.count(waiting).await;
    let postgres = postgres_of(&world.database).await;
    let (before, began) = (spent(postgres), Instant::now());
    let running = start(world);
    // Over a connection that is kept: to make one for each look takes 6 ms of the processor.
    while inbox_stats(&world.workers).await.unwrap().pending > 0 {
        assert!(began.elapsed() < DRAINED_MAX, "{} events are never applied", world.count(waiting).await);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let drained = Drained { events, taken: began.elapsed(), processor: since(spent(postgres), before) };
    running.stop().await;
    let troubled = world.count("SELECT count(*) FROM inbox WHERE state <> 'done'").await;
    assert_eq!(troubled, 0, "events are set aside");
    drained
}

/// Claims and marks, each committed by itself, as workers do.
const ROWS_ALONE: &str = "
    CREATE PROCEDURE rows_alone(p_set integer) LANGUAGE plpgsql AS $$
    DECLARE
        v_ids text[];
    BEGIN
        LOOP
            WITH due AS MATERIALIZED (
                SELECT id FROM inbox WHERE state = 'pending' AND next_at <= now()
                 ORDER BY next_at LIMIT p_set FOR NO KEY UPDATE SKIP LOCKED),
            claimed AS (
                UPDATE inbox i SET attempts = attempts + 1, lease = gen_random_uuid(), next_at = now() + interval '60 s'
                  FROM due WHERE i.id = due.id RETURNING i.id, i.raw)
            SELECT array_agg(id) INTO v_ids FROM claimed WHERE length(raw) > 0;
            EXIT WHEN v_ids IS NULL;
            COMMIT;
            UPDATE inbox SET state = 'done', lease = NULL, note = 'nothing', done_at = now() WHERE id = ANY (v_ids);
            COMMIT;
        END LOOP;
    END
    $$";

/// The rows of the inbox, once more, claimed and marked and nothing else.
async fn rows_alone(database: &Database) -> Drained {
    let again = "UPDATE inbox SET state = 'pending', done_at = NULL, note = NULL, next_at = now()";
    database.execute(again).await.unwrap();
    database.execute("VACUUM ANALYZE inbox").await.unwrap();
    let events = database.number("SELECT count(*) FROM inbox").await.unwrap();
    database.execute(ROWS_ALONE).await.unwrap();
    let postgres = postgres_of(database).await;
    let (before, began) = (spent(postgres), Instant::now());
    let connection = async |_| database.execute(&format!("CALL rows_alone({SET})")).await.unwrap();
    stream::iter(0..CONNECTIONS).for_each_concurrent(CONNECTIONS, connection).await;
    Drained { events, taken: began.elapsed(), processor: since(spent(postgres), before) }
}

/// The process that is the parent of all of Postgres'.
async fn postgres_of(database: &Database) -> u32 {
    let parent = r"SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::bigint";
    u32::try_from(database.number(parent).await.unwrap()).unwrap()
}

/// What all processes of Postgres have used, ended ones too, and this one.
fn spent(postgres: u32) -> [Duration; 2] {
    [processor::of_family(postgres), processor::of(std::process::id())]
}

fn since(after: [Duration; 2], before: [Duration; 2]) -> [Duration; 2] {
    [0, 1].map(|process| after[process].saturating_sub(before[process]))
}
