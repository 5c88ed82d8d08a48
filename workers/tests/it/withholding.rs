//! Units taken off sale by somebody who was gone before it was done, and units put on sale again.

use std::num::NonZeroU32;

use admission::{HoldView, RequestId, Withhold, WithholdWish};
use domain::HoldId;
use domain::hold::HoldState;
use domain::sale::CaptureMode::Manual;
use ledger::sales::{SaleName, sale_fetch};
use ledger::withholdings::{Release, ReleaseWish, StockAct, units_release, units_withhold};
use uuid::Uuid;

use crate::eventually::eventually;
use crate::world::{Post, Sale, World};

impl World {
    async fn act(&self, sale: &Sale) -> StockAct {
        let organizer = sale_fetch(&self.gateway, SaleName::Id(sale.id))
            .await
            .expect("Postgres answers")
            .expect("the sale")
            .organizer;
        let request = RequestId::of(&[Uuid::now_v7().as_bytes()]).0;
        StockAct { organizer, sale: sale.id, tier: sale.tier.clone(), request, by: "key_1".to_owned() }
    }

    /// The first step of withholding: in Redis the units are nobody's.
    async fn takes_off_sale(&self, sale: &Sale, act: &StockAct, units: u32) -> HoldView {
        let (hold, wish) =
            (HoldId::from_uuid(Uuid::now_v7()), WithholdWish::Last(NonZeroU32::new(units).expect("some units")));
        let request = RequestId(act.request);
        match self.holds.withhold(sale.id, hold, request, &sale.tier, &wish).await.expect("Redis answers") {
            Withhold::Taken { hold, .. } => hold,
            refused => panic!("{refused:?}"),
        }
    }

    /// The second one: Postgres keeps them back. Redis is not told.
    async fn keeps_back(&self, act: &StockAct, hold: &HoldView) {
        let units: Vec<_> = hold.units.iter().map(|held| held.unit).collect();
        let kept = units_withhold(&self.gateway, act, hold.id, 1, &units).await.expect("Postgres answers");
        assert!(matches!(kept, ledger::withholdings::Withhold::Withheld { .. }), "{kept:?}");
    }

    async fn state_of(&self, sale: &Sale, hold: HoldId) -> HoldState {
        self.holds.look(sale.id, hold).await.expect("Redis answers").expect("it is remembered").state
    }

    async fn withheld(&self) -> i64 {
        self.count("SELECT count(*) FROM units WHERE state = 'withheld'").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_withheld_is_told_to_redis_by_the_sweep() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let act = world.act(&sale).await;
    let hold = world.takes_off_sale(&sale, &act, 3).await;
    world.keeps_back(&act, &hold).await;
    eventually("the hold is committed", async || world.state_of(&sale, hold.id).await == HoldState::Committed).await;
    assert_eq!((world.stock(&sale).await, world.withheld().await), ((2, 0), 3));

    let released = units_release(&world.gateway, &act_again(&act), &ReleaseWish::Quantity(2)).await.unwrap();
    assert!(matches!(&released, Release::Released(units) if units.len() == 2), "{released:?}");
    eventually("the units are on sale again", async || world.stock(&sale).await == (4, 0)).await;
    assert_eq!(world.withheld().await, 1);
    world.audit().await;
    workers.stop().await;
}

fn act_again(act: &StockAct) -> StockAct {
    StockAct { request: RequestId::of(&[&act.request]).0, ..act.clone() }
}

/// A gateway that stood still between the two steps: the sweep's tombstone is first, and its act comes too late.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_decided_about_comes_back_and_is_withheld_no_more() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let act = world.act(&sale).await;
    let hold = world.takes_off_sale(&sale, &act, 3).await;
    assert_eq!(world.stock(&sale).await, (2, 3));
    let offset = admission::keys::SaleKeys::new(sale.id).clock_offset();
    world.redis.set_clock_offset(&offset, 31_000).await.expect("Redis answers");
    eventually("the units are on sale again", async || world.stock(&sale).await == (5, 0)).await;
    assert_eq!(world.state_of(&sale, hold.id).await, HoldState::Released);
    let units: Vec<_> = hold.units.iter().map(|held| held.unit).collect();
    let late = units_withhold(&world.gateway, &act, hold.id, 1, &units).await.unwrap();
    assert_eq!(late, ledger::withholdings::Withhold::Tombstoned);
    assert_eq!(world.withheld().await, 0);
    world.audit().await;
    workers.stop().await;
}

/// Redis is lost before it was told, or with a hold that nobody decided about: it begins again with what Postgres has.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_lost_on_the_way_begins_again_with_what_postgres_has() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(9, Manual).await;
    let (done, undone) = (world.act(&sale).await, world.act(&sale).await);
    let hold = world.takes_off_sale(&sale, &done, 3).await;
    let other = world.takes_off_sale(&sale, &undone, 2).await;
    world.keeps_back(&done, &hold).await;
    world.redis.flush().await.expect("Redis answers");
    eventually("it is rebuilt", async || world.epoch(&sale).await == Some(2)).await;
    assert_eq!((world.stock(&sale).await, world.withheld().await), ((6, 0), 3));
    let units: Vec<_> = other.units.iter().map(|held| held.unit).collect();
    let late = units_withhold(&world.gateway, &undone, other.id, 1, &units).await.unwrap();
    assert_eq!(late, ledger::withholdings::Withhold::EpochStale);
    assert_eq!(world.stock(&sale).await, (6, 0));
    world.audit().await;
    workers.stop().await;
}
