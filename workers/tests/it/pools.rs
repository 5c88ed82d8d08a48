//! The pools over the queues in Postgres: repeats, poison, leases, ends.

use std::sync::Arc;
use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use ledger::inbox::{event_done, inbox_claim};
use ledger::outbox::{self, Leased, Queue};
use sandbox::Operation;
use workers::Drained;
use workers::points::Point;

use crate::eventually::eventually;
use crate::world::{PRICE, Post, Seen, VISA, World};

/// Everything that a second run could change.
async fn standing(world: &World) -> Vec<i64> {
    let mut standing = Vec::new();
    for query in [
        "SELECT count(*) FROM transfers",
        "SELECT count(*) FROM entries",
        "SELECT count(*) FROM tickets WHERE state = 'valid'",
        "SELECT count(*) FROM units WHERE state = 'sold'",
        "SELECT count(*) FROM outbox",
        "SELECT count(*) FROM refunds",
        "SELECT sum(captured)::bigint FROM payments",
    ] {
        standing.push(world.count(query).await);
    }
    standing.push(world.stripe.captured_total("eur"));
    standing.push(world.stripe.refunded_total("eur"));
    standing
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_and_every_job_twice_changes_nothing() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(10, Manual).await;
    let paid = world.orders(&sale, 2).await;
    world.pays(&paid, VISA, Manual).await;
    world.until_order_is(&paid, OrderState::Paid).await;
    let expired = world.orders(&sale, 3).await;
    world.database.advance_clock(3_600_000).await.expect("Postgres answers");
    world.until_order_is(&expired, OrderState::Expired).await;
    world.until_idle().await;
    eventually("the units are on sale again", async || world.stock(&sale).await == (8, 0)).await;
    let before = standing(&world).await;

    let again = "UPDATE inbox SET state = 'pending', done_at = NULL, next_at = onsale_now() WHERE state = 'done';
                 UPDATE outbox SET state = 'pending', next_at = onsale_now() WHERE state = 'done'";
    world.database.execute(again).await.expect("Postgres answers");
    world.until_idle().await;

    assert_eq!(standing(&world).await, before);
    assert_eq!(world.stock(&sale).await, (8, 0));
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM inbox WHERE state <> 'done'").await, 0);
    world.audit().await;
    workers.stop().await;
}

/// Claims begin where a look found the first that waits: what is behind that is found by the next look.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_back_by_an_hour_is_done_all_the_same() {
    let world = World::new().await;
    let seen = Arc::new(Seen::default());
    let process = world.starts_process(&seen).await;
    let sale = world.open_sale(1, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    eventually("claims begin at what waits", async || seen.has("queue_starts", Point::Ended)).await;

    let again = "UPDATE inbox SET state = 'pending', done_at = NULL, next_at = onsale_now() - interval '1 hour';
                 UPDATE outbox SET state = 'pending', next_at = onsale_now() - interval '1 hour'";
    world.database.execute(again).await.expect("Postgres answers");
    eventually("all of it is done", async || {
        world.count("SELECT count(*) FROM inbox WHERE state <> 'done'").await == 0
            && world.count("SELECT count(*) FROM outbox WHERE state <> 'done'").await == 0
    })
    .await;
    process.stop().await;
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_work_and_do_it_once() {
    let world = World::new().await;
    let (one, other) = (world.start(Post::Open), world.start(Post::Open));
    let sale = world.open_sale(50, Manual).await;
    let mut orders = Vec::new();
    for _ in 0..10 {
        let order = world.orders(&sale, 2).await;
        world.pays(&order, VISA, Manual).await;
        orders.push(order);
    }
    for order in &orders {
        world.until_order_is(order, OrderState::Paid).await;
    }
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), 20 * PRICE);
    assert_eq!(world.mail.messages().len(), 10);
    assert_eq!(world.stripe.calls().get(&Operation::CaptureIntent), Some(&10));
    world.audit().await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_job_is_parked_and_blocks_nobody() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    let poison = format!(
        "INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload)
         SELECT '{sale}', gen_random_uuid(), 'stripe', 'payment_capture', 'poison:' || n, jsonb_build_object(
                    'order', '{order}', 'payment', gen_random_uuid(), 'intent', 'pi_of_nobody', 'key', 'poison:' || n)
           FROM generate_series(1, 10) AS n",
        sale = sale.id.uuid(),
        order = order.id.uuid(),
    );
    world.database.execute(&poison).await.expect("Postgres answers");
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 10);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_overslept_its_lease_changes_nothing() {
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.open_sale(5, Manual).await;
    workers.stop().await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.posts_events().await;

    // A worker that stops right after its claims, with leases of a second.
    let events = inbox_claim(&world.workers, 100, 1).await.expect("Postgres answers");
    let jobs = outbox::claim(&world.workers, Queue::Stripe, 100, 1).await.expect("Postgres answers");
    assert!(!events.is_empty() && !jobs.is_empty(), "{events:?} {jobs:?}");

    let workers = world.start(Post::Open);
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    for event in &events {
        assert_eq!(event_done(&world.workers, event, "overslept").await.expect("Postgres answers"), Leased::Lost);
    }
    for job in &jobs {
        assert_eq!(outbox::park(&world.workers, job, "overslept").await.expect("Postgres answers"), Leased::Lost);
    }
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_end_clean_and_say_that_they_are_ending() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let ready = workers.workers.ready().await;
    assert!(ready.iter().all(|line| line.ok), "{ready:?}");
    let ended = tokio::time::timeout(Duration::from_secs(15), workers.stop()).await.expect("bounded");
    assert_eq!(ended, Drained::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_told() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    world.redis.stop().await.expect("it stops");
    eventually("redis is told to be away", async || {
        workers.workers.ready().await.iter().any(|line| line.name == "redis" && !line.ok)
    })
    .await;
    world.redis.restart().await.expect("it starts");
    eventually("all is well again", async || workers.workers.ready().await.iter().all(|line| line.ok)).await;
    workers.stop().await;
}
