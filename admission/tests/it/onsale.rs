//! A sale under test, its visitors, and its clock.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use admission::keys::SaleKeys;
use admission::{
    Admission, AdmissionError, Grant, HoldView, Holds, JOIN_BATCH_MAX, Join, JoinAsk, Loader, Pace, PaceState,
    PlaceView, Pulse, Queue, ReclaimHold, RequestId, Snapshot, Store, StoreConfig, Take, TakeHold, TierSnapshot,
    TierStock, UnitsWish, View,
};
use domain::token::{Allowance, Holder};
use domain::{HoldId, PlaceNumber, SaleId, TierId, UnitNo};
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::{Config, ReconnectPolicy};
use fred::types::{Builder, CustomCommand, Value};
use sandbox::Redis;
use uuid::Uuid;

/// So fast that pace plays no part, nor do units.
pub(crate) const OPEN: Pace = Pace {
    rate_per_s: 10_000,
    burst: 10_000,
    max_shoppers: 100_000,
    session_s: 600,
    claim_window_s: 120,
    overbook: 1_000_000,
    budget_shoppers: u32::MAX,
    cohorts: 0,
    state: PaceState::Admitting,
};

/// Where the clocks of tests begin: the beginning of a slot.
const BEGIN_MS: i64 = 1_800_000_000_000;

/// A gateway with nothing to report.
pub(crate) const CALM: Pulse = Pulse::calm(Uuid::from_u128(1));

/// How long a call may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const LIMIT: u32 = 10;
pub(crate) const TTL_S: u32 = 60;

/// A loaded sale with numbers to hand out.
pub(crate) struct Onsale {
    pub(crate) id: SaleId,
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) holds: Holds,
    pub(crate) loader: Loader,
    raw: Client,
    now_ms: AtomicI64,
    offset_ms: AtomicI64,
    holders: AtomicU64,
}

impl Onsale {
    /// A sale of tiers with so many units each, all free. Its clock stands, so that the test alone decides what is when.
    pub(crate) async fn of(tiers: &[(&str, u32)]) -> Self {
        let sale = Self::unloaded().await;
        sale.loads(tiers).await;
        sale.queue.raise_reserved(sale.id, 1_000_000).await.unwrap();
        sale
    }

    /// The same with tiers of any kind, for tests whose many calls meet a slow one some time.
    pub(crate) async fn of_tiers(tiers: Vec<TierSnapshot>) -> Self {
        let redis = &sandbox::shared().await.unwrap().redis;
        let patient = StoreConfig { command_timeout: PATIENCE, ..StoreConfig::default() };
        let sale = Self::connected(&redis.url(), &redis.url(), patient).await;
        sale.gap_ms(BEGIN_MS).await;
        sale.loader.load(&Snapshot { tiers, ..sale.snapshot(1, &[]) }).await.unwrap();
        sale.queue.raise_reserved(sale.id, 1_000_000).await.unwrap();
        sale
    }

    /// Another sale on the same connections.
    pub(crate) fn another(&self) -> Self {
        Self {
            id: SaleId::from_uuid(Uuid::now_v7()),
            queue: self.queue.clone(),
            holds: self.holds.clone(),
            loader: self.loader.clone(),
            store: self.store.clone(),
            raw: self.raw.clone(),
            now_ms: AtomicI64::new(0),
            offset_ms: AtomicI64::new(0),
            holders: AtomicU64::new(0),
        }
    }

    /// Loads the sale, all units free; its clock stands from here on.
    pub(crate) async fn loads(&self, tiers: &[(&str, u32)]) {
        self.gap_ms(BEGIN_MS).await;
        self.loader.load(&self.snapshot(1, tiers)).await.unwrap();
    }

    pub(crate) async fn unloaded() -> Self {
        let redis = &sandbox::shared().await.unwrap().redis;
        Self::on(redis, &redis.url()).await
    }

    /// A sale on a Redis that is reached by that address.
    pub(crate) async fn on(redis: &'static Redis, url: &str) -> Self {
        Self::connected(&redis.url(), url, StoreConfig::default()).await
    }

    /// A sale on servers of any kind.
    pub(crate) async fn at(url: &str) -> Self {
        Self::connected(url, url, StoreConfig::default()).await
    }

    /// A sale whose commands go to `raw` directly.
    async fn connected(raw: &str, url: &str, config: StoreConfig) -> Self {
        let store = Store::connect(url, config).await.unwrap();
        let mut raw = Builder::from_config(Config::from_url(raw).unwrap());
        raw.set_policy(ReconnectPolicy::new_constant(0, 100));
        raw.with_performance_config(|performance| performance.default_command_timeout = PATIENCE);
        let raw = raw.build().unwrap();
        raw.init().await.unwrap();
        Self {
            id: SaleId::from_uuid(Uuid::now_v7()),
            queue: Queue::new(store.clone()),
            holds: Holds::new(store.clone()),
            loader: Loader::new(store.clone()),
            store,
            raw,
            now_ms: AtomicI64::new(0),
            offset_ms: AtomicI64::new(0),
            holders: AtomicU64::new(0),
        }
    }

    pub(crate) fn snapshot(&self, epoch: u32, tiers: &[(&str, u32)]) -> Snapshot {
        let tiers = tiers.iter().map(|(name, capacity)| floor(name, *capacity));
        Snapshot {
            sale: self.id,
            epoch,
            reserved_number: 0,
            grants: Vec::new(),
            left: Vec::new(),
            cohorts: 0,
            tiers: tiers.collect(),
            reclaim_window_s: 0,
            receipts_from: epoch.saturating_sub(1).max(1),
        }
    }

    /// What the clock of this sale shows while it stands.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Lets the clock run by itself, as it does outside of tests.
    pub(crate) async fn runs_clock(&self) {
        self.now_ms.store(0, Ordering::Relaxed);
        self.sets_clock("0").await;
    }

    /// Moves the clock of this sale's scripts, as if somebody had ticked meanwhile and nothing had come of it.
    pub(crate) async fn advance_ms(&self, ms: i64) {
        if self.now_ms() == 0 {
            let offset = self.offset_ms.fetch_add(ms, Ordering::Relaxed) + ms;
            return self.sets_clock(&offset.to_string()).await;
        }
        self.gap_ms(ms).await;
        let (pace, now) = (SaleKeys::new(self.id).pace(), self.now_ms().to_string());
        self.command(&["HSET", &pace, "ticked_ms", &now]).await;
    }

    /// Moves the clock, and nobody ticked meanwhile.
    pub(crate) async fn gap_ms(&self, ms: i64) {
        let now = self.now_ms.fetch_add(ms, Ordering::Relaxed) + ms;
        self.sets_clock(&format!("@{now}")).await;
    }

    async fn sets_clock(&self, clock: &str) {
        let key = SaleKeys::new(self.id).clock_offset();
        let _: () = self.raw.set(key, clock, None, None, false).await.unwrap();
    }

    pub(crate) async fn advance_s(&self, seconds: u32) {
        self.advance_ms(i64::from(seconds) * 1_000).await;
    }

    /// Redis forgets all of this sale but its clock.
    pub(crate) async fn loses_redis(&self) {
        let mut keys = self.keys().await;
        keys.retain(|key| *key != SaleKeys::new(self.id).clock_offset());
        let _: () = self.raw.del(keys).await.unwrap();
    }

    /// Every key of this sale.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let everything = format!("onsale:{{{}}}:*", self.id);
        self.command(&["KEYS", &everything]).await.convert().unwrap()
    }

    /// Takes the time of grace away, so that a test can show what it is for.
    pub(crate) async fn forgets_grace(&self) {
        let pace = SaleKeys::new(self.id).pace();
        self.command(&["HSET", &pace, "greeted", "99", "quiet_ms", "0"]).await;
    }

    /// A command that only a test needs.
    pub(crate) async fn command(&self, words: &[&str]) -> Value {
        let command = CustomCommand::new(words[0].to_owned(), None::<u16>, false);
        self.raw.custom(command, words[1..].iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).await.unwrap()
    }

    /// Time in which a gateway ticks every so often, confirms, and hears everyone of `present`.
    pub(crate) async fn passes(&self, ms: i64, every_ms: i64, pace: &Pace, present: &[PlaceNumber]) -> Vec<Admission> {
        let mut ticks = Vec::new();
        for _ in 0..ms / every_ms {
            self.advance_ms(every_ms).await;
            self.hears(present).await;
            let tick = self.tick(pace).await;
            self.queue.confirm(self.id, &tick, pace).await.unwrap();
            ticks.push(tick);
        }
        ticks
    }

    /// Somebody who was not here yet.
    pub(crate) fn somebody(&self) -> Holder {
        let secret = self.holders.fetch_add(1, Ordering::Relaxed);
        Holder::of_secret(&secret.to_be_bytes())
    }

    pub(crate) async fn asks(&self, ask: JoinAsk) -> Join {
        join(&self.queue, self.id, ask).await.unwrap()
    }

    pub(crate) async fn joins(&self, holder: Holder) -> PlaceNumber {
        number_of(&self.asks(ask(holder)).await)
    }

    /// So many visitors at once, in one batch each 256.
    pub(crate) async fn joins_in_batches(&self, visitors: usize) -> Vec<PlaceNumber> {
        let asks: Vec<_> = (0..visitors).map(|_| ask(self.somebody())).collect();
        let mut numbers = Vec::with_capacity(visitors);
        for batch in asks.chunks(JOIN_BATCH_MAX) {
            numbers.extend(self.queue.join_many(self.id, batch, 0).await.unwrap().iter().map(number_of));
        }
        numbers
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

    /// One tick and all it says.
    pub(crate) async fn tick(&self, pace: &Pace) -> Admission {
        self.queue.admit(self.id, pace, &CALM).await.unwrap()
    }

    /// One tick without confirming: the grants that wait to be.
    pub(crate) async fn ticks(&self, pace: &Pace) -> Vec<Grant> {
        self.tick(pace).await.unconfirmed
    }

    /// One tick, confirmed as a gateway does: the numbers whose turn began.
    pub(crate) async fn admits(&self, pace: &Pace) -> Vec<PlaceNumber> {
        let admission = self.tick(pace).await;
        self.queue.confirm(self.id, &admission, pace).await.unwrap();
        admission.unconfirmed.iter().map(|grant| grant.number).collect()
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

/// One ask, as a batch of its own.
pub(crate) async fn join(queue: &Queue, sale: SaleId, ask: JoinAsk) -> Result<Join, AdmissionError> {
    Ok(queue.join_many(sale, &[ask], 0).await?[0])
}

/// The same for a holder whose place token proves a number.
pub(crate) fn ask_again(holder: Holder, proven: PlaceNumber) -> JoinAsk {
    JoinAsk { proven: Some(proven), ..ask(holder) }
}

/// A wish for a place, of somebody without a place token.
pub(crate) fn ask(holder: Holder) -> JoinAsk {
    JoinAsk { holder, proven: None, allowance: Allowance::Usual }
}

pub(crate) fn number_of(join: &Join) -> PlaceNumber {
    match join {
        Join::New { number, .. } | Join::Existing { number, .. } => *number,
        refused => panic!("a sale under test has numbers to hand out: {refused:?}"),
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

/// A tier of general admission, all free.
pub(crate) fn floor(name: &str, capacity: u32) -> TierSnapshot {
    let free = (0..capacity).map(UnitNo).collect();
    TierSnapshot { tier: tier(name), capacity, withheld: 0, free, rows: Vec::new() }
}

/// A tier of rows with so many seats each, all free.
pub(crate) fn stalls(name: &str, rows: &[u32]) -> TierSnapshot {
    TierSnapshot { rows: rows.to_vec(), ..floor(name, rows.iter().sum()) }
}

pub(crate) fn any(quantity: u32) -> UnitsWish {
    UnitsWish::Any(NonZeroU32::new(quantity).unwrap())
}

pub(crate) fn together(quantity: u32) -> UnitsWish {
    UnitsWish::Together(NonZeroU32::new(quantity).unwrap())
}

pub(crate) fn seats(units: &[u32]) -> UnitsWish {
    UnitsWish::Seats(units.iter().copied().map(UnitNo).collect())
}

/// What a buyer sends who was told of a hold in the epoch before this one.
pub(crate) fn receipt(hold: &HoldView, epoch: u32) -> ReclaimHold {
    ReclaimHold {
        hold: hold.id,
        number: hold.number,
        expires_at: hold.expires_at,
        units: hold.units.clone(),
        receipt_epoch: epoch - 1,
        epoch,
    }
}

/// A wish for so many of each tier.
pub(crate) fn wish(number: PlaceNumber, items: &[(&str, u32)]) -> TakeHold {
    let items: Vec<_> = items.iter().map(|(name, quantity)| (*name, any(*quantity))).collect();
    wish_for(number, &items)
}

pub(crate) fn wish_for(number: PlaceNumber, items: &[(&str, UnitsWish)]) -> TakeHold {
    TakeHold {
        hold: some_hold(),
        request: some_request(),
        fingerprint: [7; 32],
        number,
        items: items.iter().map(|(name, wish)| (tier(name), wish.clone())).collect::<BTreeMap<_, _>>(),
        allowed: BTreeMap::new(),
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
