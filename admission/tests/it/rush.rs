use std::collections::BTreeSet;

use admission::Take;

use crate::onsale::{Onsale, tier, unit_numbers, wish};

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
