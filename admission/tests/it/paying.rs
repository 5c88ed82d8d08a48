//! Acceptance 10: payments that become ten times as slow, or fail in three of ten, cut admission within 5 s; it recovers
//! without oscillation. A payment system of a few lines, two gateways, the real scripts, the sandbox clock.

use std::collections::VecDeque;

use admission::{Health, Pace, Pulse};
use domain::PlaceNumber;
use uuid::Uuid;

use crate::onsale::{OPEN, Onsale};
use crate::random::Random;

const TICK_MS: i64 = 200;
const RATE: u32 = 20;
const PACE: Pace = Pace { rate_per_s: RATE, burst: RATE, ..OPEN };
const VISITORS: usize = 4_000;
const GATEWAYS: usize = 2;
/// What a payment takes when all is well; slower than a second and than three times this is bad.
const CALM_MS: i64 = 300;
const SLOW_MS: i64 = 1_000;
const WINDOW_MS: i64 = 5_000;
/// From the turn to the press on Pay.
const CHECKOUT_MS: i64 = 6_000;

/// What is the matter with payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    TenTimesSlower,
    ThreeOfTenFail,
    /// One call at a time, each for this long; the others wait.
    OneEvery {
        ms: i64,
    },
}

struct Call {
    began: i64,
    ends: i64,
    fails: bool,
}

/// A sale whose shoppers pay.
struct Shop {
    sale: Onsale,
    random: Random,
    visitors: Vec<PlaceNumber>,
    /// Who will press Pay, and when.
    pressing: VecDeque<(i64, PlaceNumber)>,
    /// Who has pressed it, and when the answer comes: then the session is over.
    paying: Vec<(i64, PlaceNumber)>,
    pace: Pace,
    calls: [Vec<Call>; GATEWAYS],
    admitted: Vec<i64>,
    factors: Vec<(i64, u32)>,
    server_free_at: i64,
}

impl Shop {
    async fn opens(seed: u64) -> Self {
        let sale = Onsale::of(&[("ga", 10_000)]).await;
        let visitors = sale.joins_in_batches(VISITORS).await;
        let (pressing, calls) = (VecDeque::new(), [Vec::new(), Vec::new()]);
        Self {
            sale,
            random: Random(seed),
            visitors,
            pressing,
            paying: Vec::new(),
            pace: PACE,
            calls,
            admitted: Vec::new(),
            factors: Vec::new(),
            server_free_at: 0,
        }
    }

    async fn for_s(&mut self, seconds: i64, trouble: Trouble) {
        for _ in 0..seconds * 1_000 / TICK_MS {
            self.sale.advance_ms(TICK_MS).await;
            self.pay(trouble);
            self.go_home().await;
            if self.sale.now_ms() % 2_400 == 0 {
                self.sale.hears(&self.visitors).await;
            }
            for gateway in 0..GATEWAYS {
                let pulse = self.pulse(gateway);
                let tick = self.sale.queue.admit(self.sale.id, &self.pace, &pulse).await.unwrap();
                self.sale.queue.confirm(self.sale.id, &tick, &self.pace).await.unwrap();
                let now = self.sale.now_ms();
                self.factors.push((now, tick.factor_milli));
                for grant in &tick.unconfirmed {
                    self.admitted.push(now);
                    self.pressing.push_back((now + CHECKOUT_MS, grant.number));
                    self.sale.holds_units(grant.number, "ga", 1).await;
                }
            }
        }
    }

    /// Who presses Pay now makes a call, through one of the gateways.
    fn pay(&mut self, trouble: Trouble) {
        let now = self.sale.now_ms();
        while let Some((_, number)) = self.pressing.pop_front_if(|(at, _)| *at <= now) {
            let usual = CALM_MS / 2 + i64::try_from(self.random.below(300)).unwrap();
            let (took, fails) = match trouble {
                Trouble::None => (usual, false),
                Trouble::TenTimesSlower => (10 * usual, false),
                Trouble::ThreeOfTenFail => (usual, self.random.below(10) < 3),
                Trouble::OneEvery { ms } => {
                    self.server_free_at = self.server_free_at.max(now) + ms;
                    (self.server_free_at - now + usual, false)
                }
            };
            let gateway = self.random.below(GATEWAYS);
            self.calls[gateway].push(Call { began: now, ends: now + took, fails });
            self.paying.push((now + took, number));
        }
    }

    async fn go_home(&mut self) {
        let now = self.sale.now_ms();
        for (_, number) in self.paying.extract_if(.., |(ends, _)| *ends <= now) {
            self.sale.queue.end_session(self.sale.id, number).await.unwrap();
        }
    }

    /// As a gateway reckons it: what ended in the window, and what is in flight for too long.
    fn pulse(&mut self, gateway: usize) -> Pulse {
        let now = self.sale.now_ms();
        let calls = &mut self.calls[gateway];
        calls.retain(|call| call.ends > now - WINDOW_MS);
        let told = |call: &&Call| call.ends <= now || now - call.began > SLOW_MS;
        let bad = |call: &&Call| (call.ends <= now && call.fails) || call.ends.min(now) - call.began > SLOW_MS;
        let count = |calls: usize| u32::try_from(calls).unwrap();
        Pulse {
            gateway: Uuid::from_u128(gateway as u128),
            payments: count(calls.iter().filter(told).count()),
            bad: count(calls.iter().filter(told).filter(bad).count()),
            sum_ms: 0,
            postgres: Health::Answers,
            stripe: Health::Answers,
        }
    }

    /// The most turns in any second since a moment.
    fn most_in_a_second(&self, since: i64) -> usize {
        let times: Vec<_> = self.admitted.iter().copied().filter(|at| *at > since).collect();
        times
            .iter()
            .map(|from| times.iter().filter(|at| (*from..*from + 1_000).contains(*at)).count())
            .max()
            .unwrap_or(0)
    }

    fn admitted_in(&self, from: i64, to: i64) -> usize {
        self.admitted.iter().filter(|at| (from..to).contains(*at)).count()
    }

    /// How often the factor turned from falling to rising or back.
    fn turns_of_factor(&self) -> usize {
        let steps: Vec<_> =
            self.factors.windows(2).map(|pair| pair[1].1.cmp(&pair[0].1)).filter(|step| step.is_ne()).collect();
        steps.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    fn first(&self, since: i64, is: impl Fn(u32) -> bool) -> i64 {
        let found = self.factors.iter().find(|(at, factor)| *at > since && is(*factor));
        found.expect("the factor got there").0 - since
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_payments_cuts_admission_within_5_s_and_it_recovers_without_oscillation() {
    for trouble in [Trouble::TenTimesSlower, Trouble::ThreeOfTenFail] {
        let mut shop = Shop::opens(7).await;
        shop.for_s(20, Trouble::None).await;
        let began = shop.sale.now_ms();
        let before = shop.admitted_in(began - 10_000, began);
        shop.for_s(20, trouble).await;
        let ended = shop.sale.now_ms();
        shop.for_s(60, Trouble::None).await;

        let cut_after = shop.first(began, |factor| factor <= 500);
        let back_after = shop.first(ended, |factor| factor == 1_000);
        let during = shop.admitted_in(began + 5_000, began + 6_000);
        let most = shop.most_in_a_second(ended);
        let after = shop.admitted_in(ended + 50_000, ended + 60_000);
        eprintln!(
            "{trouble:?}: halved {cut_after} ms after it began, {during} in the second after 5 s (before: {} a second), \
             lowest {} of 1,000, full {back_after} ms after it ended, at most {most} in a second, {} turns of the factor",
            before / 10,
            shop.factors.iter().map(|(_, factor)| *factor).min().unwrap(),
            shop.turns_of_factor(),
        );
        assert!(cut_after <= 5_000, "{trouble:?}: cut after {cut_after} ms");
        assert!(during * 2 <= before / 10, "{trouble:?}: {during} a second after 5 s, {before} in 10 s before");
        assert!(back_after <= 30_000, "{trouble:?}: full again after {back_after} ms");
        assert!(most * 10 <= RATE as usize * 12, "{trouble:?}: {most} in a second is more than a fifth above {RATE}");
        assert!(after.abs_diff(before) * 20 <= before, "{trouble:?}: {after} in 10 s, {before} before");
        assert!(shop.turns_of_factor() <= 3, "{trouble:?}: {:?}", shop.factors);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_of_trouble_costs_little() {
    let mut shop = Shop::opens(8).await;
    shop.for_s(20, Trouble::None).await;
    let began = shop.sale.now_ms();
    shop.for_s(1, Trouble::ThreeOfTenFail).await;
    shop.for_s(40, Trouble::None).await;
    let lowest = shop.factors.iter().map(|(_, factor)| *factor).min().unwrap();
    assert!(lowest >= 125, "three cuts at most: {lowest}");
    assert!(shop.first(began + 7_000, |factor| factor == 1_000) <= 20_000);
}

/// A payment system that can only take half of the rate, for good. The factor alone is late, by the time from a turn to its
/// payment, and swings; the payment budget, as a cap on shoppers, holds it steady.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_system_that_is_too_small_is_not_drowned_and_with_a_budget_it_is_used_well() {
    const A_CALL_EVERY_MS: i64 = 100;
    const BUDGET: u32 = 60;
    for (budget_shoppers, used_at_least, behind_at_most) in [(u32::MAX, 35, 10_000), (BUDGET, 85, 1_000)] {
        let (mut shop, half) = (Shop::opens(3).await, Trouble::OneEvery { ms: A_CALL_EVERY_MS });
        shop.pace.budget_shoppers = budget_shoppers;
        shop.for_s(60, half).await;
        let (from, mut behind) = (shop.sale.now_ms(), 0);
        for _ in 0..60 {
            shop.for_s(1, half).await;
            behind = behind.max(shop.server_free_at - shop.sale.now_ms());
        }
        let factors = shop.factors.iter().filter(|(at, _)| *at > from).map(|(_, factor)| *factor);
        let (lowest, highest) = (factors.clone().min().unwrap(), factors.max().unwrap());
        let used =
            shop.admitted_in(from, shop.sale.now_ms()) * 100 / usize::try_from(60_000 / A_CALL_EVERY_MS).unwrap();
        eprintln!(
            "half of the rate, budget {budget_shoppers}: factor {lowest} to {highest} of 1,000, {used} % used, at most {behind} ms behind"
        );
        assert!((used_at_least..=105).contains(&used), "{used} % of what it can take");
        assert!(behind < behind_at_most, "{behind} ms behind");
    }
}
