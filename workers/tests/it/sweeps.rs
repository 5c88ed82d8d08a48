//! The clocks that only workers watch, and Redis rebuilt.

use std::time::{Duration, Instant};

use domain::hold::HoldState;
use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use ledger::orders::CreateOrder;
use ledger::rebuild::rebuild_turn;
use ledger::sales::{SaleName, sale_close, sale_fetch};

use crate::eventually::eventually;
use crate::world::{Post, VISA, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_expires_and_its_units_return_to_sale() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let held = world.holds_units(&sale, 3, 1).await;
    eventually("the units are on sale again", async || world.stock(&sale).await == (5, 0)).await;
    let view = world.holds.look(sale.id, held.hold).await.expect("Redis answers").expect("it is remembered");
    assert_eq!(view.state, HoldState::Expired);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_hold_without_an_order_is_tombstoned_before_it_is_freed() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let held = world.holds_units(&sale, 3, 300).await;
    world.freezes(&sale, &held).await;
    let offset = admission::keys::SaleKeys::new(sale.id).clock_offset();
    world.redis.set_clock_offset(&offset, 301_000).await.expect("Redis answers");
    eventually("the units are on sale again", async || world.stock(&sale).await == (5, 0)).await;
    assert_eq!(world.count("SELECT count(*) FROM hold_claims WHERE order_id IS NULL").await, 1);
    workers.stop().await;
}

/// A gateway that stood still between freezing the hold and claiming its units, for longer than the hold lasted.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_after_the_tombstone_gets_nothing_and_the_next_buyer_everything() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(3, Manual).await;
    let slow = world.holds_units(&sale, 3, 60).await;
    world.freezes(&sale, &slow).await;
    let offset = admission::keys::SaleKeys::new(sale.id).clock_offset();
    world.redis.set_clock_offset(&offset, 120_000).await.expect("Redis answers");
    eventually("the units are on sale again", async || world.stock(&sale).await == (3, 0)).await;
    let next = world.holds_units(&sale, 3, 60).await;
    assert_eq!(
        world.tries_to_order(&sale, &slow).await,
        CreateOrder::HoldExpired,
        "held by another, ordered by nobody"
    );
    world.freezes(&sale, &next).await;
    world.writes_order(&sale, &next).await;
    assert_eq!(world.tries_to_order(&sale, &slow).await, CreateOrder::HoldExpired);
    assert_eq!(world.count("SELECT count(*) FROM units WHERE state = 'ordered'").await, 3);
    workers.stop().await;
}

/// Beside it a hold with an order, frozen at the same time: when that is committed, the sweep has looked at both.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_hold_with_time_left_is_not_tombstoned() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let (refused, ordered) = (world.holds_units(&sale, 2, 300).await, world.holds_units(&sale, 1, 300).await);
    world.freezes(&sale, &refused).await;
    world.freezes(&sale, &ordered).await;
    world.writes_order(&sale, &ordered).await;
    let offset = admission::keys::SaleKeys::new(sale.id).clock_offset();
    world.redis.set_clock_offset(&offset, 60_000).await.expect("Redis answers");
    eventually("the ordered unit left Redis", async || world.stock(&sale).await == (2, 2)).await;
    assert_eq!(world.count("SELECT count(*) FROM hold_claims WHERE order_id IS NULL").await, 0);
    let view = world.holds.look(sale.id, refused.hold).await.expect("Redis answers").expect("it is remembered");
    assert_eq!(view.state, HoldState::Frozen);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_hold_with_an_order_is_committed_though_nobody_said_so() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let held = world.holds_units(&sale, 3, 300).await;
    world.freezes(&sale, &held).await;
    world.writes_order(&sale, &held).await;
    let offset = admission::keys::SaleKeys::new(sale.id).clock_offset();
    world.redis.set_clock_offset(&offset, 60_000).await.expect("Redis answers");
    eventually("the units left Redis", async || world.stock(&sale).await == (2, 0)).await;
    let view = world.holds.look(sale.id, held.hold).await.expect("Redis answers").expect("it is remembered");
    assert_eq!(view.state, HoldState::Committed);
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_runs_out_its_units_return_and_its_buyer_is_told() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 2).await;
    assert_eq!(world.stock(&sale).await, (3, 0));
    world.database.advance_clock(3_600_000).await.expect("Postgres answers");
    world.until_order_is(&order, OrderState::Expired).await;
    eventually("the units are on sale again", async || world.stock(&sale).await == (5, 0)).await;
    world.until_idle().await;
    assert_eq!(world.count("SELECT count(*) FROM units WHERE state = 'free'").await, 5);
    world.audit().await;
    workers.stop().await;
}

/// Redis never heard of the order, nor that its hold is over: were the units free there, the next to hold them would lose
/// them to the commit of that one.
#[tokio::test(flavor = "multi_thread")]
async fn what_ran_out_before_redis_heard_of_it_returns_once_its_hold_has_ended() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let held = world.holds_units(&sale, 2, 300).await;
    world.freezes(&sale, &held).await;
    let order = world.writes_order(&sale, &held).await;
    world.database.advance_clock(3_600_000).await.expect("Postgres answers");
    world.until_order_is(&order, OrderState::Expired).await;
    let early = "SELECT count(*) FROM outbox
                  WHERE kind = 'units_return' AND state = 'pending' AND attempts = 1 AND last_error LIKE '%live hold%'";
    eventually("it comes too early", async || world.count(early).await == 1).await;
    assert_eq!(world.stock(&sale).await, (3, 2));

    let offset = admission::keys::SaleKeys::new(sale.id).clock_offset();
    world.redis.set_clock_offset(&offset, 60_000).await.expect("Redis answers");
    eventually("the units are on sale again", async || world.stock(&sale).await == (5, 0)).await;
    world.until_idle().await;
    assert_eq!(world.holds.inventory(sale.id).await.expect("Redis answers").faults(), []);
    world.audit().await;
    workers.stop().await;
}

/// A mark that is there by no doing of ours keeps nothing off sale.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_marked_as_held_by_no_hold_returns_all_the_same() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 2).await;
    eventually("Redis has heard of the order", async || world.stock(&sale).await == (3, 0)).await;
    let held = admission::keys::SaleKeys::new(sale.id).epoch().replace(":epoch", ":held");
    world.redis.command(&["SETBIT", &held, "0", "1"]).await.expect("Redis answers");
    world.database.advance_clock(3_600_000).await.expect("Postgres answers");
    world.until_order_is(&order, OrderState::Expired).await;
    eventually("the units are on sale again", async || world.stock(&sale).await == (5, 0)).await;
    world.until_idle().await;
    assert_eq!(world.holds.inventory(sale.id).await.expect("Redis answers").faults(), []);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_is_rebuilt_within_five_seconds() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(10, Manual).await;
    let paid = world.orders(&sale, 2).await;
    world.pays(&paid, VISA, Manual).await;
    world.until_order_is(&paid, OrderState::Paid).await;
    let open = world.orders(&sale, 3).await;
    world.holds_units(&sale, 1, 300).await;
    let before = world.epoch(&sale).await.expect("it is loaded");

    world.redis.flush().await.expect("Redis answers");
    let lost = Instant::now();
    eventually("loaded again", async || world.epoch(&sale).await.is_some_and(|epoch| epoch > before)).await;
    assert!(lost.elapsed() < Duration::from_secs(5), "{:?}", lost.elapsed());

    assert_eq!(world.stock(&sale).await, (5, 0), "sold and ordered units stay gone, the browsing hold is over");
    world.pays(&open, VISA, Manual).await;
    world.until_order_is(&open, OrderState::Paid).await;
    world.orders(&sale, 5).await;
    world.until_idle().await;
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_rebuild_redis_once() {
    let world = World::new().await;
    let (one, other) = (world.start(Post::Open), world.start(Post::Open));
    let sale = world.open_sale(5, Manual).await;
    for _ in 0..3 {
        let before = world.epoch(&sale).await.expect("it is loaded");
        world.redis.flush().await.expect("Redis answers");
        eventually("loaded again", async || world.epoch(&sale).await.is_some()).await;
        let after = world.epoch(&sale).await.expect("it is loaded");
        assert_eq!(after, before + 1, "one epoch for one loss");
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_rebuilds_while_another_worker_is_at_it() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let before = world.epoch(&sale).await.expect("it is loaded");

    // Whoever loaded it shows the epoch first, and lets go of the turn then.
    let mut turn = None;
    eventually("nobody has the turn", async || {
        turn = rebuild_turn(&world.workers, sale.id).await.expect("Postgres answers");
        turn.is_some()
    })
    .await;
    assert!(rebuild_turn(&world.workers, sale.id).await.expect("Postgres answers").is_none(), "one turn a sale");
    world.redis.flush().await.expect("Redis answers");
    // Another sale is loaded meanwhile, so the workers have gone through all sales since.
    let other = world.open_sale(5, Manual).await;
    assert_eq!(world.epoch(&sale).await, None, "the worker that has the turn is not done");

    drop(turn);
    eventually("loaded again", async || world.epoch(&sale).await.is_some()).await;
    assert_eq!(world.epoch(&sale).await, Some(before + 1));
    assert_eq!(world.epoch(&other).await, Some(1));
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_lets_go_of_a_sale_that_ended() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let row = sale_fetch(&world.gateway, SaleName::Id(sale.id)).await.expect("Postgres answers").expect("it is there");
    sale_close(&world.gateway, row.organizer, sale.id).await.expect("Postgres answers");
    let epoch = admission::keys::SaleKeys::new(sale.id).epoch();
    eventually("the epoch goes in time", async || world.redis.ttl_ms(&epoch).await.is_ok_and(|ttl| ttl.is_some()))
        .await;
    assert!(world.epoch(&sale).await.is_some(), "late questions are answered");
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_from_before_the_loss_is_not_counted_twice() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 2).await;
    workers.stop().await;
    // The order runs out and Redis is lost before a worker could tell it.
    world.database.advance_clock(3_600_000).await.expect("Postgres answers");
    ledger::orders::orders_expire_due(&world.workers, 10).await.expect("Postgres answers");
    assert_eq!(world.order(&order).await.state, OrderState::Expired);
    world.redis.flush().await.expect("Redis answers");

    let workers = world.start(Post::Open);
    eventually("loaded again", async || world.epoch(&sale).await.is_some()).await;
    world.until_idle().await;
    assert_eq!(world.stock(&sale).await, (5, 0));
    world.audit().await;
    workers.stop().await;
}

/// So many attempts beside the only one there is, begun `begun_s` ago and authorised after `took`, an interval or NULL.
async fn attempts_beside(world: &World, count: u32, begun_s: u32, took: &str) {
    let insert = format!(
        "INSERT INTO payments (sale_id, id, order_id, attempt, state, superseded, livemode, capture, currency, amount, idem_key,
                               confirmation_token, return_url, description, begun_at, changed_at, authorised_at)
         SELECT sale_id, gen_random_uuid(), order_id, (SELECT max(attempt) FROM payments) + n, 'planned', true, false, capture,
                currency, amount, gen_random_uuid()::text, '', '', '', at, at, at + {took}
           FROM payments, generate_series(1, {count}) AS n, (SELECT onsale_now() - interval '{begun_s} s' AS at) AS clock
          WHERE attempt = 1"
    );
    world.database.execute(&insert).await.expect("Postgres answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_last_as_long_as_payments_take_lately() {
    let world = World::new().await;
    let workers = [world.start(Post::Open), world.start(Post::Open)];
    let sale = world.open_sale(5, Manual).await;
    let row =
        async || sale_fetch(&world.gateway, SaleName::Id(sale.id)).await.expect("Postgres answers").expect("a sale");
    let ttl_s = async || {
        let row = row().await;
        row.payment_latency.map(|_| row.hold_ttl_s())
    };
    eventually("what is assumed", async || ttl_s().await == Some(300)).await;

    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    attempts_beside(&world, 400, 300, "interval '2 s'").await;
    eventually("payments are quick", async || ttl_s().await == Some(186)).await;
    assert_eq!(row().await.payment_latency.map(|measured| measured.authorised), Some(401));

    attempts_beside(&world, 40, 61, "NULL::interval").await;
    eventually("some wait for a minute", async || ttl_s().await.is_some_and(|ttl_s| ttl_s >= 180 + 3 * 61)).await;
    attempts_beside(&world, 400, 300, "interval '60 s'").await;
    world
        .database
        .execute(
            "UPDATE payments SET authorised_at = begun_at + interval '60 s' WHERE state = 'planned'
                            AND authorised_at IS NULL",
        )
        .await
        .expect("Postgres answers");
    eventually("payments take a minute", async || ttl_s().await == Some(360)).await;

    world.database.advance_clock(1_800_000).await.expect("Postgres answers");
    eventually("nothing was seen lately", async || ttl_s().await == Some(300)).await;
    for workers in workers {
        workers.stop().await;
    }
}
