use std::collections::BTreeSet;

use admission::Take;

use crate::onsale::{Onsale, stalls, tier, together, unit_numbers, wish, wish_for};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_buyers_at_once_get_fifty_units_exactly() {
    let sale = Onsale::of(&[("ga", 50)]).await;
    let mut buyers: tokio::task::JoinSet<Take> = (sale.turns(200).await.into_iter())
        .map(|number| {
            let (holds, id) = (sale.holds.clone(), sale.id);
            async move { holds.take(id, &wish(number, &[("ga", 1)])).await.unwrap() }
        })
        .collect();
    let (mut units, mut refused) = (BTreeSet::new(), 0);
    while let Some(take) = buyers.join_next().await {
        match take.unwrap() {
            Take::Taken(hold) => assert!(units.insert(unit_numbers(&hold)[0]), "{hold:?} was held already"),
            other => {
                assert_eq!(other, Take::AllHeld { tier: tier("ga") });
                refused += 1;
            }
        }
    }
    assert_eq!((units, refused), ((0..50).collect(), 150));
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (0, 50));
}

/// Three fit thrice into a row of ten, and one seat is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_groups_at_once_get_the_thirty_rows_of_three_there_are() {
    let sale = Onsale::of_tiers(vec![stalls("stalls", &[10; 10])]).await;
    let mut groups: tokio::task::JoinSet<Take> = (sale.turns(100).await.into_iter())
        .map(|number| {
            let (holds, id) = (sale.holds.clone(), sale.id);
            async move { holds.take(id, &wish_for(number, &[("stalls", together(3))])).await.unwrap() }
        })
        .collect();
    let (mut units, mut refused) = (BTreeSet::new(), 0);
    while let Some(take) = groups.join_next().await {
        match take.unwrap() {
            Take::Taken(hold) => {
                let had = unit_numbers(&hold);
                assert!(had[0] + 2 == had[2] && had[0] / 10 == had[2] / 10, "{had:?} are not side by side");
                assert!(had.iter().all(|unit| units.insert(*unit)), "{hold:?} was held already");
            }
            other => {
                assert_eq!(other, Take::NoneTogether { tier: tier("stalls") });
                refused += 1;
            }
        }
    }
    assert_eq!((units.len(), refused), (90, 70));
}
