//! Units kept back, by the configuration and by acts on a live sale.

use std::sync::Arc;

use domain::{HoldId, OrganizerId, SaleId, TierId, UnitNo};
use ledger::epochs::{EpochBegin, epoch_begin};
use ledger::holds::{Settle, hold_settle, hold_verdict};
use ledger::orders::{CreateOrder, NewOrder, order_cancel, order_create};
use ledger::outbox::{Queue, Whose, Work, claim};
use ledger::sales::{TierCounts, sale_close, sale_pause, sale_stock};
use ledger::withholdings::{Release, ReleaseWish, StockAct, Withhold, units_release, units_withhold, withholding_find};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{Price, TestSale, World, connect, within_30_s};

/// Sessions whose transaction was given up to break a cycle.
const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

/// Sessions that wait for a lock of another.
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

fn some_hold() -> HoldId {
    HoldId::from_uuid(Uuid::now_v7())
}

fn units(numbers: &[u32]) -> Vec<UnitNo> {
    numbers.iter().copied().map(UnitNo).collect()
}

/// An act of its own on the tier `ga`.
fn act(organizer: OrganizerId, sale: SaleId) -> StockAct {
    let mut request = [0; 32];
    request[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    StockAct { organizer, sale, tier: "ga".parse().expect("a tier"), request, by: "key_1".to_owned() }
}

impl World {
    async fn withholds(&self, act: &StockAct, hold: HoldId, numbers: &[u32]) -> Withhold {
        units_withhold(&self.gateway, act, hold, 1, &units(numbers)).await.expect("an outcome")
    }

    async fn releases(&self, act: &StockAct, wish: ReleaseWish) -> Release {
        units_release(&self.gateway, act, &wish).await.expect("an outcome")
    }

    async fn counts(&self, sale: SaleId, tier: &str) -> TierCounts {
        sale_stock(&self.gateway, sale).await.expect("the stock")[&tier.parse::<TierId>().expect("a tier")]
    }
}

fn a_new_act(sale: &TestSale<'_>) -> StockAct {
    act(sale.organizer, sale.id)
}

#[tokio::test]
async fn a_sale_is_published_with_what_its_configuration_withholds() {
    let world = World::new().await;
    let rows = json!([{ "row": "A", "seats": 3 }, { "row": "B", "seats": 3 }]);
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 100, "capacity": 10 },
        { "id": "stalls", "name": "Stalls", "price": 200, "rows": rows },
        { "id": "box", "name": "Box", "price": 300, "rows": rows },
    ]);
    let withheld = json!({ "ga": 3, "stalls": 2, "box": ["A-2", "B-1"] });
    let sale = world.sale_with(json!({ "tiers": tiers, "withheld": withheld })).await;
    let kept = "SELECT count(*) FROM units WHERE state = 'withheld'";
    for (tier, numbers) in [("ga", "7, 8, 9"), ("stalls", "4, 5"), ("box", "1, 3")] {
        let these = format!("{kept} AND tier_id = '{tier}' AND unit_no IN ({numbers})");
        assert_eq!(world.number(&these).await, i64::try_from(numbers.split(',').count()).unwrap(), "{tier}");
    }
    assert_eq!(world.number(kept).await, 7);
    let EpochBegin::Begun(epoch) = epoch_begin(&world.workers, sale.id, Some(1)).await.unwrap() else { panic!("free") };
    let tiers: Vec<_> = epoch.tiers.iter().map(|tier| (tier.capacity, tier.withheld, tier.free.len())).collect();
    assert_eq!(tiers, [(10, 3, 7), (6, 2, 4), (6, 2, 4)]);
    world.audits_clean().await;
}

#[tokio::test]
async fn units_go_back_and_forth_and_the_books_with_them() {
    let world = World::new().await;
    let sale = world.sale(6, Price::Paid).await;
    let (keep, hold) = (a_new_act(&sale), some_hold());
    assert_eq!(withholding_find(&world.gateway, sale.id, keep.request).await.unwrap(), None);
    let kept = Withhold::Withheld { hold, units: units(&[5, 3]) };
    assert_eq!(world.withholds(&keep, hold, &[5, 3]).await, kept);
    assert_eq!(withholding_find(&world.gateway, sale.id, keep.request).await.unwrap(), Some(kept));
    assert_eq!(hold_verdict(&world.gateway, sale.id, hold).await.unwrap(), Some(Settle::Withheld));
    assert_eq!(hold_settle(&world.workers, sale.id, hold).await.unwrap(), Settle::Withheld);
    let counts = world.counts(sale.id, "ga").await;
    assert_eq!((counts.free, counts.withheld), (4, 2));
    assert_eq!(sale.creates(&sale.order([3])).await, CreateOrder::UnitsLost(vec![("ga".parse().unwrap(), UnitNo(3))]));

    let one = a_new_act(&sale);
    for _ in 0..2 {
        let released = world.releases(&one, ReleaseWish::Quantity(1)).await;
        assert_eq!(released, Release::Released(units(&[3])), "the lowest first, and once");
    }
    let jobs = claim(&world.workers, Queue::Stock, 10, 60).await.unwrap();
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    let Work::UnitsReturn { epoch: 1, whose: Whose::Withheld, units: returned, .. } = &job.work else {
        panic!("{job:?}")
    };
    assert_eq!(*returned, [("ga".parse().unwrap(), UnitNo(3))]);
    assert_eq!(
        world.releases(&a_new_act(&sale), ReleaseWish::Units(units(&[5]))).await,
        Release::Released(units(&[5]))
    );
    sale.has_order([3, 5]).await;

    let told = "SELECT count(*) FROM audit_log WHERE actor = 'key_1' AND act IN ('units_withheld', 'units_released')";
    assert_eq!(world.number(told).await, 3);
    world.audits_clean().await;
}

#[tokio::test]
async fn what_is_refused_is_not_done_and_leaves_the_hold_a_tombstone() {
    let world = World::new().await;
    let sale = world.sale(6, Price::Paid).await;
    sale.has_order([0]).await;
    let keep = a_new_act(&sale);
    let (lost, stale, strange) = (some_hold(), some_hold(), some_hold());
    assert_eq!(world.withholds(&keep, lost, &[0, 1, 9]).await, Withhold::UnitsLost(units(&[0, 9])));
    let old = units_withhold(&world.gateway, &keep, stale, 0, &units(&[1])).await.unwrap();
    assert_eq!(old, Withhold::EpochStale);
    let stranger = act(world.organizer().await, sale.id);
    assert_eq!(world.withholds(&stranger, strange, &[1]).await, Withhold::NotLive);
    assert_eq!(world.releases(&stranger, ReleaseWish::Quantity(1)).await, Release::NotLive);
    for hold in [lost, stale, strange] {
        assert_eq!(hold_verdict(&world.gateway, sale.id, hold).await.unwrap(), Some(Settle::Tombstoned));
    }
    let swept = some_hold();
    assert_eq!(hold_settle(&world.workers, sale.id, swept).await.unwrap(), Settle::Tombstoned);
    assert_eq!(world.withholds(&keep, swept, &[1]).await, Withhold::Tombstoned);
    assert_eq!(world.counts(sale.id, "ga").await.withheld, 0);

    let hold = some_hold();
    assert_eq!(world.withholds(&keep, hold, &[1, 2]).await, Withhold::Withheld { hold, units: units(&[1, 2]) });
    let too_many = Release::NotWithheld { withheld: 2, units: Vec::new() };
    assert_eq!(world.releases(&a_new_act(&sale), ReleaseWish::Quantity(3)).await, too_many);
    let others = Release::NotWithheld { withheld: 2, units: units(&[0, 5]) };
    assert_eq!(world.releases(&a_new_act(&sale), ReleaseWish::Units(units(&[0, 1, 5]))).await, others);
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert_eq!(world.releases(&a_new_act(&sale), ReleaseWish::Quantity(1)).await, Release::Released(units(&[1])));
    sale_close(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert_eq!(world.withholds(&a_new_act(&sale), some_hold(), &[3]).await, Withhold::NotLive);
    assert_eq!(world.releases(&a_new_act(&sale), ReleaseWish::Quantity(1)).await, Release::NotLive);
    world.audits_clean().await;
}

/// Begun again after Redis was lost, a request has another hold with other units: it gets the first one's, and the second
/// hold a tombstone, so that its units go back on sale.
#[tokio::test]
async fn a_request_withholds_once_whatever_it_holds_by_then() {
    let world = World::new().await;
    let sale = world.sale(6, Price::Paid).await;
    let (keep, first, second) = (a_new_act(&sale), some_hold(), some_hold());
    let kept = Withhold::Withheld { hold: first, units: units(&[4, 5]) };
    assert_eq!(world.withholds(&keep, first, &[4, 5]).await, kept);
    assert_eq!(world.withholds(&keep, second, &[2, 3]).await, kept);
    assert_eq!(hold_verdict(&world.gateway, sale.id, second).await.unwrap(), Some(Settle::Tombstoned));
    assert_eq!(hold_verdict(&world.gateway, sale.id, first).await.unwrap(), Some(Settle::Withheld));
    assert_eq!(world.counts(sale.id, "ga").await.withheld, 2);
    world.audits_clean().await;
}

/// Of an order, a sweep and an act on one unit, and of ten requests in one name, one wins; nobody waits in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_gives_each_unit_to_one() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(12, Price::Paid).await;
    for round in 0..10 {
        let mut acts = JoinSet::new();
        let repeated = a_new_act(&sale);
        for other in 0..8_u32 {
            let (world, order) = (Arc::clone(&world), sale.order([other, (other + 1 + round) % 12].into_iter().rev()));
            acts.spawn(ordered_and_cancelled(world, order));
        }
        for other in 0..8_u32 {
            let keep = if other % 2 == 0 { repeated.clone() } else { a_new_act(&sale) };
            let (world, hold) = (Arc::clone(&world), some_hold());
            let these = [(other * 5 + round) % 12, (other * 5 + round + 3) % 12];
            acts.spawn(async move {
                let (kept, settled) =
                    tokio::join!(world.withholds(&keep, hold, &these), hold_settle(&world.workers, keep.sale, hold));
                let ours = matches!(kept, Withhold::Withheld { hold: keeper, .. } if keeper == hold);
                assert_eq!(ours, settled.unwrap() == Settle::Withheld, "{kept:?}");
                ours
            });
        }
        for _ in 0..4 {
            let (world, free) = (Arc::clone(&world), a_new_act(&sale));
            acts.spawn(
                async move { matches!(world.releases(&free, ReleaseWish::Quantity(1)).await, Release::Released(_)) },
            );
        }
        acts.join_all().await;
        let named = format!("SELECT count(*) FROM withholdings WHERE request = '\\x{}'", hex(&repeated.request));
        assert!(world.number(&named).await <= 1);
        world.audits_clean().await;
    }
    assert!(world.number("SELECT count(*) FROM withholdings WHERE act = 'withheld'").await > 0);
    assert!(world.number("SELECT count(*) FROM orders").await > 0);
    assert_eq!(world.number(DEADLOCKS).await, 0);
}

/// Whoever waits for a unit has those of lower numbers already, wherever they lie on disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_locked_in_the_order_of_their_numbers() {
    let world = World::new().await;
    let sale = world.sale(6, Price::Paid).await;
    world.withholds(&a_new_act(&sale), some_hold(), &[0, 5]).await;
    // Read as they lie on disk, 5 would come before 0.
    world.database.execute("UPDATE units SET gen = gen WHERE unit_no = 0").await.unwrap();
    for scan in ["enable_indexscan", "enable_bitmapscan"] {
        world.database.execute(&format!("ALTER FUNCTION units_move SET {scan} = off")).await.unwrap();
    }
    let other = connect(&world.database.url).await;
    other.batch_execute("BEGIN; SELECT FROM units WHERE unit_no = 5 FOR UPDATE").await.unwrap();
    let act = a_new_act(&sale);
    let release = world.releases(&act, ReleaseWish::Units(units(&[5, 0])));
    let look = async {
        within_30_s(async || world.number(WAITING).await > 0).await;
        let unlocked = other.query("SELECT FROM units WHERE unit_no = 0 FOR UPDATE SKIP LOCKED", &[]).await.unwrap();
        other.batch_execute("COMMIT").await.unwrap();
        unlocked.len()
    };
    let (released, unlocked) = tokio::join!(release, look);
    assert!(matches!(released, Release::Released(_)), "{released:?}");
    assert_eq!(unlocked, 0, "it was locked before the one that was waited for");
    world.audits_clean().await;
}

#[tokio::test]
async fn to_move_no_unit_is_no_transfer() {
    let world = World::new().await;
    let sale = world.sale(6, Price::Paid).await;
    let transfers = world.number("SELECT count(*) FROM transfers").await;
    let none = "'ga', '{}', 'free', 'withheld', 'seats_withheld', 'withheld:none'";
    world.database.execute(&format!("SELECT units_move('{}', {none})", sale.id.uuid())).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM transfers").await, transfers);
}

/// No act of organizers.
async fn ordered_and_cancelled(world: Arc<World>, order: NewOrder) -> bool {
    if let CreateOrder::Created(order) = order_create(&world.gateway, &order).await.expect("an outcome") {
        order_cancel(&world.gateway, order.sale, order.id).await.expect("an outcome");
    }
    false
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
