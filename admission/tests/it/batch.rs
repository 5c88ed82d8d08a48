//! Holds taken many at once.

use admission::keys::SaleKeys;
use admission::{AdmissionError, PlaceView, Take, TakeHold};
use jiff::Timestamp;

use crate::onsale::{Onsale, any, floor, seats, some_hold, some_request, stalls, tier, together, wish_for};

const BUYERS: usize = 16;

async fn hall() -> Onsale {
    Onsale::of_tiers(vec![floor("ga", 5), stalls("stalls", &[4, 4])]).await
}

/// What was answered, save for when it was.
fn told(take: Result<Take, AdmissionError>) -> Result<Take, String> {
    take.map_err(|error| error.to_string()).map(|take| match take {
        Take::Taken(mut hold) => {
            hold.expires_at = Timestamp::UNIX_EPOCH;
            Take::Taken(hold)
        }
        Take::Replayed(mut hold) => {
            hold.expires_at = Timestamp::UNIX_EPOCH;
            Take::Replayed(hold)
        }
        refusal => refusal,
    })
}

/// The wishes get in each other's way: for the same units and rows, by the same pass, of the same request.
#[tokio::test]
async fn a_batch_answers_what_as_many_calls_would() {
    let (at_once, singly) = (hall().await, hall().await);
    let numbers = at_once.turns(BUYERS).await;
    assert_eq!(numbers, singly.turns(BUYERS).await);
    let first = wish_for(numbers[0], &[("ga", any(2))]);
    let other_content = TakeHold { fingerprint: [8; 32], hold: some_hold(), ..first.clone() };
    let again = TakeHold { hold: some_hold(), ..first.clone() };
    let twice = TakeHold { hold: some_hold(), request: some_request(), ..first.clone() };
    let same_hold = TakeHold { request: some_request(), number: numbers[1], ..first.clone() };
    let unbounded = wish_for(numbers[4], &[("ga", any(1))]);
    let wishes = [
        first,
        again,
        other_content,
        twice,
        same_hold,
        wish_for(numbers[1], &[("stalls", together(3))]),
        wish_for(numbers[2], &[("nowhere", any(1))]),
        wish_for(numbers[2], &[("stalls", together(3)), ("ga", any(1))]),
        wish_for(numbers[3], &[("stalls", together(2))]),
        wish_for(numbers[3], &[("stalls", seats(&[0, 1]))]),
        wish_for(numbers[3], &[("stalls", any(2)), ("ga", any(1))]),
        TakeHold { allowed: [(tier("ga"), 4)].into(), ..unbounded.clone() },
        unbounded,
        wish_for(numbers[5], &[("ga", any(1))]),
        wish_for(numbers[5], &[("ga", any(6))]),
        TakeHold { per_buyer_limit: 1, ..wish_for(numbers[6], &[("stalls", any(2))]) },
        wish_for(domain::PlaceNumber(1_000), &[("ga", any(1))]),
    ];

    let mut one_by_one = Vec::new();
    for wish in &wishes {
        one_by_one.push(told(singly.holds.take(singly.id, wish).await));
    }
    let batch = at_once.holds.take_many(at_once.id, &wishes).await.unwrap();
    assert_eq!(batch.into_iter().map(told).collect::<Vec<_>>(), one_by_one);
    let taken = one_by_one.iter().filter(|take| matches!(take, Ok(Take::Taken(_)))).count();
    let kinds = one_by_one.iter().map(|take| take.as_ref().map(std::mem::discriminant).ok());
    let kinds: std::collections::HashSet<_> = kinds.collect();
    assert!(taken >= 5 && kinds.len() >= 9, "{taken} taken, {} kinds of answer: {one_by_one:?}", kinds.len());
    for name in ["ga", "stalls"] {
        assert_eq!(at_once.stock(name).await, singly.stock(name).await, "{name}");
    }
    for number in numbers {
        let inside = async |sale: &Onsale| matches!(sale.place(number).await, PlaceView::Shopping { .. });
        assert_eq!(inside(&at_once).await, inside(&singly).await, "{number}");
    }
}

#[tokio::test]
async fn a_batch_of_nothing_takes_nothing() {
    let sale = hall().await;
    assert_eq!(sale.holds.take_many(sale.id, &[]).await.unwrap().len(), 0);
    sale.loses_redis().await;
    assert!(matches!(sale.holds.take_many(sale.id, &[]).await, Err(AdmissionError::NotLoaded)));
}

/// `runs` has a bit for each row and each number of seats side by side, 4,096 rows a number. Where it says of a row that has
/// one free seat that it has two, or of a row that there is not that it has four, whoever is led there is refused; who came
/// before in the batch, and who comes after, has an answer all the same.
#[tokio::test]
async fn what_redis_has_wrong_of_a_row_fails_one_request_and_no_other() {
    let runs = |sale: &Onsale| SaleKeys::new(sale.id).epoch().replace("epoch", "runs");
    for (quantity, row) in [(2, 0), (4, 3)] {
        let sale = Onsale::of_tiers(vec![stalls("stalls", &[2, 3, 3])]).await;
        let (buyers, wrong) = (sale.turns(4).await, (quantity - 1) * 4_096 + row);
        sale.holds.take(sale.id, &wish_for(buyers[3], &[("stalls", seats(&[0]))])).await.unwrap();
        sale.command(&["SETBIT", &runs(&sale), &wrong.to_string(), "1"]).await;
        let wishes = [seats(&[7]), together(quantity), seats(&[6])];
        let wishes: Vec<_> =
            buyers.iter().zip(wishes).map(|(buyer, wish)| wish_for(*buyer, &[("stalls", wish)])).collect();
        let takes = sale.holds.take_many(sale.id, &wishes).await.expect("the batch is answered");
        let [Ok(Take::Taken(_)), Err(AdmissionError::Script(why)), Ok(Take::Taken(_))] = &takes[..] else {
            panic!("{quantity} in row {row}: {takes:?}")
        };
        assert!(why.contains("stalls"), "{why}");
        assert_eq!(sale.stock("stalls").await, admission::TierStock { free: 5, held: 3, all: 8 });
    }
}

/// Where Redis cannot say which rows have seats side by side, the call fails, and with it who came before in the batch.
#[tokio::test]
async fn a_batch_that_fails_leaves_nothing_behind() {
    let sale = hall().await;
    let (buyers, runs) = (sale.turns(2).await, SaleKeys::new(sale.id).epoch().replace("epoch", "runs"));
    let wishes = [wish_for(buyers[0], &[("ga", any(2))]), wish_for(buyers[1], &[("stalls", together(2))])];
    sale.command(&["RENAME", &runs, &format!("{runs}:away")]).await;
    sale.command(&["HSET", &runs, "no", "bitmap"]).await;
    let failed = sale.holds.take_many(sale.id, &wishes).await;
    assert!(matches!(failed, Err(AdmissionError::Script(_))), "{failed:?}");
    assert_eq!(sale.stock("ga").await, admission::TierStock { free: 5, held: 0, all: 5 });
    sale.command(&["RENAME", &format!("{runs}:away"), &runs]).await;
    let takes = sale.holds.take_many(sale.id, &wishes).await.unwrap();
    assert!(matches!(&takes[..], [Ok(Take::Taken(_)), Ok(Take::Taken(_))]), "{takes:?}");
    assert_eq!(sale.holds.inventory(sale.id).await.unwrap().faults(), []);
}
