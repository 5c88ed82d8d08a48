//! Many at once: exactly one effect, no deadlock, no unit lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::order::OrderState;
use domain::payment::IntentStatus;
use ledger::holds::{Settle, hold_settle};
use ledger::orders::{CreateOrder, NewOrder, order_cancel, order_create, orders_expire_due};
use ledger::payments::{Applied, payment_apply};
use ledger::sales::sale_stock;
use tokio::task::JoinSet;

use crate::soak;
use crate::world::{Paying, Price, World};

/// Sessions whose transaction was given up to break a cycle. A retry would hide them from callers.
const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_buyers_for_ten_units_get_ten() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(10, Price::Paid).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..100_u32 {
        let (world, order) = (Arc::clone(&world), sale.order([buyer % 10, (buyer + 1) % 10]));
        buyers.spawn(async move { order_create(&world.gateway, &order).await.unwrap() });
    }
    let outcomes = buyers.join_all().await;
    let created = outcomes.iter().filter(|outcome| matches!(outcome, CreateOrder::Created(_))).count();
    let lost = outcomes.iter().filter(|outcome| matches!(outcome, CreateOrder::UnitsLost(units) if !units.is_empty()));
    assert_eq!(created + lost.count(), 100);
    let stock = sale_stock(&world.workers, sale.id).await.unwrap();
    let counts = stock.values().next().unwrap();
    assert_eq!(usize::try_from(counts.ordered).unwrap(), created * 2);
    assert!(counts.free < 10 && created <= 5, "{created} orders");
    assert_eq!(world.number(DEADLOCKS).await, 0);
    world.audits_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hold_written_ten_times_at_once_is_one_order() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.order([0, 1]);
    let mut tries = JoinSet::new();
    for _ in 0..10 {
        let (world, order) = (Arc::clone(&world), order.clone());
        tries.spawn(async move { order_create(&world.gateway, &order).await.unwrap() });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, CreateOrder::Created(_))).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, CreateOrder::Existing(_))).count(), 9);
    world.audits_clean().await;
}

/// How often an order meets the sweep; in a soak, a hundred thousand times.
const MEETINGS: u32 = 240;
const MEETINGS_SOAK: u32 = 100_000;
/// Meetings at once: as many as the pools have connections for.
const AT_ONCE: u32 = 8;

/// Whoever begins has a head start in half of the meetings, so that both win some.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_order_and_its_tombstone_one_wins() {
    let meetings = if soak::is_on() { MEETINGS_SOAK } else { MEETINGS };
    let world = Arc::new(World::new().await);
    let sale = world.sale(meetings, Price::Paid).await;
    let mut ordered = 0;
    for first in (0..meetings).step_by(AT_ONCE as usize) {
        let mut met = JoinSet::new();
        for unit in first..meetings.min(first + AT_ONCE) {
            let begins = if unit % 2 == 0 { Begins::Order } else { Begins::Sweep };
            met.spawn(order_meets_sweep(Arc::clone(&world), sale.order([unit]), begins));
        }
        ordered += met.join_all().await.into_iter().filter(|is_ordered| *is_ordered).count();
    }
    let tombstones = world.number("SELECT count(*) FROM hold_claims WHERE order_id IS NULL").await;
    eprintln!("{meetings} meetings: {ordered} orders, {tombstones} tombstones");
    assert_eq!(i64::try_from(ordered).unwrap() + tombstones, i64::from(meetings));
    assert!(ordered > 0 && tombstones > 0, "one of the two never won");
    assert_eq!(
        world.number("SELECT count(*) FROM units WHERE state = 'ordered'").await,
        i64::try_from(ordered).unwrap()
    );
    world.audits_clean().await;
}

/// Whose call goes out first.
#[derive(Clone, Copy)]
enum Begins {
    Order,
    Sweep,
}

/// Whether the order won.
async fn order_meets_sweep(world: Arc<World>, order: NewOrder, begins: Begins) -> bool {
    let create = order_create(&world.gateway, &order);
    let settle = hold_settle(&world.workers, order.sale, order.hold);
    let (created, settled) = match begins {
        Begins::Order => tokio::join!(create, settle),
        Begins::Sweep => {
            let (settled, created) = tokio::join!(settle, create);
            (created, settled)
        }
    };
    let is_ordered = matches!(created.expect("an answer"), CreateOrder::Created(_));
    assert_eq!(is_ordered, settled.expect("an answer") == Settle::Ordered, "{order:?}");
    is_ordered
}

/// The control: a sweep that only asks whether there is an order, and leaves nothing behind that keeps one from coming, frees
/// units that are ordered a moment later.
#[tokio::test]
async fn without_the_tombstone_an_order_and_the_sweep_both_win() {
    const ONLY_ASKS: &str = "
        CREATE OR REPLACE FUNCTION hold_settle(p_sale uuid, p_hold uuid) RETURNS text LANGUAGE sql AS $$
            SELECT CASE WHEN EXISTS (SELECT FROM hold_claims WHERE sale_id = p_sale AND hold_id = p_hold
                                        AND order_id IS NOT NULL) THEN 'ordered' ELSE 'tombstoned' END $$";
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let (late, later) = (sale.order([0]), sale.order([1]));
    assert_eq!(hold_settle(&world.workers, sale.id, late.hold).await.unwrap(), Settle::Tombstoned);
    assert_eq!(order_create(&world.gateway, &late).await.unwrap(), CreateOrder::HoldExpired);

    world.database.execute(ONLY_ASKS).await.unwrap();
    assert_eq!(hold_settle(&world.owner, sale.id, later.hold).await.unwrap(), Settle::Tombstoned);
    let created = order_create(&world.gateway, &later).await.unwrap();
    assert!(matches!(created, CreateOrder::Created(_)), "the unit is free in Redis, and ordered: {created:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_on_ten_workers_takes_effect_once() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.receives("evt_1").await;
    world.receives("evt_2").await;
    let mut workers = JoinSet::new();
    for worker in 0..10 {
        let event = if worker % 2 == 0 { "evt_1" } else { "evt_2" };
        let (world, news) = (Arc::clone(&world), paying.event(event, IntentStatus::Succeeded));
        workers.spawn(async move { payment_apply(&world.workers, &news).await.unwrap() });
    }
    let outcomes = workers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Applied::Captured).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Applied::Nothing).count(), 9);
    assert_eq!(world.number("SELECT count(*) FROM inbox WHERE state = 'done'").await, 2);
    assert_eq!(world.number("SELECT count(*) FROM tickets").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM outbox WHERE kind = 'mail_order_paid'").await, 1);
    world.audits_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_expiry_and_promise_one_wins_and_both_are_right() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(30, Price::Paid).await;
    let mut paying = Vec::new();
    for unit in 0..30 {
        paying.push(sale.order_being_paid([unit]).await);
    }
    world.database.advance_clock(601_000).await.unwrap();
    let mut race = JoinSet::new();
    for _ in 0..3 {
        let world = Arc::clone(&world);
        race.spawn(async move {
            orders_expire_due(&world.workers, 30).await.unwrap();
        });
    }
    for paying in &paying {
        let (world, news) = (Arc::clone(&world), paying.news(IntentStatus::RequiresCapture));
        race.spawn(async move {
            let applied = payment_apply(&world.workers, &news).await.unwrap();
            assert!(matches!(applied, Applied::Authorised | Applied::LateCancel), "{applied:?}");
        });
    }
    race.join_all().await;
    for paying in &paying {
        let order = sale.looks_at(paying.order.id).await;
        assert_eq!(order.state, OrderState::Processing, "nobody claimed the job, so the units were the order's again");
        assert_eq!(world.applies(&paying.news(IntentStatus::Succeeded)).await, Applied::Captured);
    }
    assert_eq!(world.number(DEADLOCKS).await, 0);
    world.audits_clean().await;
}

/// Orders, cancellations, sweeps, promises, lapses and settlements on twelve units, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_deadlocks_nowhere() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(UNITS, Price::Paid).await;
    for round in 0..4 {
        let mut acts = JoinSet::new();
        for pair in 0..3 {
            let CreateOrder::Created(order) = sale.creates(&sale.order([pair * 4, pair * 4 + 1])).await else {
                continue;
            };
            let attempt = sale.begins(order.id).await;
            let paying = Paying { intent: format!("pi_{}", attempt.id.uuid().simple()), order, attempt };
            acts.spawn(promised_and_lapsed(Arc::clone(&world), paying));
        }
        world.database.advance_clock(601_000).await.unwrap();
        for buyer in 0..24 {
            let units: BTreeSet<u32> = [buyer * 5, buyer * 7 + 3 + round, 11 - buyer % 3].map(|n| n % UNITS).into();
            acts.spawn(ordered_and_cancelled(Arc::clone(&world), sale.order(units.into_iter().rev())));
            if buyer % 4 == 0 {
                acts.spawn(swept(Arc::clone(&world), sale.order([0])));
            }
        }
        acts.join_all().await;
        world.audits_clean().await;
    }
    assert_eq!(world.number(DEADLOCKS).await, 0);
}

const UNITS: u32 = 12;

async fn promised_and_lapsed(world: Arc<World>, paying: Paying) {
    for status in [IntentStatus::RequiresCapture, IntentStatus::Canceled] {
        payment_apply(&world.workers, &paying.news(status)).await.expect("an answer");
    }
}

async fn ordered_and_cancelled(world: Arc<World>, order: NewOrder) {
    if let CreateOrder::Created(order) = order_create(&world.gateway, &order).await.expect("an answer") {
        order_cancel(&world.gateway, order.sale, order.id).await.expect("an answer");
    }
}

async fn swept(world: Arc<World>, order: NewOrder) {
    hold_settle(&world.workers, order.sale, order.hold).await.expect("an answer");
    orders_expire_due(&world.workers, 5).await.expect("an answer");
}
