//! Numbers, grants and epochs: what outlives Redis.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{PlaceNumber, SaleId, UnitNo};
use jiff::Timestamp;
use ledger::epochs::{EpochBegin, epoch_begin};
use ledger::orders::CreateOrder;
use ledger::queue::{Grant, grants_insert, numbers_reserve};
use tokio::task::JoinSet;

use crate::world::{Price, World, connect};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_reserved_in_blocks_that_never_overlap() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(1, Price::Paid).await.id;
    assert_eq!(numbers_reserve(&world.gateway, sale, 1, 100).await.unwrap(), 100);
    assert_eq!(numbers_reserve(&world.gateway, sale, 100, 100).await.unwrap(), 100, "covered already");
    assert_eq!(numbers_reserve(&world.gateway, sale, 101, 100).await.unwrap(), 200);

    let mut gateways = JoinSet::new();
    for _ in 0..10 {
        let world = Arc::clone(&world);
        gateways.spawn(async move { numbers_reserve(&world.gateway, sale, 0, 100).await.unwrap() });
    }
    let tops: BTreeSet<u64> = gateways.join_all().await.into_iter().collect();
    assert_eq!(tops, (1..=10).map(|block| 200 + block * 100).collect());
    let holes = "SELECT count(*) FROM (SELECT first_number - lag(last_number) OVER (ORDER BY last_number) AS step
                                          FROM number_blocks) AS steps WHERE step <> 1";
    assert_eq!(world.number(holes).await, 0);
}

fn grants(numbers: impl IntoIterator<Item = u64>, at: &str) -> Vec<Grant> {
    let granted_at: Timestamp = at.parse().expect("a time");
    numbers.into_iter().map(|number| Grant { number: PlaceNumber(number), granted_at }).collect()
}

fn begun(begin: EpochBegin) -> ledger::epochs::EpochSnapshot {
    match begin {
        EpochBegin::Begun(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_epoch_starts_from_what_is_there() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    sale.has_order([1, 2]).await;
    numbers_reserve(&world.gateway, sale.id, 1, 100).await.unwrap();
    let soon = Timestamp::from_second(world.number("SELECT extract(epoch FROM now())::bigint").await).unwrap();
    let (live, over) = (grants([1, 2], &soon.to_string()), grants([3], "2026-01-01T00:00:00Z"));
    assert_eq!(grants_insert(&world.gateway, sale.id, 1, &live, 900).await.unwrap(), 2);
    assert_eq!(grants_insert(&world.gateway, sale.id, 1, &live, 900).await.unwrap(), 2, "the same tick again");
    assert_eq!(grants_insert(&world.gateway, sale.id, 1, &over, 900).await.unwrap(), 1);

    let snapshot = begun(epoch_begin(&world.workers, sale.id, Some(1)).await.unwrap());
    assert_eq!((snapshot.epoch, snapshot.reserved_number), (2, 100));
    assert_eq!(snapshot.grants.iter().map(|grant| grant.number.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((snapshot.tiers[0].capacity, &*snapshot.tiers[0].free), (4, &[UnitNo(0), UnitNo(3)][..]));

    assert_eq!(epoch_begin(&world.workers, sale.id, Some(1)).await.unwrap(), EpochBegin::Busy, "somebody was first");
    let unknown = SaleId::from_uuid(uuid::Uuid::now_v7());
    assert_eq!(epoch_begin(&world.workers, unknown, None).await.unwrap(), EpochBegin::NotFound);
    assert_eq!(grants_insert(&world.gateway, sale.id, 1, &grants([9], "2026-11-21T12:00:00Z"), 900).await.unwrap(), 0);
    assert_eq!(sale.creates(&sale.order([0])).await, CreateOrder::EpochStale);
}

/// The window between the bump and the snapshot is closed by the gate: while a change is under way no epoch begins.
#[tokio::test]
async fn an_epoch_waits_for_what_is_under_way() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let change = connect(&world.database.url).await;
    change.batch_execute("BEGIN").await.unwrap();
    change.execute("SELECT gate_enter($1)", &[&sale.id.uuid()]).await.unwrap();
    change.execute("SELECT gate_enter($1)", &[&sale.id.uuid()]).await.unwrap();
    assert_eq!(epoch_begin(&world.workers, sale.id, None).await.unwrap(), EpochBegin::Busy);
    change.batch_execute("COMMIT").await.unwrap();
    assert_eq!(begun(epoch_begin(&world.workers, sale.id, None).await.unwrap()).epoch, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_begin_an_epoch_one_does() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await.id;
    let (a, b) = tokio::join!(epoch_begin(&world.workers, sale, Some(1)), epoch_begin(&world.workers, sale, Some(1)));
    let outcomes = [a.unwrap(), b.unwrap()];
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, EpochBegin::Begun(_))).count(), 1, "{outcomes:?}");
    assert!(outcomes.contains(&EpochBegin::Busy));
}
