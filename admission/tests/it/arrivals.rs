//! Acceptance 9: whatever share of turns nobody uses, those who arrive meet the rate, and a step in that share never breaks
//! the cap. 100 s of a sale by the sandbox clock.

use std::collections::VecDeque;

use admission::{Pace, Take};
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale, wish};
use crate::random::Random;
use crate::soak;

const TICK_MS: i64 = 200;
/// The slowest of those who come at all.
const SLOWEST_MS: usize = 8_000;

/// How large a sale is that shows it.
struct Size {
    pace: Pace,
    visitors: usize,
    cap: u32,
}

impl Size {
    fn now() -> Self {
        let (rate, visitors, cap) = if soak::is_on() { (100, 50_000, 1_600) } else { (30, 15_000, 500) };
        Self { pace: Pace { rate_per_s: rate, burst: rate, claim_window_s: 10, ..OPEN }, visitors, cap }
    }
}

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
    async fn gathers(seed: u64, visitors: usize) -> Self {
        let sale = Onsale::of(&[("ga", 30_000)]).await;
        let present = sale.joins_in_batches(visitors).await;
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
    let Size { pace, visitors, .. } = Size::now();
    let target = pace.rate_per_s;
    for no_shows_of_100 in [0, 30, 70] {
        let mut crowd = Crowd::gathers(9 + no_shows_of_100 as u64, visitors).await;
        crowd.for_s(60, no_shows_of_100, &pace).await;
        crowd.for_s(40, no_shows_of_100, &pace).await;
        let rate = crowd.rate_over_s(40);
        let off = (rate / f64::from(target) - 1.0) * 100.0;
        let charged = crowd.sale.view().await.pacing.no_show_milli;
        eprintln!(
            "{no_shows_of_100} % no-shows: {rate:.2} arrivals/s for {target}/s, {off:+.1} %; charged in advance for {charged} of 1,000"
        );
        assert!(off.abs() <= 5.0, "{no_shows_of_100} % no-shows: {rate:.2}/s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_the_share_of_no_shows_never_breaks_the_cap() {
    let Size { pace, visitors, cap } = Size::now();
    let mut crowd = Crowd::gathers(3, visitors).await;
    let capped = Pace { max_shoppers: cap, ..pace };
    for (seconds, no_shows_of_100) in [(20, 70), (20, 0), (10, 90), (20, 0)] {
        crowd.for_s(seconds, no_shows_of_100, &capped).await;
        crowd.go_home().await;
    }
    eprintln!("no-shows 70 %, 0 %, 90 %, 0 %: at most {} inside, the cap is {}", crowd.most_inside, cap);
    assert!(crowd.most_inside > cap * 9 / 10, "the cap was in reach: {}", crowd.most_inside);
    assert!(crowd.most_inside <= cap, "{} inside", crowd.most_inside);
}
