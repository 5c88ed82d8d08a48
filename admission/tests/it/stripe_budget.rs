//! What may be written to Stripe, by many who ask at once, and while Redis is away.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use admission::{AdmissionError, Spend, Store, StoreConfig, StripeBudget, WriteClass};
use sandbox::{FaultProxy, LostReplies};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::onsale::Onsale;
use crate::soak;

mod model;

/// A fifth of the limit, at least 4, as the script has it.
fn burst(limit: u32) -> u32 {
    (limit / 5).max(4)
}

fn per_s(limit: u32) -> NonZeroU32 {
    NonZeroU32::new(limit).unwrap()
}

/// A budget that no other test spends.
async fn budget_at(url: &str, environment: &str, limit: u32) -> StripeBudget {
    let config = StoreConfig { connections: 1, ..StoreConfig::default() };
    StripeBudget::new(Store::connect(url, config).await.unwrap(), environment, per_s(limit))
}

/// A write that was granted at some time between the two.
#[derive(Debug, Clone, Copy)]
struct Write {
    asked: Instant,
    granted: Instant,
}

/// The most that were surely granted within a window, beyond what the limit allows there: 0 if none.
fn excess(writes: &mut [Write], limit: u32) -> f64 {
    writes.sort_by_key(|write| write.granted);
    let mut worst: f64 = 0.0;
    for first in 0..writes.len() {
        let from = writes[first].asked;
        let mut inside = 0;
        for write in writes.iter().filter(|write| write.asked >= from) {
            inside += 1;
            let window_s = (write.granted - from).as_secs_f64();
            worst = worst.max(f64::from(inside) - f64::from(limit) * window_s - f64::from(burst(limit)));
        }
    }
    worst
}

/// Everybody asks as often as Redis answers, on connections of their own.
async fn rush(spenders: u32, limit: u32, lasts: Duration) -> Vec<Write> {
    let redis = &sandbox::shared().await.unwrap().redis;
    let environment = Uuid::new_v4().to_string();
    let mut budgets = Vec::new();
    for _ in 0..spenders {
        budgets.push(budget_at(&redis.url(), &environment, limit).await);
    }
    let mut asking = JoinSet::new();
    for (number, budget) in budgets.into_iter().enumerate() {
        let class = WriteClass::ALL[number % WriteClass::ALL.len()];
        asking.spawn(async move {
            let (until, mut writes) = (Instant::now() + lasts, Vec::new());
            while Instant::now() < until {
                let asked = Instant::now();
                match budget.take_now(class).await {
                    Ok(Spend::Granted) => writes.push(Write { asked, granted: Instant::now() }),
                    Ok(Spend::Refused { wait }) => tokio::time::sleep(wait.min(Duration::from_millis(20))).await,
                    Err(error) => panic!("{error}"),
                }
            }
            writes
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rush_on_many_connections_never_has_more_than_limit_and_burst_in_any_window() {
    const LIMIT: u32 = 200;
    let (spenders, lasts) = if soak::is_on() { (120, 10) } else { (24, 2) };
    let mut writes = rush(spenders, LIMIT, Duration::from_secs(lasts)).await;
    let worst = excess(&mut writes, LIMIT);
    eprintln!("{} writes in {lasts} s at {LIMIT} a second by {spenders}", writes.len());
    assert!(worst <= 0.0, "{worst} too many in some window");
    assert!(writes.len() > 50, "somebody was granted something");
    // The control: the same writes are too many for a limit that is lower.
    assert!(excess(&mut writes, LIMIT / 4) > 0.0, "the check sees an excess");
}

/// On one thread, so that the order in which they came is known.
#[tokio::test]
async fn those_of_one_process_are_served_in_the_order_they_came_and_nobody_waits_for_nothing() {
    const PAUSED: Duration = Duration::from_secs(20);
    let redis = &sandbox::shared().await.unwrap().redis;
    let budget = Arc::new(budget_at(&redis.url(), &Uuid::new_v4().to_string(), 50).await);
    while budget.take_now(WriteClass::UrgentCapture).await.unwrap() == Spend::Granted {}
    let (mut line, served) = (JoinSet::new(), Arc::new(Mutex::new(Vec::new())));
    for place in 0..20_usize {
        let (waits, served) = (Arc::clone(&budget), Arc::clone(&served));
        line.spawn(async move {
            assert_eq!(waits.take(WriteClass::Create, Duration::from_secs(60)).await, Spend::Granted);
            served.lock().unwrap().push(place);
        });
    }
    line.join_all().await;
    let served = served.lock().unwrap().clone();
    assert!(served.is_sorted() && served.len() == 20, "{served:?}");
    // Who says it does not wait for a Redis that is late.
    while !matches!(budget.take_now(WriteClass::UrgentCapture).await, Ok(Spend::Refused { wait }) if wait > PAUSED) {
        budget.slow_down(Some(PAUSED * 2)).await;
    }
    let begun = Instant::now();
    let refused = budget.take(WriteClass::Create, Duration::from_secs(5)).await;
    let Spend::Refused { wait } = refused else { panic!("{refused:?}") };
    assert!(wait > PAUSED, "it is told how long: {wait:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "and does not wait for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_a_process_spends_its_share_and_no_more() {
    const LIMIT: u32 = 40;
    let redis = &sandbox::shared().await.unwrap().redis;
    let proxy = FaultProxy::start(([127, 0, 0, 1], redis.port()).into()).await.unwrap();
    let budget = budget_at(&proxy.through(&redis.url()), &Uuid::new_v4().to_string(), LIMIT).await;
    assert_eq!(budget.look().await.unwrap().processes, 1);
    proxy.cut().await;
    let begun = Instant::now();
    let mut granted = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        if budget.take(WriteClass::Create, Duration::from_millis(200)).await == Spend::Granted {
            granted += 1;
        }
    }
    let most = begun.elapsed().as_secs_f64() * f64::from(LIMIT) / 2.0 + 2.0;
    assert!(granted >= 3, "buyers whose payment is under way are not stopped: {granted}");
    assert!(f64::from(granted) <= most, "{granted} of at most {most}");
    proxy.restore().await.unwrap();
    let back = Instant::now();
    while budget.take_now(WriteClass::UrgentCapture).await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(20), "Redis is back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_wastes_a_write_and_makes_none_too_many() {
    let redis = &sandbox::shared().await.unwrap().redis;
    let proxy = FaultProxy::start(([127, 0, 0, 1], redis.port()).into()).await.unwrap();
    let environment = Uuid::new_v4().to_string();
    let budget = budget_at(&proxy.through(&redis.url()), &environment, 1).await;
    let (calm, sale) = (budget_at(&redis.url(), &environment, 1).await, Onsale::unloaded().await);
    sale.command(&["SET", &calm.clock_offset(), "@1800000000000"]).await;
    assert_eq!(budget.take_now(WriteClass::UrgentCapture).await.unwrap(), Spend::Granted);
    proxy.lose_replies(LostReplies::Next(1), b"EVALSHA");
    let unheard = budget.take_now(WriteClass::UrgentCapture).await;
    assert!(matches!(unheard, Err(AdmissionError::Unavailable(_))), "{unheard:?}");
    assert_eq!(calm.look().await.unwrap().remaining, burst(1) - 2, "Redis counted it");
}
