//! What finding seats costs Redis: its own time for one `hold_take` among 50,000 seats.
//!
//! A private Redis and the script that production runs; the time is what Redis itself counts for the call, so neither the
//! network nor this process is in it. Halls are as bad as they get: every row broken up but the last one, and rows as long as
//! they may be, so that nothing is found before everything was looked at. The last figures are of a rush: holds that are taken
//! in one call, as gateways do when many come at once.

#[path = "support/raw.rs"]
mod raw;
#[path = "support/timing.rs"]
mod timing;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use admission::{
    Holds, JoinAsk, Loader, Pace, PaceState, Pulse, Queue, RequestId, Snapshot, Store, StoreConfig, TAKE_BATCH_MAX,
    Take, TakeHold, TierSnapshot, UnitsWish,
};
use domain::sale::ROW_SEATS_MAX;
use domain::token::{Allowance, Holder};
use domain::{HoldId, PlaceNumber, SaleId, UnitNo};
use raw::Raw;
use sandbox::figures::{Figure, Table, Target};
use sandbox::{Persistence, Redis, RedisOptions};
use timing::Times;
use uuid::Uuid;

const SEATS: u32 = 50_000;
/// Calls that are timed one by one.
const TIMED: usize = 1_000;
/// What a hold of seats together may cost Redis, in the median: 5,000 of them a second. The median, because Redis counts by the
/// clock on the wall: what else the machine does is in the slow calls.
const TOGETHER_MAX_US: f64 = 200.0;
const FOREVER_S: u32 = 1_000_000;

const PACE: Pace = Pace {
    rate_per_s: 100,
    burst: 100,
    max_shoppers: 100,
    session_s: FOREVER_S,
    claim_window_s: FOREVER_S,
    overbook: 100,
    budget_shoppers: u32::MAX,
    cohorts: 0,
    state: PaceState::Admitting,
};

#[tokio::main]
async fn main() {
    let redis = Redis::start(RedisOptions { persistence: Persistence::None }).await.expect("Redis is installed");
    let any = |quantity| UnitsWish::Any(NonZeroU32::new(quantity).expect("some"));
    let together = |quantity| UnitsWish::Together(NonZeroU32::new(quantity).expect("some"));
    let named: Vec<_> = [0, SEATS / 2, SEATS - 2, SEATS - 1].into_iter().map(UnitNo).collect();
    let table =
        Table::new(&format!("Redis' own time for a hold among {SEATS} units, {TIMED} calls: median, p99, most"));
    let mut worst = Duration::ZERO;
    let floor = Hall::of(&redis, Vec::new(), Free::All).await;
    floor.prints(&table, "general admission, 4", &any(4)).await;
    let alone = floor.prints(&table, "general admission, 2", &any(2)).await;
    let what = format!("general admission, 2, {TAKE_BATCH_MAX} in a call");
    let rushed = floor.prints_of(&table, &what, &any(2), TAKE_BATCH_MAX).await;
    for (what, seats) in [("rows of 40", 40), ("rows of 500", ROW_SEATS_MAX)] {
        let rows = vec![seats; (SEATS / seats) as usize];
        let empty = Hall::of(&redis, rows.clone(), Free::All).await;
        let seats = UnitsWish::Seats(named.iter().copied().collect());
        empty.prints(&table, &format!("{what}, all free, named 4"), &seats).await;
        for quantity in [2, 6, 20] {
            let what = format!("{what}, all free, together {quantity}");
            worst = worst.max(empty.prints(&table, &what, &together(quantity)).await);
        }
        let what_of_many = format!("{what}, together 2, {TAKE_BATCH_MAX} in a call");
        empty.prints_of(&table, &what_of_many, &together(2), TAKE_BATCH_MAX).await;
        let full = Hall::of(&redis, rows, Free::BrokenUpButTheLastRow).await;
        for quantity in [2, 6, 20] {
            let what = format!("{what}, broken up, together {quantity}");
            worst = worst.max(full.prints(&table, &what, &together(quantity)).await);
        }
    }
    let figure = Figure::new(format!("Redis for a hold, {TAKE_BATCH_MAX} in a call"), us(rushed), "us");
    table.figure(&figure.beside("one in a call", us(alone)));
    let figure = Figure::new(format!("Redis for seats together at worst, of {SEATS}"), us(worst), "us");
    table.figure(&figure.must_be(Target::AtMost(TOGETHER_MAX_US)));
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

enum Free {
    All,
    /// Every other seat, and all of the last row.
    BrokenUpButTheLastRow,
}

/// A sale of one tier, with buyers inside.
struct Hall {
    sale: SaleId,
    holds: Holds,
    buyers: Vec<PlaceNumber>,
    raw: Raw,
}

impl Hall {
    async fn of(redis: &Redis, rows: Vec<u32>, free: Free) -> Self {
        redis.flush().await.expect("Redis answers");
        let store = Store::connect(&redis.url(), StoreConfig::default()).await.expect("an address");
        let raw = Raw::connect(redis).await;
        let last_row = SEATS - rows.last().copied().unwrap_or(SEATS);
        let is_free = |unit: &u32| matches!(free, Free::All) || unit.is_multiple_of(2) || *unit >= last_row;
        let free = (0..SEATS).filter(is_free).map(UnitNo).collect();
        let tiers =
            vec![TierSnapshot { tier: "hall".parse().expect("a tier"), capacity: SEATS, withheld: 0, free, rows }];
        let sale = SaleId::from_uuid(Uuid::now_v7());
        let snapshot = Snapshot {
            sale,
            epoch: 1,
            reserved_number: 0,
            grants: Vec::new(),
            left: Vec::new(),
            cohorts: 0,
            tiers,
            reclaim_window_s: 0,
            receipts_from: 1,
        };
        Loader::new(store.clone()).load(&snapshot).await.expect("it loads");
        let buyers = come_in(&Queue::new(store.clone()), sale).await;
        Self { sale, holds: Holds::new(store), buyers, raw }
    }

    /// Prints what a hold costs, one to a call, and answers the median.
    async fn prints(&self, table: &Table, what: &str, wish: &UnitsWish) -> Duration {
        self.prints_of(table, what, wish, 1).await
    }

    /// Prints what a hold costs of so many in a call, and answers the median.
    async fn prints_of(&self, table: &Table, what: &str, wish: &UnitsWish, batch: usize) -> Duration {
        let buyers = &self.buyers[..batch];
        self.takes(wish, buyers).await;
        let times =
            Times::of(TIMED / batch, async || self.takes(wish, buyers).await / u32::try_from(batch).expect("few"))
                .await;
        let [half, most, all] = [50, 99, 100].map(|per_cent| times.within(per_cent).as_micros());
        table.note(what, &format!("{half} {most} {all} us"));
        times.within(50)
    }

    /// What holds of these buyers cost, all in one call; they are given back at once.
    async fn takes(&self, wish: &UnitsWish, buyers: &[PlaceNumber]) -> Duration {
        let takes: Vec<_> = buyers.iter().map(|buyer| hold_of(*buyer, wish)).collect();
        let before = script_time(&self.raw).await;
        let took = self.holds.take_many(self.sale, &takes).await.expect("Redis answers");
        let time = script_time(&self.raw).await - before;
        for (take, took) in takes.iter().zip(took) {
            assert!(matches!(took, Ok(Take::Taken(_))), "{took:?}");
            self.holds.release(self.sale, take.hold, take.number).await.expect("Redis answers");
        }
        time
    }
}

fn hold_of(buyer: PlaceNumber, wish: &UnitsWish) -> TakeHold {
    let hold = HoldId::from_uuid(Uuid::now_v7());
    TakeHold {
        hold,
        request: RequestId::of(&[hold.uuid().as_bytes()]),
        fingerprint: [7; 32],
        number: buyer,
        items: BTreeMap::from([("hall".parse().expect("a tier"), wish.clone())]),
        allowed: BTreeMap::new(),
        ttl_s: 600,
        per_buyer_limit: 20,
        session_s: FOREVER_S,
    }
}

/// As many buyers as hold in one call.
async fn come_in(queue: &Queue, sale: SaleId) -> Vec<PlaceNumber> {
    queue.raise_reserved(sale, TAKE_BATCH_MAX as u64).await.expect("Redis answers");
    let ask = |buyer: usize| JoinAsk {
        holder: Holder::of_secret(&buyer.to_be_bytes()),
        proven: None,
        allowance: Allowance::Usual,
    };
    queue.join_many(sale, &(0..TAKE_BATCH_MAX).map(ask).collect::<Vec<_>>(), 0).await.expect("Redis answers");
    let mut inside = Vec::new();
    while inside.len() < TAKE_BATCH_MAX {
        let admission = queue.admit(sale, &PACE, &Pulse::calm(Uuid::nil())).await.expect("Redis answers");
        queue.confirm(sale, &admission, &PACE).await.expect("Redis answers");
        inside.extend(admission.unconfirmed.iter().map(|grant| grant.number));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    inside
}

/// The time that Redis has spent in scripts.
async fn script_time(raw: &Raw) -> Duration {
    let mut us = 0;
    for name in ["cmdstat_evalsha", "cmdstat_eval"] {
        let stats = raw.info("commandstats", name).await.unwrap_or_default();
        let of_name = stats.split(',').find_map(|stat| stat.strip_prefix("usec=")?.parse::<u64>().ok());
        us += of_name.unwrap_or(0);
    }
    Duration::from_micros(us)
}
