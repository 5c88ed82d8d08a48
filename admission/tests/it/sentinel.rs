//! A primary is lost and sentinels put another in its place: nobody restarts anything.

use std::time::{Duration, Instant};

use admission::{AdmissionError, Freeze, Load, Take};
use sandbox::RedisSentinel;

use crate::onsale::{Onsale, tier, unit_numbers, wish};

/// How soon after the failover service must be.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(5);
/// Long before sentinels tell a primary that was cut off that it is none any more, which takes them 8 s.
const LEFT_WITHIN: Duration = Duration::from_secs(4);
/// Several for each connection.
const VIEWS: usize = 40;
const UNITS: u32 = 9;

async fn loaded(redis: &RedisSentinel) -> Onsale {
    let sale = Onsale::at(&redis.url()).await;
    sale.loads(&[("ga", UNITS)]).await;
    sale.queue.raise_reserved(sale.id, 1_000).await.unwrap();
    sale
}

/// Asks until there is an answer; how long that took.
pub(crate) async fn is_served_again(sale: &Onsale) -> Duration {
    let begun = Instant::now();
    loop {
        match sale.queue.view(sale.id).await {
            Ok(_) => return begun.elapsed(),
            Err(AdmissionError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error:?}"),
        }
        assert!(begun.elapsed() < BACK_WITHIN, "no service {BACK_WITHIN:?} after the failover");
    }
}

/// Asks until the answer is that Redis does not have the sale.
pub(crate) async fn is_known_to_be_lost(sale: &Onsale) {
    let begun = Instant::now();
    loop {
        let answer = sale.queue.view(sale.id).await;
        if matches!(answer, Err(AdmissionError::NotLoaded)) {
            return;
        }
        assert!(begun.elapsed() < BACK_WITHIN, "it is not known that the sale is lost: {answer:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_holds_and_turns_are_as_they_were_and_scripts_are_sent_anew() {
    let redis = RedisSentinel::start().await.unwrap();
    let sale = loaded(&redis).await;
    let numbers = sale.turns(3).await;
    let (kept, ordered) = (sale.holds_units(numbers[0], "ga", 2).await, sale.holds_units(numbers[1], "ga", 3).await);
    assert!(matches!(sale.holds.freeze(sale.id, ordered.id, numbers[1]).await.unwrap(), Freeze::Frozen(_)));
    redis.wait_until_replicated().await.unwrap();

    let lost = redis.kill_primary().await.unwrap();
    let refused = sale.queue.view(sale.id).await;
    assert!(matches!(refused, Err(AdmissionError::Unavailable(_))), "{refused:?}");
    redis.wait_until_failed_over(lost).await.unwrap();
    let took = is_served_again(&sale).await;
    eprintln!("failed over by sentinels: served {took:?} after there is a new primary");
    assert_eq!(sale.holds.look(sale.id, kept.id).await.unwrap(), Some(kept));
    assert_eq!((sale.stock("ga").await.free, sale.stock("ga").await.held), (UNITS - 5, 5));
    let Take::Taken(next) = sale.takes(numbers[2], "ga", UNITS - 5).await else { panic!("the pass survives") };
    assert_eq!(unit_numbers(&next), [5, 6, 7, 8]);
    sale.holds.commit(sale.id, ordered.id).await.unwrap();

    redis.restart(lost).await.unwrap();
    let lost = redis.kill_primary().await.unwrap();
    redis.wait_until_failed_over(lost).await.unwrap();
    is_served_again(&sale).await;
    assert_eq!(sale.stock("ga").await.free, 0, "the next failover, to any of them");
}

/// A machine that is cut off goes on believing that it is the primary.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_cut_off_is_left_and_gets_nothing_when_it_is_back() {
    let redis = RedisSentinel::start().await.unwrap();
    let sale = loaded(&redis).await;
    let numbers = sale.turns(2).await;
    redis.wait_until_replicated().await.unwrap();
    let lost = redis.primary().await.unwrap();
    redis.freeze(lost).await.unwrap();
    redis.wait_until_failed_over(lost).await.unwrap();
    is_served_again(&sale).await;
    let wish = wish(numbers[0], &[("ga", 4)]);
    while sale.holds.take(sale.id, &wish).await.is_err() {}

    // Whatever connection it was that found the new one: the others are not to fall back to the old.
    redis.thaw(lost).await.unwrap();
    let (thawed, mut right) = (Instant::now(), 0);
    while right < VIEWS {
        let held = sale.queue.view(sale.id).await.map(|view| view.stock[&tier("ga")].held);
        right = if matches!(held, Ok(4)) { right + 1 } else { 0 };
        assert!(thawed.elapsed() < LEFT_WITHIN, "seen of the one that was cut off: {held:?}");
    }
    let Take::Taken(rest) = sale.takes(numbers[1], "ga", 5).await else { panic!("five are left") };
    assert_eq!(unit_numbers(&rest), [4, 5, 6, 7, 8]);
}

/// The primary is back before anybody missed it, empty, and so are its replicas then.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_comes_back_empty_is_loaded_again() {
    let redis = RedisSentinel::start().await.unwrap();
    let sale = loaded(&redis).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    redis.restart_primary_empty().await.unwrap();
    is_known_to_be_lost(&sale).await;
    let again = sale.snapshot(2, &[("ga", UNITS)]);
    assert_eq!(sale.loader.load(&again).await.unwrap(), Load::Loaded);
    let receipt = crate::onsale::receipt(&hold, 2);
    let back = sale.holds.reclaim(sale.id, &receipt).await.unwrap();
    assert!(matches!(back, admission::Reclaim::Reclaimed(_)), "{back:?}");
}
