//! Views that follow one another, beside views that read everybody: whatever moves somebody inside, both say the same.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use domain::token::{Allowance, Holder};
use domain::{HoldId, SaleId, UnitNo};
use fred::clients::Client;
use fred::interfaces::{ClientLike as _, KeysInterface as _};
use fred::types::Builder;
use fred::types::config::Config;
use uuid::Uuid;

use super::*;
use crate::keys::SaleKeys;
use crate::scripts;
use crate::{
    Freeze, GrantRow, HoldView, Holds, JoinAsk, Loader, Pace, PaceState, Pause, Pulse, Queue, Reclaim, ReclaimHold,
    RequestId, Snapshot, Store, StoreConfig, Take, TakeHold, TierSnapshot, UnitsWish,
};

const VISITORS: u64 = 12;
const PACE: Pace = Pace {
    rate_per_s: 1_000,
    burst: 1_000,
    max_shoppers: 8,
    session_s: 60,
    claim_window_s: 12,
    overbook: 100,
    budget_shoppers: u32::MAX,
    cohorts: 0,
    state: PaceState::Admitting,
};

/// A sale, and the last of the views of it that follow one another.
struct Followed {
    queue: Queue,
    holds: Holds,
    loader: Loader,
    raw: Client,
    sale: SaleId,
    now_ms: i64,
    last: Option<View>,
}

impl Followed {
    async fn begins() -> Self {
        let url = sandbox::shared().await.unwrap().redis.url();
        let store = Store::connect(&url, StoreConfig::default()).await.unwrap();
        let raw = Builder::from_config(Config::from_url(&url).unwrap()).build().unwrap();
        raw.init().await.unwrap();
        let (queue, holds, loader) = (Queue::new(store.clone()), Holds::new(store.clone()), Loader::new(store));
        let (sale, now_ms) = (SaleId::from_uuid(Uuid::now_v7()), 1_800_000_000_000);
        let mut followed = Self { queue, holds, loader, raw, sale, now_ms, last: None };
        followed.passes_s(0).await;
        followed.loads(1, &[]).await;
        followed
    }

    async fn loads(&self, epoch: u32, inside: &[u64]) {
        let free = (0..10).map(UnitNo).collect();
        let tier = TierSnapshot { tier: "ga".parse().unwrap(), capacity: 10, withheld: 0, free, rows: Vec::new() };
        let until = Timestamp::from_millisecond(self.now_ms + 30_000).unwrap();
        let grants = inside.iter().map(|number| GrantRow { number: PlaceNumber(*number), until }).collect();
        let snapshot = Snapshot {
            sale: self.sale,
            epoch,
            reserved_number: if epoch == 1 { 0 } else { VISITORS },
            grants,
            left: Vec::new(),
            cohorts: 0,
            tiers: vec![tier],
            reclaim_window_s: 0,
            receipts_from: 1,
        };
        self.loader.load(&snapshot).await.unwrap();
        self.queue.raise_reserved(self.sale, VISITORS).await.unwrap();
    }

    async fn everybody_joins(&self) {
        let ask = |number| JoinAsk { holder: holder(number), proven: None, allowance: Allowance::Usual };
        let asks: Vec<_> = (1..=VISITORS).map(ask).collect();
        self.queue.join_many(self.sale, &asks, 0).await.unwrap();
    }

    async fn passes_s(&mut self, seconds: i64) {
        self.now_ms += seconds * 1_000;
        let clock = format!("@{}", self.now_ms);
        let _: () = self.raw.set(SaleKeys::new(self.sale).clock_offset(), clock, None, None, false).await.unwrap();
    }

    /// Everybody is heard, and gateways tick as they do.
    async fn ticks(&self) {
        let everybody: Vec<_> = (1..=VISITORS).map(PlaceNumber).collect();
        self.queue.heard(self.sale, &everybody).await.unwrap();
        let admission = self.queue.admit(self.sale, &PACE, &Pulse::calm(Uuid::nil())).await.unwrap();
        self.queue.confirm(self.sale, &admission, &PACE).await.unwrap();
    }

    async fn ticks_for_s(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.passes_s(1).await;
            self.ticks().await;
        }
    }

    /// The next view adds up, says what one says that reads everybody, and the one after it has nothing to read.
    async fn is_followed(&mut self, at: &str) {
        let next = self.queue.view_following(self.sale, self.last.as_ref()).await.unwrap().expect(at);
        let whole = self.queue.view(self.sale).await.unwrap();
        let places = |view: &View| (0..=VISITORS + 1).map(|number| view.place(PlaceNumber(number))).collect::<Vec<_>>();
        assert_eq!(places(&next), places(&whole), "{at}");
        let idle = self.queue.view_following(self.sale, Some(&next)).await.unwrap().expect(at);
        assert!(Arc::ptr_eq(&idle.inside.turns, &next.inside.turns), "{at}: nobody moved since");
        self.last = Some(idle);
    }

    /// Whether the next view reads only what moved.
    async fn may_be_followed(&self) -> bool {
        let (keys, arguments) = (SaleKeys::new(self.sale), View::arguments(self.last.as_ref()));
        let mut reply = self.queue.store.run(&scripts::QUEUE_VIEW, &keys, arguments).await.unwrap();
        Values::read(&mut reply).unwrap().moves().unwrap().moved.is_some()
    }

    async fn takes(&self, number: u64) -> HoldView {
        let hold = HoldId::from_uuid(Uuid::now_v7());
        let wish = TakeHold {
            hold,
            request: RequestId::of(&[hold.uuid().as_bytes()]),
            fingerprint: [7; 32],
            number: PlaceNumber(number),
            items: BTreeMap::from([("ga".parse().unwrap(), UnitsWish::Any(NonZeroU32::MIN))]),
            allowed: BTreeMap::new(),
            ttl_s: 50,
            per_buyer_limit: 1,
            session_s: PACE.session_s,
        };
        match self.holds.take(self.sale, &wish).await.unwrap() {
            Take::Taken(hold) => hold,
            refused => panic!("{refused:?}"),
        }
    }
}

fn holder(number: u64) -> Holder {
    Holder::of_secret(&number.to_be_bytes())
}

#[tokio::test]
async fn whatever_moves_somebody_inside_a_view_that_follows_says_it() {
    let mut sale = Followed::begins().await;
    sale.is_followed("nobody is here").await;
    sale.everybody_joins().await;
    sale.ticks_for_s(1).await;
    assert_eq!(sale.queue.view(sale.sale).await.unwrap().shoppers(), PACE.max_shoppers);
    assert!(sale.may_be_followed().await);
    sale.is_followed("turns began").await;
    let hold = sale.takes(1).await;
    sale.is_followed("a first hold").await;
    sale.queue.end_session(sale.sale, PlaceNumber(2)).await.unwrap();
    sale.is_followed("a turn was ended").await;
    sale.queue.leave(sale.sale, PlaceNumber(3), holder(3)).await.unwrap();
    sale.is_followed("a turn was given up").await;
    sale.takes(4).await;
    sale.queue.leave(sale.sale, PlaceNumber(4), holder(4)).await.unwrap();
    sale.is_followed("a session was given up").await;
    sale.ticks_for_s(13).await;
    sale.is_followed("turns lapsed, and others began").await;
    sale.ticks_for_s(30).await;
    sale.is_followed("and again").await;
    let until = sale.last.as_ref().unwrap().place(hold.number);
    let Freeze::Frozen(_) = sale.holds.freeze(sale.sale, hold.id, hold.number).await.unwrap() else { panic!() };
    assert!(sale.may_be_followed().await);
    sale.is_followed("an order is tried").await;
    assert_ne!(sale.last.as_ref().unwrap().place(hold.number), until, "late, so the session lasts longer");
    sale.ticks_for_s(60).await;
    assert_eq!(sale.queue.view(sale.sale).await.unwrap().place(hold.number), PlaceView::Expired);
    sale.is_followed("sessions ended").await;
}

#[tokio::test]
async fn what_cannot_be_followed_is_read_whole() {
    let mut sale = Followed::begins().await;
    sale.everybody_joins().await;
    assert!(!sale.may_be_followed().await, "there is nothing to follow");
    sale.ticks_for_s(1).await;
    sale.is_followed("turns began").await;
    let hold = sale.takes(1).await;

    sale.loader.set_paused(sale.sale, Pause::Paused, 2).await.unwrap();
    sale.ticks_for_s(3).await;
    sale.loader.set_paused(sale.sale, Pause::Running, 3).await.unwrap();
    assert!(!sale.may_be_followed().await, "a pause moved everybody");
    sale.is_followed("a pause is over").await;

    let key = SaleKeys::new(sale.sale).epoch();
    let _: () = sale.raw.del(key).await.unwrap();
    sale.loads(2, &[1, 5]).await;
    assert!(!sale.may_be_followed().await, "another epoch");
    sale.is_followed("Redis was lost").await;
    let receipt = ReclaimHold {
        hold: hold.id,
        number: hold.number,
        expires_at: hold.expires_at,
        units: hold.units.clone(),
        receipt_epoch: 1,
        epoch: 2,
    };
    let Reclaim::Reclaimed(_) = sale.holds.reclaim(sale.sale, &receipt).await.unwrap() else { panic!() };
    assert!(sale.may_be_followed().await);
    sale.is_followed("a hold of before came back").await;
}
