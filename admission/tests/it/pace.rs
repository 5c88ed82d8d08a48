//! Rate, burst and cap, whoever ticks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use admission::{EventKind, Grant, Pace, PaceState, Take};
use domain::PlaceNumber;

use crate::onsale::{CALM, OPEN, Onsale, wish};
use crate::random::Random;
use crate::soak;
use crate::window::{self, Charge, TURN, What};

/// Ticks that admit nobody.
pub(crate) const CLOSED: Pace = Pace { state: PaceState::Paused, ..OPEN };

#[tokio::test]
async fn a_paused_pace_admits_nobody() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.join_many(2).await;
    sale.advance_s(1).await;
    assert_eq!(sale.ticks(&CLOSED).await, []);
}

#[tokio::test]
async fn a_lull_saves_up_no_more_than_the_burst() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(20).await;
    let pace = Pace { rate_per_s: 2, burst: 5, ..OPEN };
    sale.admits(&pace).await;
    sale.advance_s(10).await;
    assert_eq!(sale.admits(&pace).await, numbers[..5]);
    sale.advance_s(1).await;
    assert_eq!(sale.admits(&pace).await, numbers[5..7]);
}

#[tokio::test]
async fn the_payment_budget_is_a_cap_too() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(5).await;
    sale.advance_s(1).await;
    assert_eq!(sale.admits(&Pace { budget_shoppers: 2, ..OPEN }).await, numbers[..2]);
    assert_eq!(sale.admits(&Pace { max_shoppers: 3, budget_shoppers: 4, ..OPEN }).await, numbers[2..3]);
}

#[tokio::test]
async fn unused_turns_stay_within_the_units_that_are_free_and_the_overbooking() {
    let sale = Onsale::of(&[("ga", 4)]).await;
    let numbers = sale.join_many(12).await;
    sale.advance_s(1).await;
    let exact = Pace { overbook: 0, ..OPEN };
    assert_eq!(sale.admits(&exact).await, numbers[..4]);
    assert_eq!(sale.admits(&Pace { overbook: 2, ..OPEN }).await, numbers[4..6]);
    sale.holds_units(numbers[0], "ga", 2).await;
    assert_eq!(sale.admits(&exact).await, [], "2 free, 5 unused turns");
    for number in &numbers[2..6] {
        sale.queue.end_session(sale.id, *number).await.unwrap();
    }
    assert_eq!(sale.admits(&exact).await, numbers[6..7], "2 free, 1 unused turn");
}

#[tokio::test]
async fn a_shopper_who_holds_nothing_any_more_keeps_nobody_out() {
    let sale = Onsale::of(&[("ga", 1)]).await;
    let numbers = sale.join_many(2).await;
    sale.advance_s(1).await;
    let exact = Pace { overbook: 0, ..OPEN };
    assert_eq!(sale.admits(&exact).await, numbers[..1]);
    let hold = sale.holds_units(numbers[0], "ga", 1).await;
    assert_eq!(sale.admits(&exact).await, [], "nothing is free");
    sale.holds.release(sale.id, hold.id, numbers[0]).await.unwrap();
    assert_eq!(sale.admits(&exact).await, numbers[1..]);
}

/// Acceptance 11.
#[tokio::test]
async fn a_change_of_pace_and_a_pause_take_effect_with_the_next_tick_and_the_order_stays() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.joins_in_batches(200).await;
    let (slow, fast) = (Pace { rate_per_s: 5, burst: 5, ..OPEN }, Pace { rate_per_s: 50, burst: 50, ..OPEN });
    let mut admitted = Vec::new();
    let mut in_a_second = async |pace: &Pace| {
        let ticks = sale.passes(1_000, 200, pace, &numbers).await;
        let before = admitted.len();
        admitted.extend(ticks.iter().flat_map(|tick| &tick.unconfirmed).map(|grant| grant.number));
        admitted.len() - before
    };
    assert_eq!(in_a_second(&slow).await, 5);
    assert_eq!(in_a_second(&fast).await, 50);
    assert_eq!(in_a_second(&slow).await, 5);
    sale.loader.set_paused(sale.id, admission::Pause::Paused, 2).await.unwrap();
    assert_eq!(in_a_second(&fast).await, 0);
    sale.loader.set_paused(sale.id, admission::Pause::Running, 3).await.unwrap();
    assert_eq!(in_a_second(&fast).await, 50);
    assert_eq!(admitted, numbers[..110]);
}

/// What tickers and shoppers saw, together.
#[derive(Default)]
struct Seen {
    /// What each grant cost, by number and moment.
    costs: BTreeMap<(u64, i64), i64>,
    lapses: BTreeSet<(u64, i64)>,
    uses: BTreeSet<(u64, i64)>,
    to_use: Vec<PlaceNumber>,
}

impl Seen {
    fn is_enough(&self) -> bool {
        self.costs.len() > 100 && self.uses.len() > 30 && self.lapses.len() > 30
    }
}

/// How much longer than it should take there may be too little to check.
const LATE_MAX: Duration = Duration::from_secs(60);

/// What a grant cost the bucket; nothing when somebody has confirmed it, and so written its cost down, before.
const COST_OF_GRANT: &str = "return redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] \
    and (redis.call('HGET', KEYS[2], ARGV[1]) or '1000000') or ''";

async fn notes_cost(sale: &Onsale, seen: &Mutex<Seen>, grant: &Grant) {
    let (number, at) = (grant.number.0, grant.granted_at.as_millisecond());
    let [granted, charges] = ["granted", "charges"].map(|key| format!("onsale:{{{}}}:{key}", sale.id));
    let words = ["EVAL", COST_OF_GRANT, "2", &granted, &charges, &number.to_string(), &at.to_string()];
    let cost = sale.command(&words).await.into_string().unwrap();
    if let Ok(cost) = cost.parse() {
        let mut seen = seen.lock().unwrap();
        if seen.costs.insert((number, at), cost).is_none() {
            seen.to_use.push(grant.number);
        }
    }
}

/// A busy machine takes longer until there is something to check.
fn is_over(seen: &Mutex<Seen>, until: Instant) -> bool {
    let late = Instant::now().saturating_duration_since(until);
    late > LATE_MAX || (!late.is_zero() && seen.lock().unwrap().is_enough())
}

async fn ticks(sale: Arc<Onsale>, seen: Arc<Mutex<Seen>>, pace: Pace, until: Instant) {
    while !is_over(&seen, until) {
        let tick = sale.queue.admit(sale.id, &pace, &CALM).await.unwrap();
        for grant in &tick.unconfirmed {
            notes_cost(&sale, &seen, grant).await;
        }
        let lapses = tick.events.iter().filter(|event| event.kind == EventKind::Lapsed);
        let lapses: Vec<_> = lapses.map(|event| (event.number.0, event.at.as_millisecond())).collect();
        seen.lock().unwrap().lapses.extend(lapses);
        sale.queue.confirm(sale.id, &tick, &pace).await.unwrap();
        let shoppers = sale.view().await.shoppers();
        assert!(shoppers <= pace.max_shoppers, "{shoppers} inside");
    }
}

/// About half of the turns are used, and those sessions end soon.
async fn shops(sale: Arc<Onsale>, seen: Arc<Mutex<Seen>>, everyone: Vec<PlaceNumber>, until: Instant) {
    let mut random = Random(4);
    while !is_over(&seen, until) {
        sale.hears(&everyone).await;
        let turns = std::mem::take(&mut seen.lock().unwrap().to_use);
        for number in turns.into_iter().filter(|_| random.below(2) == 0) {
            let wish = wish(number, &[("ga", 1)]);
            if let Take::Taken(hold) = sale.holds.take(sale.id, &wish).await.unwrap() {
                let at = hold.expires_at.as_millisecond() - i64::from(wish.ttl_s) * 1_000;
                seen.lock().unwrap().uses.insert((number.0, at));
                sale.holds.release(sale.id, hold.id, number).await.unwrap();
                sale.queue.end_session(sale.id, number).await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was paid and given back, as it happened; at one moment first what came back.
fn charges(seen: &Seen) -> Vec<Charge> {
    let cost_of = |number: u64, at: i64| {
        let latest = seen.costs.range((number, i64::MIN)..=(number, at)).next_back();
        *latest.expect("it was granted before").1
    };
    let grants = seen.costs.iter().map(|((_, at), cost)| (*at, 1, *cost));
    let lapses = seen.lapses.iter().map(|(number, at)| (*at, 0, -cost_of(*number, *at)));
    let uses = seen.uses.iter().map(|(number, at)| (*at, 2, TURN - cost_of(*number, *at)));
    let mut all: Vec<_> = grants.chain(lapses).chain(uses).collect();
    all.sort_unstable();
    all.into_iter()
        .map(|(at, kind, micro_turns)| Charge {
            at,
            micro_turns,
            what: if kind == 1 { What::Grant } else { What::Settlement },
        })
        .collect()
}

/// Acceptance 6: one to eight tickers as fast as they can, on the clock of Redis; half of the turns are not used.
#[tokio::test(flavor = "multi_thread")]
async fn tickers_at_once_keep_rate_burst_and_cap_in_every_window() {
    let run = if soak::is_on() { Duration::from_secs(20) } else { Duration::from_millis(2_500) };
    for tickers in [1, 2, 4, 8] {
        let sale = Arc::new(Onsale::of(&[("ga", 50_000)]).await);
        sale.runs_clock().await;
        let everyone = sale.joins_in_batches(8_000).await;
        let pace = Pace { rate_per_s: 200, burst: 20, max_shoppers: 150, claim_window_s: 1, ..OPEN };
        sale.ticks(&CLOSED).await;
        sale.advance_s(1).await;
        let (seen, until) = (Arc::new(Mutex::new(Seen::default())), Instant::now() + run);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..tickers {
            tasks.spawn(ticks(Arc::clone(&sale), Arc::clone(&seen), pace, until));
        }
        tasks.spawn(shops(Arc::clone(&sale), Arc::clone(&seen), everyone, until));
        tasks.join_all().await;
        let seen = seen.lock().unwrap();
        let charges = charges(&seen);
        let (grants, lapses, uses) = (seen.costs.len(), seen.lapses.len(), seen.uses.len());
        eprintln!("{tickers} tickers: {grants} grants, {uses} used, {lapses} lapsed");
        assert!(seen.is_enough(), "{tickers} tickers: {grants}, {uses}, {lapses}");
        let over = window::most_over(&charges, pace.rate_per_s, pace.burst);
        assert!(over <= 0, "{tickers} tickers: {over} millionths of a turn over");
        let tighter = window::most_over(&charges, pace.rate_per_s, pace.burst - 1);
        assert!(tighter > 0, "the check is tight: one turn less would not do");
    }
}
