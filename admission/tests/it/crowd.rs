//! Acceptance 1: a crowd joins through four gateways at once.

use std::time::{Duration, Instant};

use admission::{JOIN_BATCH_MAX, Queue, Store, StoreConfig};
use domain::PlaceNumber;

use crate::onsale::{Onsale, ask, number_of};
use crate::random::Random;
use crate::soak;

const GATEWAYS: u64 = 4;

/// A batch that one gateway sent, and what came of it.
struct Batch {
    asked: Duration,
    answered: Duration,
    numbers: Vec<PlaceNumber>,
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_unique_and_follow_the_order_in_which_each_gateway_asked() {
    let visitors = if soak::is_on() { 200_000 } else { 20_000 };
    let sale = Onsale::of(&[("ga", 10)]).await;
    let url = sandbox::shared().await.unwrap().redis.url();
    let begun = Instant::now();
    let mut gateways = tokio::task::JoinSet::new();
    for gateway in 0..GATEWAYS {
        let queue = Queue::new(Store::connect(&url, StoreConfig::default()).await.unwrap());
        let holders: Vec<_> = (0..visitors / GATEWAYS).map(|_| sale.somebody()).collect();
        let id = sale.id;
        gateways.spawn(async move {
            let (mut random, mut rest, mut batches) = (Random(gateway), holders.as_slice(), Vec::new());
            while !rest.is_empty() {
                let (these, others) = rest.split_at(rest.len().min(1 + random.below(JOIN_BATCH_MAX)));
                rest = others;
                let asks: Vec<_> = these.iter().copied().map(ask).collect();
                let asked = begun.elapsed();
                let numbers = queue.join_many(id, &asks, 0).await.unwrap().iter().map(number_of).collect();
                batches.push(Batch { asked, answered: begun.elapsed(), numbers });
            }
            batches
        });
    }
    let gateways = gateways.join_all().await;
    let took = begun.elapsed();

    let mut all: Vec<_> =
        gateways.iter().flatten().flat_map(|batch| batch.numbers.iter().map(|number| number.0)).collect();
    for gateway in &gateways {
        let numbers: Vec<_> = gateway.iter().flat_map(|batch| &batch.numbers).collect();
        assert!(numbers.is_sorted(), "a gateway's numbers grow in the order it asked");
    }
    all.sort_unstable();
    assert_eq!(all, (1..=visitors).collect::<Vec<_>>(), "every number once");
    let inversion = largest_inversion(&gateways);
    eprintln!(
        "{visitors} joins through {GATEWAYS} gateways in {took:?}; largest inversion between gateways {inversion:?}"
    );
}

/// The longest time by which somebody asked earlier than somebody else and got a larger number. Who was answered before
/// the other one asked has the smaller number, always.
fn largest_inversion(gateways: &[Vec<Batch>]) -> Duration {
    let mut batches: Vec<_> = gateways.iter().flatten().collect();
    batches.sort_unstable_by_key(|batch| batch.numbers[0]);
    let (mut largest, mut latest_ask) = (Duration::ZERO, Duration::ZERO);
    for batch in batches {
        assert!(batch.answered >= latest_ask, "answered before somebody with smaller numbers had asked");
        largest = largest.max(latest_ask.saturating_sub(batch.asked));
        latest_ask = latest_ask.max(batch.asked);
    }
    largest
}

#[tokio::test]
async fn a_holder_asked_for_many_times_in_one_batch_has_one_place() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let (ann, bob) = (sale.somebody(), sale.somebody());
    let joins = sale.queue.join_many(sale.id, &[ann, bob, ann, ann, bob].map(ask), 0).await.unwrap();
    let numbers: Vec<_> = joins.iter().map(|join| number_of(join).0).collect();
    assert_eq!(numbers, [1, 2, 1, 1, 2]);
    assert_eq!(sale.view().await.joined_total, 2);
}

#[tokio::test]
async fn a_batch_that_uses_up_the_reserved_numbers_serves_the_first_ones() {
    let sale = Onsale::unloaded().await;
    sale.loads(&[("ga", 1)]).await;
    sale.queue.raise_reserved(sale.id, 2).await.unwrap();
    let asks = [(); 4].map(|()| ask(sale.somebody()));
    let epoch = 1;
    let new = |number| admission::Join::New { number: PlaceNumber(number), epoch };
    let first = sale.queue.join_many(sale.id, &asks, 0).await.unwrap();
    assert_eq!(first, [new(1), new(2), admission::Join::ReserveNumbers, admission::Join::ReserveNumbers]);
    sale.queue.raise_reserved(sale.id, 3).await.unwrap();
    let second = sale.queue.join_many(sale.id, &asks, 0).await.unwrap();
    assert_eq!(second[2..], [new(3), admission::Join::ReserveNumbers]);
    assert_eq!(second[..2].iter().map(number_of).collect::<Vec<_>>(), [PlaceNumber(1), PlaceNumber(2)]);
}

#[tokio::test]
async fn a_join_to_a_sale_that_is_not_there_leaves_nothing_behind() {
    let sale = Onsale::unloaded().await;
    let refused = sale.queue.join_many(sale.id, &[ask(sale.somebody())], 0).await;
    assert!(matches!(refused, Err(admission::AdmissionError::NotLoaded)), "{refused:?}");
    assert_eq!(sale.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_sale_that_ended_is_gone_after_a_while() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(2).await[0];
    sale.holds_units(number, "ga", 1).await;
    sale.loader.unload(sale.id).await.unwrap();
    let lasting = sale.keys().await;
    let mut without_end = Vec::new();
    for key in lasting {
        let ttl_s = sale.command(&["TTL", &key]).await.as_i64().unwrap();
        if !(1..=i64::from(admission::ENDED_KEPT_S)).contains(&ttl_s) {
            without_end.push((key, ttl_s));
        }
    }
    assert_eq!(without_end, []);
    assert!(sale.place(number).await != admission::PlaceView::Unknown, "until then it answers");
}
