//! Order and floor on a clock that the test moves, and the same with a guard taken out: each check must notice the absence
//! of what it is for.

use std::collections::BTreeMap;

use fred::clients::Client;
use fred::interfaces::{ClientLike as _, KeysInterface as _};
use fred::types::Builder;
use fred::types::config::Config;

use super::*;
use crate::StoreConfig;

const LIMIT: u32 = 100;
const BURST: u32 = 20;
const BEGIN_MS: u64 = 1_800_000_000_000;
/// In so much time comes in what one write takes.
const STEP_MS: u64 = 10;

struct Scenario {
    budget: StripeBudget,
    raw: Client,
    now_ms: u64,
}

type Granted = BTreeMap<&'static str, u32>;

impl Scenario {
    async fn new() -> Self {
        let redis = &sandbox::shared().await.unwrap().redis;
        let store = Store::connect(&redis.url(), StoreConfig::default()).await.unwrap();
        let raw = Builder::from_config(Config::from_url(&redis.url()).unwrap()).build().unwrap();
        raw.init().await.unwrap();
        let limit = NonZeroU32::new(LIMIT).unwrap();
        let mut scenario =
            Self { budget: StripeBudget::new(store, &Uuid::new_v4().to_string(), limit), raw, now_ms: BEGIN_MS };
        scenario.passes(0).await;
        scenario
    }

    async fn passes(&mut self, ms: u64) {
        self.now_ms += ms;
        let clock = format!("@{}", self.now_ms);
        let _: () = self.raw.set(self.budget.clock_offset(), clock, None, None, false).await.unwrap();
    }

    async fn gets(&self, script: &Script, class: WriteClass) -> bool {
        matches!(self.budget.ask_by(script, class).await.unwrap(), Asked::Granted(_))
    }

    /// So many steps in each of which everybody of these classes asks, the last in order first, until there is nothing.
    async fn rush(&mut self, script: &Script, classes: &[WriteClass], steps: u32) -> Granted {
        let mut granted: Granted = classes.iter().map(|class| (class.word(), 0)).collect();
        for _ in 0..steps {
            self.passes(STEP_MS).await;
            for class in classes.iter().rev() {
                while self.gets(script, *class).await {
                    *granted.get_mut(class.word()).unwrap() += 1;
                }
            }
        }
        granted
    }
}

fn take() -> &'static Script {
    &scripts::STRIPE_BUDGET_TAKE
}

/// Three classes that want all there is, after what was saved up is gone.
async fn three_in_a_rush(script: &Script) -> Granted {
    let mut scenario = Scenario::new().await;
    while scenario.gets(script, WriteClass::UrgentCapture).await {}
    scenario.rush(script, &[WriteClass::Create, WriteClass::Capture, WriteClass::Cancel], 400).await
}

#[tokio::test]
async fn in_a_rush_creates_and_captures_share_and_cancels_wait() {
    let granted = three_in_a_rush(take()).await;
    let all: u32 = granted.values().sum();
    assert!((394..=400).contains(&all), "of 400 that came in: {granted:?}");
    assert!((195..=202).contains(&granted["capture"]), "captures are sure of half: {granted:?}");
    assert_eq!(granted["cancel"], 0, "{granted:?}");
}

#[tokio::test]
async fn without_the_floor_captures_starve() {
    let floorless = take().mutant("class == 'urgent_capture' or class == 'capture'", "false");
    let granted = three_in_a_rush(&floorless).await;
    assert_eq!(granted["capture"], 0, "the floor is what they live on: {granted:?}");
}

#[tokio::test]
async fn without_what_is_kept_back_whoever_asks_first_is_first() {
    let orderless = take().mutant("(budget.level_max - ONE) * RANKS[class] / RANK_LAST", "0");
    let granted = three_in_a_rush(&orderless).await;
    assert!(granted["cancel"] > 150, "{granted:?}");
}

/// Also those who would come after all others, alone.
#[tokio::test]
async fn what_nobody_before_it_wants_is_for_any_class() {
    for class in WriteClass::ALL {
        let mut scenario = Scenario::new().await;
        while scenario.gets(take(), class).await {}
        // What a capture draws from the floor is beside this; the others fill the floor first.
        scenario.rush(take(), &[class], 8).await;
        let granted = scenario.rush(take(), &[class], 200).await;
        assert!((195..=200).contains(&granted[class.word()]), "{granted:?}");
    }
}

#[tokio::test]
async fn each_class_leaves_as_much_to_those_before_it_as_it_is_behind_them() {
    let mut had = Vec::new();
    for class in WriteClass::ALL {
        let scenario = Scenario::new().await;
        let mut granted = 0;
        while scenario.gets(take(), class).await {
            granted += 1;
        }
        had.push(granted);
    }
    // Of a full budget. Captures have the floor, which is four writes.
    assert_eq!(had, [20, 13, 14, 7, 4, 1]);
    assert_eq!(had[0], BURST);
}

#[tokio::test]
async fn after_a_429_nobody_writes_and_then_everybody_half_as_much_until_it_has_recovered() {
    let mut scenario = Scenario::new().await;
    for _ in 0..50 {
        scenario.budget.slow_down(None).await; // the many answers to one excess
    }
    assert!(!scenario.gets(take(), WriteClass::UrgentCapture).await);
    let told = scenario.budget.take_now(WriteClass::Create).await.unwrap();
    assert_eq!(told, Spend::Refused { wait: PAUSE });
    scenario.passes(500).await;
    let slow = scenario.rush(take(), &[WriteClass::UrgentCapture], 100).await;
    assert!((49..=54).contains(&slow["urgent_capture"]), "half as much, and a little more by the end: {slow:?}");
    scenario.passes(20_000).await;
    let seen = scenario.budget.look().await.unwrap();
    assert_eq!((seen.writes_per_s, seen.remaining), (LIMIT, BURST));
    let told = scenario.budget.slow_down(Some(Duration::from_secs(7)));
    told.await;
    let told = scenario.budget.take_now(WriteClass::Create).await.unwrap();
    assert_eq!(told, Spend::Refused { wait: Duration::from_secs(7) }, "as long as Stripe says");
}

#[tokio::test]
async fn a_clock_that_went_back_gives_nothing_and_takes_nothing() {
    let mut scenario = Scenario::new().await;
    while scenario.gets(take(), WriteClass::UrgentCapture).await {}
    scenario.now_ms -= 3_600_000;
    scenario.passes(0).await;
    assert!(!scenario.gets(take(), WriteClass::UrgentCapture).await);
    let granted = scenario.rush(take(), &[WriteClass::UrgentCapture], 100).await;
    assert!((99..=100).contains(&granted["urgent_capture"]), "{granted:?}");
}

#[tokio::test]
async fn who_looks_is_counted_until_a_minute_later() {
    let mut scenario = Scenario::new().await;
    assert_eq!(scenario.budget.look().await.unwrap().processes, 1);
    let environment = Uuid::new_v4().to_string();
    let limit = NonZeroU32::new(LIMIT).unwrap();
    let another = |_| StripeBudget::new(scenario.budget.store.clone(), &environment, limit);
    let others: Vec<_> = (0..3).map(another).collect();
    for (index, other) in others.iter().enumerate() {
        assert_eq!(usize::try_from(other.look().await.unwrap().processes).unwrap(), index + 1);
    }
    scenario.passes(61_000).await;
    assert_eq!(scenario.budget.look().await.unwrap().processes, 1, "itself again, and others elsewhere");
}
