use std::collections::BTreeSet;

use admission::Take;

use crate::onsale::{Onsale, stalls, tier, together, unit_numbers, wish, wish_for};
use crate::random::Random;
use crate::soak;

/// Seats of a row.
const ROW: u32 = 25;

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

/// Nothing is given back, so whoever is refused for the want of so many side by side is right until the end.
#[tokio::test(flavor = "multi_thread")]
async fn groups_of_one_to_six_at_once_sit_together_and_leave_no_room_for_who_is_refused() {
    let (groups, rows) = if soak::is_on() { (2_000, 20) } else { (400, 4) };
    let sale = Onsale::of_tiers(vec![stalls("stalls", &vec![ROW; rows])]).await;
    let mut random = Random(24);
    let mut asking: tokio::task::JoinSet<(u32, Take)> = (sale.turns(groups).await.into_iter())
        .map(|number| {
            let (holds, id, size) = (sale.holds.clone(), sale.id, 1 + u32::try_from(random.below(6)).unwrap());
            let wish = wish_for(number, &[("stalls", together(size))]);
            async move { (size, holds.take(id, &wish).await.unwrap()) }
        })
        .collect();
    let (mut had, mut least_refused) = (BTreeSet::new(), u32::MAX);
    while let Some(asked) = asking.join_next().await {
        match asked.unwrap() {
            (size, Take::Taken(hold)) => {
                let units = unit_numbers(&hold);
                assert_eq!(units, (units[0]..units[0] + size).collect::<Vec<_>>(), "not side by side");
                assert_eq!(units[0] / ROW, (units[0] + size - 1) / ROW, "{units:?} are in two rows");
                assert!(units.iter().all(|unit| had.insert(*unit)), "{hold:?} was held already");
            }
            (size, Take::NoneTogether { .. } | Take::AllHeld { .. }) => least_refused = least_refused.min(size),
            (size, other) => panic!("a group of {size} was told {other:?}"),
        }
    }
    let capacity = ROW * u32::try_from(rows).unwrap();
    let longest = longest_free_run(&had, capacity);
    assert!(longest < least_refused, "{longest} side by side are free, and {least_refused} were refused");
    let stock = sale.stock("stalls").await;
    assert_eq!((stock.free, stock.held), (capacity - stock.held, u32::try_from(had.len()).unwrap()));
}

fn longest_free_run(had: &BTreeSet<u32>, capacity: u32) -> u32 {
    let mut run = 0;
    let runs = (0..capacity).map(|unit| {
        run = if had.contains(&unit) {
            0
        } else if unit % ROW == 0 {
            1
        } else {
            run + 1
        };
        run
    });
    runs.max().unwrap_or(0)
}
