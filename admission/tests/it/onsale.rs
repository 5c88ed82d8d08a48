//! A sale under test, its visitors, and its clock.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use admission::keys::SaleKeys;
use admission::{
    Grant, HoldView, Holds, Join, Loader, Pace, PaceState, PlaceView, Queue, RequestId, Snapshot, Store, StoreConfig,
    Take, TakeHold, TierSnapshot, TierStock, View,
};
use domain::token::Holder;
use domain::{HoldId, PlaceNumber, SaleId, TierId, UnitNo};
use sandbox::Redis;
use uuid::Uuid;

/// So fast that pace plays no part.
pub(crate) const OPEN: Pace = Pace {
    rate_per_s: 10_000,
    burst: 10_000,
    max_shoppers: 100_000,
    session_s: 600,
    claim_window_s: 120,
    state: PaceState::Admitting,
};

pub(crate) const LIMIT: u32 = 10;
pub(crate) const TTL_S: u32 = 60;

/// A loaded sale with numbers to hand out.
pub(crate) struct Onsale {
    pub(crate) id: SaleId,
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) holds: Holds,
    pub(crate) loader: Loader,
    redis: &'static Redis,
    clock_offset_ms: AtomicI64,
    holders: AtomicU64,
}

impl Onsale {
    /// A sale of tiers with so many units each, all free.
    pub(crate) async fn of(tiers: &[(&str, u32)]) -> Self {
        let sale = Self::unloaded().await;
        sale.loader.load(&sale.snapshot(1, tiers)).await.unwrap();
        sale.queue.raise_reserved(sale.id, 1_000_000).await.unwrap();
        sale
    }

    pub(crate) async fn unloaded() -> Self {
        let redis = &sandbox::shared().await.unwrap().redis;
        Self::on(redis, &redis.url()).await
    }

    /// A sale on a Redis that is reached by that address.
    pub(crate) async fn on(redis: &'static Redis, url: &str) -> Self {
        let store = Store::connect(url, StoreConfig::default()).await.unwrap();
        Self {
            id: SaleId::from_uuid(Uuid::now_v7()),
            queue: Queue::new(store.clone()),
            holds: Holds::new(store.clone()),
            loader: Loader::new(store.clone()),
            store,
            redis,
            clock_offset_ms: AtomicI64::new(0),
            holders: AtomicU64::new(0),
        }
    }

    pub(crate) fn snapshot(&self, epoch: u32, tiers: &[(&str, u32)]) -> Snapshot {
        let tiers = tiers.iter().map(|(name, capacity)| TierSnapshot {
            tier: tier(name),
            capacity: *capacity,
            free: (0..*capacity).map(UnitNo).collect(),
        });
        Snapshot { sale: self.id, epoch, reserved_number: 0, grants: Vec::new(), tiers: tiers.collect() }
    }

    /// Moves the clock of this sale's scripts.
    pub(crate) async fn advance_ms(&self, ms: i64) {
        let offset = self.clock_offset_ms.fetch_add(ms, Ordering::Relaxed) + ms;
        self.redis.set_clock_offset(&SaleKeys::new(self.id).clock_offset(), offset).await.unwrap();
    }

    pub(crate) async fn advance_s(&self, seconds: u32) {
        self.advance_ms(i64::from(seconds) * 1_000).await;
    }

    /// Somebody who was not here yet.
    pub(crate) fn somebody(&self) -> Holder {
        let secret = self.holders.fetch_add(1, Ordering::Relaxed);
        Holder::of_secret(&secret.to_be_bytes())
    }

    pub(crate) async fn joins(&self, holder: Holder) -> PlaceNumber {
        match self.queue.join(self.id, holder).await.unwrap() {
            Join::New(number) | Join::Existing(number) => number,
            Join::ReserveNumbers => panic!("a sale under test has numbers to hand out"),
        }
    }

    pub(crate) async fn join_many(&self, visitors: usize) -> Vec<PlaceNumber> {
        let mut numbers = Vec::with_capacity(visitors);
        for _ in 0..visitors {
            numbers.push(self.joins(self.somebody()).await);
        }
        numbers
    }

    pub(crate) async fn hears(&self, numbers: &[PlaceNumber]) {
        self.queue.heard(self.id, numbers).await.unwrap();
    }

    /// One tick without confirming: the grants that wait to be.
    pub(crate) async fn ticks(&self, pace: &Pace) -> Vec<Grant> {
        self.queue.admit(self.id, pace).await.unwrap().unconfirmed
    }

    /// One tick, confirmed as a gateway does: the numbers whose turn began.
    pub(crate) async fn admits(&self, pace: &Pace) -> Vec<PlaceNumber> {
        let granted: Vec<_> = self.ticks(pace).await.iter().map(|grant| grant.number).collect();
        self.queue.confirm(self.id, &granted, pace).await.unwrap();
        granted
    }

    /// So many visitors whose turn it is.
    pub(crate) async fn turns(&self, visitors: usize) -> Vec<PlaceNumber> {
        let numbers = self.join_many(visitors).await;
        self.advance_s(1).await;
        let mut admitted = Vec::new();
        while admitted.len() < visitors {
            let more = self.admits(&OPEN).await;
            assert!(!more.is_empty(), "an open pace admits everyone waiting");
            admitted.extend(more);
        }
        numbers
    }

    pub(crate) async fn view(&self) -> View {
        self.queue.view(self.id).await.unwrap()
    }

    pub(crate) async fn place(&self, number: PlaceNumber) -> PlaceView {
        self.view().await.place(number)
    }

    pub(crate) async fn stock(&self, name: &str) -> TierStock {
        self.view().await.stock[&tier(name)]
    }

    /// Takes so many units of a tier, as a request of its own.
    pub(crate) async fn takes(&self, number: PlaceNumber, name: &str, quantity: u32) -> Take {
        self.holds.take(self.id, &wish(number, &[(name, quantity)])).await.unwrap()
    }

    /// Takes units that are known to be there.
    pub(crate) async fn holds_units(&self, number: PlaceNumber, name: &str, quantity: u32) -> HoldView {
        taken(self.takes(number, name, quantity).await)
    }
}

pub(crate) fn tier(name: &str) -> TierId {
    name.parse().unwrap()
}

pub(crate) fn some_hold() -> HoldId {
    HoldId::from_uuid(Uuid::now_v7())
}

pub(crate) fn some_request() -> RequestId {
    RequestId::of(&[Uuid::now_v7().as_bytes()])
}

pub(crate) fn wish(number: PlaceNumber, items: &[(&str, u32)]) -> TakeHold {
    TakeHold {
        hold: some_hold(),
        request: some_request(),
        fingerprint: [7; 32],
        number,
        items: items.iter().map(|(name, quantity)| (tier(name), NonZeroU32::new(*quantity).unwrap())).collect(),
        ttl_s: TTL_S,
        per_buyer_limit: LIMIT,
        session_s: OPEN.session_s,
    }
}

pub(crate) fn taken(take: Take) -> HoldView {
    match take {
        Take::Taken(hold) => hold,
        refused => panic!("units were there to take: {refused:?}"),
    }
}

pub(crate) fn unit_numbers(hold: &HoldView) -> Vec<u32> {
    hold.units.iter().map(|held| held.unit.0).collect()
}
