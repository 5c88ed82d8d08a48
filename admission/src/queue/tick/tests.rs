//! The checks of I7 and I8 on a scenario that uses every guard, and on the same scenario with a guard taken out: each check
//! must notice the absence of what it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use domain::token::Holder;
use domain::{HoldId, PlaceNumber, UnitNo};
use fred::clients::Client;
use fred::interfaces::{ClientLike as _, KeysInterface as _};
use fred::types::Builder;
use fred::types::config::Config;
use uuid::Uuid;

use super::*;
use crate::{Holds, JoinAsk, Loader, RequestId, Snapshot, Store, StoreConfig, Take, TakeHold, TierSnapshot, UnitsWish};

#[path = "../../../tests/it/window.rs"]
mod window;

use window::{Charge, What};

const VISITORS: u64 = 120;
const PACE: Pace = Pace {
    rate_per_s: 10,
    burst: 5,
    max_shoppers: 40,
    session_s: 600,
    claim_window_s: 120,
    overbook: 0,
    budget_shoppers: u32::MAX,
    cohorts: 0,
    state: PaceState::Admitting,
};
const UNITS: u32 = 200;
const TICK_MS: i64 = 200;
const TICKS: usize = 150;

/// What went wrong, if anything.
#[derive(Debug, Default, PartialEq, Eq)]
struct Breaches {
    /// I7: a live number that waited while a larger one was let in.
    passed_over: Option<u64>,
    /// I8: some window had more turns than rate and burst allow.
    too_fast: bool,
    /// I8: more were inside than the cap allows.
    too_many: bool,
    /// More turns were out than units free.
    too_few_units: bool,
}

struct Scenario {
    queue: Queue,
    holds: Holds,
    raw: Client,
    sale: SaleId,
    now_ms: i64,
    live: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
}

impl Scenario {
    async fn begins(units: u32) -> Self {
        let url = sandbox::shared().await.unwrap().redis.url();
        let store = Store::connect(&url, StoreConfig::default()).await.unwrap();
        let raw = Builder::from_config(Config::from_url(&url).unwrap()).build().unwrap();
        raw.init().await.unwrap();
        let (sale, queue, holds) =
            (SaleId::from_uuid(Uuid::now_v7()), Queue::new(store.clone()), Holds::new(store.clone()));
        let waiting: BTreeSet<_> = (1..=VISITORS).collect();
        let mut scenario = Self { queue, holds, raw, sale, now_ms: 1_800_000_000_000, live: waiting.clone(), waiting };
        scenario.passes(0).await;
        let free = (0..units).map(UnitNo).collect();
        let tiers =
            vec![TierSnapshot { tier: "ga".parse().unwrap(), capacity: units, withheld: 0, free, rows: Vec::new() }];
        let (grants, left) = (Vec::new(), Vec::new());
        let snapshot = Snapshot {
            sale,
            epoch: 1,
            reserved_number: 0,
            grants,
            left,
            cohorts: 0,
            tiers,
            reclaim_window_s: 0,
            receipts_from: 1,
        };
        Loader::new(store).load(&snapshot).await.unwrap();
        scenario.queue.raise_reserved(sale, VISITORS).await.unwrap();
        let holders = (1..=VISITORS).map(|visitor| Holder::of_secret(&visitor.to_be_bytes()));
        let asks: Vec<_> =
            holders.map(|holder| JoinAsk { holder, proven: None, allowance: Allowance::Usual }).collect();
        scenario.queue.join_many(sale, &asks, 0).await.unwrap();
        scenario
    }

    async fn passes(&mut self, ms: i64) {
        self.now_ms += ms;
        let clock = format!("@{}", self.now_ms);
        let _: () = self.raw.set(SaleKeys::new(self.sale).clock_offset(), clock, None, None, false).await.unwrap();
    }

    async fn hears(&self) {
        let live: Vec<_> = self.live.iter().copied().map(PlaceNumber).collect();
        self.queue.heard(self.sale, &live).await.unwrap();
    }

    /// Nobody is let in until those who are not there count as silent; the bucket is empty then.
    async fn falls_silent(&mut self) {
        for _ in 0..10 {
            self.passes(2_000).await;
            self.hears().await;
            let nobody = Pace { rate_per_s: 0, burst: 0, ..PACE };
            self.queue.admit(self.sale, &nobody, &Pulse::calm(Uuid::nil())).await.unwrap();
        }
    }

    async fn buys(&self, number: u64) {
        let (number, hold) = (PlaceNumber(number), HoldId::from_uuid(Uuid::now_v7()));
        let wish = TakeHold {
            hold,
            request: RequestId::of(&[hold.uuid().as_bytes()]),
            fingerprint: [7; 32],
            number,
            items: BTreeMap::from([("ga".parse().unwrap(), UnitsWish::Any(NonZeroU32::MIN))]),
            allowed: BTreeMap::new(),
            ttl_s: 60,
            per_buyer_limit: 1,
            session_s: PACE.session_s,
        };
        let took = self.holds.take(self.sale, &wish).await.unwrap();
        assert!(matches!(took, Take::Taken(_)), "{took:?}");
        self.holds.release(self.sale, hold, number).await.unwrap();
        self.queue.end_session(self.sale, number).await.unwrap();
    }

    /// Half a minute of ticks. A third of the line is silent for the first half of it and comes back; now and then somebody
    /// inside has bought and goes, so that the cap has room again.
    async fn runs(mut self, script: &Script, pace: &Pace, units: u32) -> Breaches {
        let (mut breaches, mut charges, mut inside) = (Breaches::default(), Vec::new(), BTreeSet::new());
        self.live.retain(|number| number % 3 > 0);
        self.falls_silent().await;
        for tick in 0..TICKS {
            self.passes(TICK_MS).await;
            if tick == TICKS / 2 {
                self.live.extend(self.waiting.iter());
            }
            self.hears().await;
            let pulse = Pulse::calm(Uuid::nil());
            let admission = self.queue.admit_by(script, self.sale, pace, &pulse).await.unwrap();
            let granted: Vec<_> = admission.unconfirmed.iter().map(|grant| grant.number.0).collect();
            self.queue.confirm(self.sale, &admission, pace).await.unwrap();
            self.waiting.retain(|number| !granted.contains(number));
            inside.extend(&granted);
            let ahead = self.waiting.iter().find(|number| self.live.contains(number));
            let is_behind = |ahead: &u64| granted.iter().any(|number| number > ahead);
            breaches.passed_over = breaches.passed_over.or(ahead.copied().filter(is_behind));
            let one = |_| Charge { at: self.now_ms, micro_turns: window::TURN, what: What::Grant };
            charges.extend(granted.iter().map(one));
            breaches.too_many |= inside.len() > pace.max_shoppers as usize;
            breaches.too_few_units |= inside.len() > units as usize;
            if tick % 10 == 9 {
                self.buys(inside.pop_first().expect("somebody is inside")).await;
                let paid_before = Charge { at: self.now_ms, micro_turns: 0, what: What::Settlement };
                charges.push(paid_before);
            }
        }
        breaches.too_fast = window::most_over(&charges, pace.rate_per_s, pace.burst) > 0;
        breaches
    }
}

async fn breaches_of(script: &Script) -> Breaches {
    Scenario::begins(UNITS).await.runs(script, &PACE, UNITS).await
}

#[tokio::test]
async fn the_script_breaks_nothing() {
    assert_eq!(breaches_of(&scripts::QUEUE_ADMIT).await, Breaches::default());
}

#[tokio::test]
async fn a_cursor_that_does_not_go_back_is_noticed() {
    let stale = scripts::QUEUE_ADMIT.mutant(
        "local granted, from = 0, 0\n",
        "local granted, from = 0, tonumber(redis.call('HGET', K.pace, 'cursor') or 0)\n",
    );
    let stale = stale.mutant(
        "granted, from = granted + 1, number + 1\n",
        "granted, from = granted + 1, number + 1\n        redis.call('HSET', K.pace, 'cursor', from)\n",
    );
    let breaches = breaches_of(&stale).await;
    assert!(breaches.passed_over.is_some() && !breaches.too_fast && !breaches.too_many, "{breaches:?}");
}

#[tokio::test]
async fn turns_that_the_bucket_does_not_pay_for_are_noticed() {
    let free = scripts::QUEUE_ADMIT.mutant("left = left - cost * grant(room, cost)", "grant(room, cost)");
    let breaches = breaches_of(&free).await;
    assert!(breaches.too_fast && breaches.passed_over.is_none(), "{breaches:?}");
}

#[tokio::test]
async fn a_cap_that_is_not_kept_is_noticed() {
    let capless = scripts::QUEUE_ADMIT.mutant("cap - inside(), ", "");
    let breaches = breaches_of(&capless).await;
    assert!(breaches.too_many && !breaches.too_fast && breaches.passed_over.is_none(), "{breaches:?}");
}

#[tokio::test]
async fn turns_beyond_the_free_units_are_noticed() {
    const FEW: u32 = 10;
    let kept = Scenario::begins(FEW).await.runs(&scripts::QUEUE_ADMIT, &PACE, FEW).await;
    assert_eq!(kept, Breaches::default());
    let generous = scripts::QUEUE_ADMIT.mutant("free + ARGV[4] - turns_out(), ", "");
    let breaches = Scenario::begins(FEW).await.runs(&generous, &PACE, FEW).await;
    assert!(breaches.too_few_units, "{breaches:?}");
}
