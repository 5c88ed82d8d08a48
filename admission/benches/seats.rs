//! What finding seats costs Redis: its own time for one `hold_take` among 50,000 seats.
//!
//! A private Redis and the script that production runs; the time is what Redis itself counts for the call, so neither the
//! network nor this process is in it. Halls are as bad as they get: every row broken up but the last one, and rows as long as
//! they may be, so that nothing is found before everything was looked at. A broken bound ends the bench with an error.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::process::ExitCode;

use admission::{
    Holds, JoinAsk, Loader, Pace, PaceState, Pulse, Queue, RequestId, Snapshot, Store, StoreConfig, Take, TakeHold,
    TierSnapshot, UnitsWish,
};
use domain::sale::ROW_SEATS_MAX;
use domain::token::{Allowance, Holder};
use domain::{HoldId, PlaceNumber, SaleId, UnitNo};
use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::{Builder, CustomCommand, Value, config::Config};
use sandbox::{Persistence, Redis, RedisOptions};
use uuid::Uuid;

const SEATS: u32 = 50_000;
/// Calls that are timed one by one.
const TIMED: usize = 1_000;
/// What a hold of seats together may cost Redis, in the median: 5,000 of them a second. The median, because Redis counts by the
/// clock on the wall: what else the machine does is in the slow calls.
const TOGETHER_MAX_US: u64 = 200;
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
async fn main() -> ExitCode {
    let redis = Redis::start(RedisOptions { persistence: Persistence::None }).await.expect("Redis is installed");
    let any = |quantity| UnitsWish::Any(NonZeroU32::new(quantity).expect("some"));
    let together = |quantity| UnitsWish::Together(NonZeroU32::new(quantity).expect("some"));
    let named: Vec<_> = [0, SEATS / 2, SEATS - 2, SEATS - 1].into_iter().map(UnitNo).collect();
    println!("Redis' own time for one hold_take of {SEATS} units, {TIMED} calls, µs (median, p99, most)");
    let mut worst = 0;
    let floor = Hall::of(&redis, Vec::new(), Free::All).await;
    floor.prints("general admission, 4", &any(4)).await;
    for (what, seats) in [("rows of 40", 40), ("rows of 500", ROW_SEATS_MAX)] {
        let rows = vec![seats; (SEATS / seats) as usize];
        let empty = Hall::of(&redis, rows.clone(), Free::All).await;
        empty.prints(&format!("{what}, all free, named 4"), &UnitsWish::Seats(named.iter().copied().collect())).await;
        for quantity in [2, 6, 20] {
            worst =
                worst.max(empty.prints(&format!("{what}, all free, together {quantity}"), &together(quantity)).await);
        }
        let full = Hall::of(&redis, rows, Free::BrokenUpButTheLastRow).await;
        for quantity in [2, 6, 20] {
            worst =
                worst.max(full.prints(&format!("{what}, broken up, together {quantity}"), &together(quantity)).await);
        }
    }
    let holds = worst <= TOGETHER_MAX_US;
    println!("together, median: {worst} µs, at most {TOGETHER_MAX_US}: {}", if holds { "holds" } else { "BROKEN" });
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

enum Free {
    All,
    /// Every other seat, and all of the last row.
    BrokenUpButTheLastRow,
}

/// A sale of one tier, with a buyer inside.
struct Hall {
    sale: SaleId,
    holds: Holds,
    buyer: PlaceNumber,
    raw: Client,
}

impl Hall {
    async fn of(redis: &Redis, rows: Vec<u32>, free: Free) -> Self {
        redis.flush().await.expect("Redis answers");
        let store = Store::connect(&redis.url(), StoreConfig::default()).await.expect("an address");
        let raw = Builder::from_config(Config::from_url(&redis.url()).expect("an address")).build().expect("a client");
        raw.init().await.expect("Redis answers");
        let last_row = SEATS - rows.last().copied().unwrap_or(SEATS);
        let is_free = |unit: &u32| matches!(free, Free::All) || unit.is_multiple_of(2) || *unit >= last_row;
        let free = (0..SEATS).filter(is_free).map(UnitNo).collect();
        let tiers = vec![TierSnapshot { tier: "hall".parse().expect("a tier"), capacity: SEATS, free, rows }];
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
        let buyer = comes_in(&Queue::new(store.clone()), sale).await;
        Self { sale, holds: Holds::new(store), buyer, raw }
    }

    /// Prints what the calls cost, and answers their median.
    async fn prints(&self, what: &str, wish: &UnitsWish) -> u64 {
        self.takes(wish).await;
        let mut times = Vec::with_capacity(TIMED);
        for _ in 0..TIMED {
            times.push(self.takes(wish).await);
        }
        times.sort_unstable();
        let at = |per_cent: usize| times[(TIMED - 1) * per_cent / 100];
        println!("{what:<38}{:>6}{:>6}{:>6}", at(50), at(99), at(100));
        at(50)
    }

    /// The microseconds of one hold, which is given back at once.
    async fn takes(&self, wish: &UnitsWish) -> u64 {
        let hold = HoldId::from_uuid(Uuid::now_v7());
        let take = TakeHold {
            hold,
            request: RequestId::of(&[hold.uuid().as_bytes()]),
            fingerprint: [7; 32],
            number: self.buyer,
            items: BTreeMap::from([("hall".parse().expect("a tier"), wish.clone())]),
            ttl_s: 600,
            per_buyer_limit: 20,
            session_s: FOREVER_S,
        };
        let before = script_us(&self.raw).await;
        let took = self.holds.take(self.sale, &take).await.expect("Redis answers");
        let us = script_us(&self.raw).await - before;
        assert!(matches!(took, Take::Taken(_)), "{took:?}");
        self.holds.release(self.sale, hold, self.buyer).await.expect("Redis answers");
        us
    }
}

async fn comes_in(queue: &Queue, sale: SaleId) -> PlaceNumber {
    queue.raise_reserved(sale, 10).await.expect("Redis answers");
    let ask = JoinAsk { holder: Holder::of_secret(b"buyer"), proven: None, allowance: Allowance::Usual };
    queue.join_many(sale, &[ask], 0).await.expect("Redis answers");
    loop {
        let admission = queue.admit(sale, &PACE, &Pulse::calm(Uuid::nil())).await.expect("Redis answers");
        queue.confirm(sale, &admission, &PACE).await.expect("Redis answers");
        if let Some(grant) = admission.unconfirmed.first() {
            return grant.number;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The time that Redis has spent in scripts.
async fn script_us(raw: &Client) -> u64 {
    let command = CustomCommand::new("INFO".to_owned(), None::<u16>, false);
    let info: Value = raw.custom(command, vec!["commandstats"]).await.expect("Redis answers");
    let info = info.into_string().unwrap_or_default();
    let of = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.split_once("usec="))?.1;
        line.split(',').next()?.parse::<u64>().ok()
    };
    of("cmdstat_evalsha:").unwrap_or(0) + of("cmdstat_eval:").unwrap_or(0)
}
