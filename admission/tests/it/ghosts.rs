//! Acceptance 8: numbers that nobody ever hears from again cost the live ones behind them nothing.

use std::time::Instant;

use admission::Pace;
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale};
use crate::pace::CLOSED;
use crate::soak;

const TICK_MS: i64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn live_visitors_behind_a_flood_of_ghosts_are_let_in_at_the_rate() {
    let (ghosts, live, rate) = if soak::is_on() { (1_000_000, 1_000, 100) } else { (20_000, 200, 20) };
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.queue.raise_reserved(sale.id, 2_000_000).await.unwrap();
    sale.joins_in_batches(ghosts).await;
    let visitors = sale.joins_in_batches(live).await;
    sale.passes(20_000, 1_000, &CLOSED, &visitors).await;
    let pace = Pace { rate_per_s: rate, burst: rate, ..OPEN };
    sale.passes(1_000, TICK_MS, &Pace { rate_per_s: 0, burst: 0, ..pace }, &visitors).await;

    let (begun, from, mut admitted, mut ticks) = (Instant::now(), sale.now_ms(), Vec::<PlaceNumber>::new(), 0u32);
    while admitted.len() < live {
        let tick = sale.passes(TICK_MS, TICK_MS, &pace, &visitors).await.remove(0);
        admitted.extend(tick.unconfirmed.iter().map(|grant| grant.number));
        ticks += 1;
        assert!(ticks < 1_000, "{} of {live} after {ticks} ticks", admitted.len());
    }
    let took_s = f64::from(i32::try_from(sale.now_ms() - from).unwrap()) / 1_000.0;
    let expected_s = f64::from(u32::try_from(live).unwrap()) / f64::from(rate);
    eprintln!(
        "{ghosts} ghosts: {live} live in {took_s:.1} s, at the rate it is {expected_s:.1} s; {:?} a tick",
        begun.elapsed() / ticks
    );
    assert_eq!(admitted, visitors, "and in their order");
    assert!((took_s / expected_s - 1.0).abs() <= 0.1, "{took_s} s instead of {expected_s} s");
}

/// Acceptance 7: everybody fits, everybody is there.
#[tokio::test]
async fn two_hundred_for_two_hundred_units_are_all_in_within_two_seconds() {
    let sale = Onsale::of(&[("ga", 200)]).await;
    let visitors = sale.joins_in_batches(200).await;
    let pace = Pace { rate_per_s: 100, burst: 100, overbook: 0, ..OPEN };
    let ticks = sale.passes(2_000, TICK_MS, &pace, &visitors).await;
    assert_eq!(ticks.iter().map(|tick| tick.unconfirmed.len()).sum::<usize>(), 200);
}

/// Acceptance 7: of 200 the first one, the first half, or the first 95 % are not there.
#[tokio::test]
async fn no_live_visitor_waits_longer_for_the_absent_than_a_grace_and_a_tick() {
    const GRACE_MS: i64 = 17_500;
    for absent in [1, 100, 190] {
        let sale = Onsale::of(&[("ga", 200)]).await;
        let visitors = sale.joins_in_batches(200).await;
        let pace = Pace { rate_per_s: 100, burst: 100, overbook: 0, ..OPEN };
        let ticks = sale.passes(GRACE_MS + TICK_MS, TICK_MS, &pace, &visitors[absent..]).await;
        let granted = ticks.iter().flat_map(|tick| &tick.unconfirmed).map(|grant| grant.number);
        let live: Vec<_> = granted.filter(|number| *number > visitors[absent - 1]).collect();
        assert_eq!(live, visitors[absent..], "{absent} absent");
    }
}
