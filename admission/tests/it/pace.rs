use std::time::{Duration, Instant};

use admission::{Grant, Pace, PaceState};

use crate::onsale::{OPEN, Onsale};

/// Ticks that admit nobody.
pub(crate) const CLOSED: Pace = Pace { state: PaceState::Paused, ..OPEN };

/// 150 turns at 100 a second, on a machine that has other things to do.
const FULL_WITHIN: Duration = Duration::from_secs(20);

/// The most grants that any window has more than `rate × window + burst` allows; negative while none has.
fn most_over(grants: &[Grant], pace: &Pace) -> i64 {
    let mut times: Vec<_> = grants.iter().map(|grant| grant.granted_at.as_millisecond()).collect();
    times.sort_unstable();
    let over = |first: usize, last: usize| {
        let window_ms = times[last] - times[first];
        let admitted = i64::try_from(last - first + 1).unwrap() * 1_000;
        admitted - window_ms * i64::from(pace.rate_per_s) - i64::from(pace.burst) * 1_000
    };
    let windows = (0..times.len()).flat_map(|first| (first..times.len()).map(move |last| (first, last)));
    windows.map(|(first, last)| over(first, last)).max().unwrap_or(i64::MIN)
}

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
    let first = sale.admits(&pace).await;
    assert_eq!(first.len(), 5, "{first:?}");
    sale.advance_s(1).await;
    let second = sale.admits(&pace).await;
    assert!((2..=5).contains(&second.len()), "{second:?}");
    assert_eq!([first, second].concat(), numbers[..sale.view().await.shoppers() as usize]);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_tickers_at_once_keep_rate_and_cap_in_every_window() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let visitors = 400;
    sale.join_many(visitors).await;
    let pace = Pace { rate_per_s: 100, burst: 20, max_shoppers: 150, ..OPEN };
    let mut tickers: tokio::task::JoinSet<Vec<Grant>> = (0..4)
        .map(|_| {
            let (queue, id) = (sale.queue.clone(), sale.id);
            async move {
                let (begun, mut seen) = (Instant::now(), Vec::new());
                let mut ticks_when_full = 0;
                while ticks_when_full < 50 && begun.elapsed() < FULL_WITHIN {
                    let granted = queue.admit(id, &pace).await.unwrap().unconfirmed;
                    let shoppers = queue.view(id).await.unwrap().shoppers();
                    assert!(shoppers <= pace.max_shoppers, "{shoppers} inside");
                    ticks_when_full += u32::from(shoppers == pace.max_shoppers);
                    let numbers: Vec<_> = granted.iter().map(|grant| grant.number).collect();
                    queue.confirm(id, &numbers, &pace).await.unwrap();
                    seen.extend(granted);
                }
                seen
            }
        })
        .collect();
    let mut grants = Vec::new();
    while let Some(seen) = tickers.join_next().await {
        grants.extend(seen.unwrap());
    }
    grants.sort_unstable_by_key(|grant| grant.number);
    grants.dedup();
    assert_eq!(grants.len(), 150, "the cap was reached and kept; each turn was granted once");
    assert!(grants.iter().map(|grant| grant.granted_at).is_sorted(), "by number");
    assert!(most_over(&grants, &pace) <= 0, "{} milli-turns over", most_over(&grants, &pace));
}

/// The control of the test above: the same grants against a rate they were not made for.
#[tokio::test]
async fn the_window_check_notices_a_rate_that_is_too_high() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.join_many(30).await;
    sale.advance_s(1).await;
    let pace = Pace { rate_per_s: 100, burst: 20, ..OPEN };
    let grants = sale.ticks(&pace).await;
    assert!(most_over(&grants, &pace) <= 0);
    assert!(most_over(&grants, &Pace { burst: 19, ..pace }) > 0);
}
