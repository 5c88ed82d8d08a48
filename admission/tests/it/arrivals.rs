//! Acceptance 9: whatever share of turns nobody uses, those who arrive meet the rate, and a step in that share never breaks
//! the cap. Two minutes of a sale by the sandbox clock.

use std::collections::VecDeque;

use admission::{Pace, Take};
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale, wish};
use crate::random::Random;

const TICK_MS: i64 = 200;
const RATE: u32 = 30;
/// The slowest of those who come at all.
const SLOWEST_MS: usize = 8_000;
const PACE: Pace = Pace { rate_per_s: RATE, burst: RATE, claim_window_s: 10, ..OPEN };
const VISITORS: usize = 15_000;

/// A sale whose visitors use their turn after a while, or go away.
struct Crowd {
    sale: Onsale,
    random: Random,
    present: Vec<PlaceNumber>,
    coming: VecDeque<(i64, PlaceNumber)>,
    arrived: Vec<i64>,
    shopping: Vec<PlaceNumber>,
    most_inside: u32,
}

impl Crowd {
    async fn gathers(seed: u64) -> Self {
        let sale = Onsale::of(&[("ga", 30_000)]).await;
        let present = sale.joins_in_batches(VISITORS).await;
        let (coming, arrived, shopping) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { sale, random: Random(seed), present, coming, arrived, shopping, most_inside: 0 }
    }

    /// So many seconds in which so many of 100 whose turn it is do not use it.
    async fn for_s(&mut self, seconds: i64, no_shows_of_100: usize, pace: &Pace) {
        for _ in 0..seconds * 1_000 / TICK_MS {
            self.sale.advance_ms(TICK_MS).await;
            if self.sale.now_ms() % 2_400 == 0 {
                self.sale.hears(&self.present).await;
            }
            let admitted = self.sale.admits(pace).await;
            self.most_inside = self.most_inside.max(self.sale.view().await.shoppers());
            for number in admitted {
                if self.random.below(100) >= no_shows_of_100 {
                    let after = i64::try_from(self.random.below(SLOWEST_MS)).unwrap();
                    self.coming.push_back((self.sale.now_ms() + after, number));
                } else {
                    let index = self.present.binary_search(&number).unwrap();
                    self.present.remove(index);
                }
            }
            self.arrive().await;
        }
    }

    async fn arrive(&mut self) {
        let now = self.sale.now_ms();
        let (due, rest): (Vec<_>, Vec<_>) = self.coming.drain(..).partition(|(at, _)| *at <= now);
        self.coming = VecDeque::from(rest);
        for (_, number) in due {
            let took = self.sale.holds.take(self.sale.id, &wish(number, &[("ga", 1)])).await.unwrap();
            assert!(matches!(took, Take::Taken(_)), "{number} came in time: {took:?}");
            self.arrived.push(now);
            self.shopping.push(number);
        }
    }

    async fn go_home(&mut self) {
        for number in self.shopping.drain(..) {
            self.sale.queue.end_session(self.sale.id, number).await.unwrap();
        }
    }

    /// Arrivals a second over the last so many seconds.
    fn rate_over_s(&self, seconds: i64) -> f64 {
        let since = self.sale.now_ms() - seconds * 1_000;
        let arrived = self.arrived.iter().filter(|at| **at > since).count();
        f64::from(u32::try_from(arrived).unwrap()) / f64::from(u32::try_from(seconds).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_arrive_meet_the_rate_whatever_share_does_not() {
    for no_shows_of_100 in [0, 30, 70] {
        let mut crowd = Crowd::gathers(9 + no_shows_of_100 as u64).await;
        crowd.for_s(60, no_shows_of_100, &PACE).await;
        crowd.for_s(40, no_shows_of_100, &PACE).await;
        let rate = crowd.rate_over_s(40);
        let off = (rate / f64::from(RATE) - 1.0) * 100.0;
        let charged = crowd.sale.view().await.pacing.no_show_milli;
        eprintln!(
            "{no_shows_of_100} % no-shows: {rate:.2} arrivals/s for {RATE}/s, {off:+.1} %; charged in advance for {charged} of 1,000"
        );
        assert!(off.abs() <= 5.0, "{no_shows_of_100} % no-shows: {rate:.2}/s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_the_share_of_no_shows_never_breaks_the_cap() {
    let mut crowd = Crowd::gathers(3).await;
    let capped = Pace { max_shoppers: 500, ..PACE };
    for (seconds, no_shows_of_100) in [(20, 70), (20, 0), (10, 90), (20, 0)] {
        crowd.for_s(seconds, no_shows_of_100, &capped).await;
        crowd.go_home().await;
    }
    assert!(crowd.most_inside > 450, "the cap was in reach: {}", crowd.most_inside);
    assert!(crowd.most_inside <= capped.max_shoppers, "{} inside", crowd.most_inside);
}
