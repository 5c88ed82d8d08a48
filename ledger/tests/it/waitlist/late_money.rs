//! Late money takes units again only where Redis was told of none of them.

use std::num::NonZeroU32;

use domain::payment::IntentStatus;
use domain::{UnitNo, price};
use ledger::orders::{CreateOrder, NewOrder, orders_expire_due};
use ledger::payments::Applied;
use serde_json::json;

use super::{GATHERED_MS, LAPSED_MS, Line, ga};
use crate::world::{TestSale, World};

/// One unit of each of two tiers.
fn one_of_each(sale: &TestSale<'_>) -> NewOrder {
    let lines: Vec<_> = sale
        .config
        .tiers
        .iter()
        .flat_map(|tier| price::lines_of(&sale.config, tier, NonZeroU32::MIN).expect("a price"))
        .collect();
    NewOrder {
        units: vec![(ga(), UnitNo(0)), ("vip".parse().expect("a tier"), UnitNo(0))],
        total: price::total(&sale.config, &lines).expect("a total"),
        lines,
        ..sale.order([0])
    }
}

#[tokio::test]
async fn an_order_whose_units_went_two_ways_is_not_taken_again() {
    let world = World::new().await;
    let tier = |id: &str| json!({ "id": id, "name": id, "price": 4500, "capacity": 1 });
    let sale = world.sale_with(json!({ "tiers": [tier("ga"), tier("vip")] })).await;
    let line = Line { world: &world, sale: &sale };
    let CreateOrder::Created(order) = sale.creates(&one_of_each(&sale)).await else { panic!("an order") };
    let paying = sale.being_paid(order).await;
    let [waiter] = line.wait_for([2]).await;
    line.passes(GATHERED_MS + LAPSED_MS).await;
    assert_eq!(orders_expire_due(&world.workers, 10).await.unwrap().len(), 1);
    assert_eq!((line.counts().await.free, line.counts().await.offered), (0, 1), "kept: the waiter wants two");
    line.leaves(waiter).await;
    assert_eq!(line.counts().await.free, 1, "and a job says so to Redis");
    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(line.on_sale_again().await, [0, 0], "both go on sale, and neither is anybody's");
    assert_eq!(line.counts().await.free, 1);
    world.audits_clean().await;
}
