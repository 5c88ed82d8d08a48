//! Random classes, times, answers 429 and clocks that jump, against an oracle that is written from the rule and not from the
//! script, and against the bound itself.

use std::time::Duration;

use admission::{Spend, StripeBudget, WriteClass};
use uuid::Uuid;

use super::{budget_at, burst};
use crate::onsale::Onsale;
use crate::random::Random;
use crate::soak;

const BEGIN_US: u64 = 1_800_000_000_000_000;
const WRITE: u64 = 1_000_000;
const STEPS: usize = 250;

/// The rule. All in millionths.
struct Oracle {
    limit: u64,
    common_max: u64,
    floor_max: u64,
    common: u64,
    floor: u64,
    /// It rises by less than a millionth in a microsecond.
    factor: f64,
    seen_us: u64,
    paused_us: u64,
    cut_us: Option<u64>,
}

impl Oracle {
    fn new(limit: u32) -> Self {
        let burst_max = u64::from(limit) * WRITE / 5;
        let burst_max = burst_max.max(4 * WRITE);
        let floor_max = (burst_max / 5).max(WRITE);
        let common_max = burst_max - floor_max;
        Self {
            limit: limit.into(),
            common_max,
            floor_max,
            common: common_max,
            floor: floor_max,
            factor: WRITE as f64,
            seen_us: BEGIN_US,
            paused_us: 0,
            cut_us: None,
        }
    }

    fn fill(&mut self, now_us: u64) {
        let elapsed = now_us.saturating_sub(self.seen_us.max(self.paused_us)).min(60_000_000);
        self.factor = (self.factor + 0.05 * elapsed as f64).min(WRITE as f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the limit")]
        let per_ms = ((self.limit as f64 * self.factor / 1_000.0) as u64).max(1);
        let earned = elapsed * per_ms / 1_000;
        let to_floor = (earned / 2).min(self.floor_max - self.floor);
        self.floor += to_floor;
        self.common = (self.common + earned - to_floor).min(self.common_max);
        self.seen_us = now_us;
    }

    fn grants(&mut self, now_us: u64, class: WriteClass) -> bool {
        self.fill(now_us);
        if now_us < self.paused_us {
            return false;
        }
        let rank = WriteClass::ALL.iter().position(|other| *other == class).unwrap() as u64;
        if self.common >= WRITE + (self.common_max - WRITE) * rank / 5 {
            self.common -= WRITE;
            return true;
        }
        let floor = matches!(class, WriteClass::UrgentCapture | WriteClass::Capture) && self.floor >= WRITE;
        if floor {
            self.floor -= WRITE;
        }
        floor
    }

    /// Pauses and cuts are by the millisecond.
    fn slows(&mut self, now_us: u64, pause_ms: u64) {
        self.fill(now_us);
        let now_us = now_us / 1_000 * 1_000;
        self.paused_us = self.paused_us.max(now_us + pause_ms * 1_000);
        (self.common, self.floor) = (0, 0);
        if self.cut_us.is_none_or(|cut| cut.abs_diff(now_us) >= 2_000_000) {
            self.factor = (self.factor / 2.0).floor().max(50_000.0);
            self.cut_us = Some(now_us);
        }
    }
}

struct Run {
    sale: Onsale,
    budget: StripeBudget,
    oracle: Oracle,
    now_us: u64,
    granted_us: Vec<u64>,
}

impl Run {
    async fn new(limit: u32) -> Self {
        let redis = &sandbox::shared().await.unwrap().redis;
        let budget = budget_at(&redis.url(), &Uuid::new_v4().to_string(), limit).await;
        let (sale, oracle) = (Onsale::unloaded().await, Oracle::new(limit));
        let run = Self { sale, budget, oracle, now_us: BEGIN_US, granted_us: Vec::new() };
        run.shows_time().await;
        run
    }

    async fn shows_time(&self) {
        let clock = format!("@{}.{:03}", self.now_us / 1_000, self.now_us % 1_000);
        self.sale.command(&["SET", &self.budget.clock_offset(), &clock]).await;
    }

    async fn step(&mut self, random: &mut Random) {
        match random.below(100) {
            0 => {
                let pause_ms = 500 + random.below(3_000) as u64;
                self.budget.slow_down(Some(Duration::from_millis(pause_ms))).await;
                self.oracle.slows(self.now_us, pause_ms);
            }
            1..=35 => {
                let longest_ms = *random.of(&[1, 3, 30, 300, 5_000, 70_000]).unwrap();
                self.now_us += random.below(longest_ms * 1_000) as u64;
                self.shows_time().await;
            }
            _ => self.asks(*random.of(&WriteClass::ALL).unwrap()).await,
        }
    }

    async fn asks(&mut self, class: WriteClass) {
        let spend = self.budget.take_now(class).await.unwrap();
        let granted = self.oracle.grants(self.now_us, class);
        assert_eq!(spend == Spend::Granted, granted, "{class:?} at {} µs", self.now_us - BEGIN_US);
        if granted {
            self.granted_us.push(self.now_us);
        } else if let Spend::Refused { wait } = spend {
            assert!(!wait.is_zero(), "whoever is told to wait waits");
        }
    }

    /// No window has more than limit and burst.
    fn keeps_the_bound(&self, limit: u32) {
        for (first, from) in self.granted_us.iter().enumerate() {
            for (count, until) in (1_u64..).zip(&self.granted_us[first..]) {
                let most = u64::from(limit) * (until - from) / 1_000_000 + u64::from(burst(limit));
                assert!(count <= most, "{count} within {} µs at {limit} a second", until - from);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_does_what_the_oracle_does() {
    let seeds = if soak::is_on() { 200 } else { 8 };
    let mut granted = 0;
    for seed in 0..seeds {
        let mut random = Random(seed);
        let limit = *random.of(&[1, 7, 25, 100, 500, 20_000]).unwrap();
        eprintln!("seed {seed}: {limit} a second");
        let mut run = Run::new(limit).await;
        for _ in 0..STEPS {
            run.step(&mut random).await;
        }
        run.keeps_the_bound(limit);
        granted += run.granted_us.len();
    }
    assert!(granted > usize::try_from(seeds).unwrap() * STEPS / 10, "only {granted} were granted");
}
