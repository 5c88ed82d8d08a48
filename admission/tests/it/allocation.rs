//! How many units of a tier may be gone: what a phase may sell.

use std::collections::BTreeMap;

use admission::{Pace, Reclaim, Release, Take, TakeHold, TierSnapshot};

use crate::onsale::{OPEN, Onsale, any, floor, receipt, seats, some_request, taken, tier, wish_for};

fn within(allowed: u32, wish: TakeHold) -> TakeHold {
    TakeHold { allowed: BTreeMap::from([(tier("ga"), allowed)]), ..wish }
}

fn sold_out() -> Take {
    Take::AllocationSoldOut { tier: tier("ga") }
}

#[tokio::test]
async fn no_more_are_held_than_may_be_gone() {
    let sale = Onsale::of(&[("ga", 10), ("balcony", 10)]).await;
    let buyers = sale.turns(4).await;
    let asks = async |buyer: usize, allowed, items: &[_]| {
        sale.holds.take(sale.id, &within(allowed, wish_for(buyers[buyer], items))).await.unwrap()
    };
    let first = taken(asks(0, 3, &[("ga", any(2))]).await);
    assert_eq!(asks(1, 3, &[("ga", any(2))]).await, Take::AllHeld { tier: tier("ga") }, "one that is held may do");
    assert_eq!(asks(1, 3, &[("ga", seats(&[7, 8]))]).await, Take::AllHeld { tier: tier("ga") });
    let fewer = |free, held| Take::TooFewLeft { tier: tier("ga"), free, held };
    assert_eq!(asks(1, 3, &[("ga", any(4))]).await, fewer(1, 2), "and for so many nothing would");
    assert_eq!(asks(1, 3, &[("ga", seats(&[5, 6, 7, 8]))]).await, fewer(1, 2));
    let both = taken(asks(1, 3, &[("ga", any(1)), ("balcony", any(6))]).await);
    assert_eq!(both.units.len(), 7, "what is not named is not bounded");

    sale.holds.commit(sale.id, first.id).await.unwrap();
    assert_eq!(asks(2, 3, &[("ga", any(2))]).await, fewer(0, 1));
    assert_eq!(asks(2, 3, &[("ga", any(1))]).await, Take::AllHeld { tier: tier("ga") });
    sale.holds.commit(sale.id, both.id).await.unwrap();
    assert_eq!(asks(2, 3, &[("ga", any(1))]).await, sold_out());
    assert_eq!(asks(2, 0, &[("ga", any(1))]).await, sold_out());
    taken(asks(2, 4, &[("ga", any(1))]).await);
    assert_eq!(asks(3, 99, &[("ga", any(7))]).await, Take::AllHeld { tier: tier("ga") }, "the tier bounds it still");
}

/// What comes back may be had again, within the same bound; a repeated request never meets it.
#[tokio::test]
async fn what_comes_back_counts_no_more() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let buyers = sale.turns(2).await;
    let wish = within(2, wish_for(buyers[0], &[("ga", any(2))]));
    let hold = taken(sale.holds.take(sale.id, &wish).await.unwrap());
    let again = sale.holds.take(sale.id, &TakeHold { allowed: [(tier("ga"), 0)].into(), ..wish }).await.unwrap();
    assert_eq!(again, Take::Replayed(hold.clone()));
    let released = sale.holds.release(sale.id, hold.id, buyers[0]).await.unwrap();
    assert!(matches!(released, Release::Released(_)));
    let second = taken(sale.holds.take(sale.id, &within(2, wish_for(buyers[1], &[("ga", any(2))]))).await.unwrap());
    sale.holds.freeze(sale.id, second.id, buyers[1]).await.unwrap();
    sale.holds.commit(sale.id, second.id).await.unwrap();
    let one = || within(2, wish_for(buyers[0], &[("ga", any(1))]));
    assert_eq!(sale.holds.take(sale.id, &one()).await.unwrap(), sold_out());
    sale.holds.units_return(sale.id, some_request(), 1, &second.units).await.unwrap();
    taken(sale.holds.take(sale.id, &one()).await.unwrap());
}

/// What a phase may sell is counted from what is not withheld, and a receipt is honoured whatever the phase may sell.
#[tokio::test]
async fn withheld_units_are_not_gone_and_receipts_are_not_asked() {
    let tiers = vec![TierSnapshot { withheld: 4, ..floor("ga", 10) }];
    let tiers: Vec<_> = tiers.into_iter().map(|tier| TierSnapshot { free: tier.free[..6].to_vec(), ..tier }).collect();
    let sale = Onsale::of_tiers(tiers).await;
    assert_eq!(sale.stock("ga").await.all, 6);
    let buyers = sale.turns(2).await;
    let hold = taken(sale.holds.take(sale.id, &within(2, wish_for(buyers[0], &[("ga", any(2))]))).await.unwrap());
    let one = within(2, wish_for(buyers[1], &[("ga", any(1))]));
    assert_eq!(sale.holds.take(sale.id, &one).await.unwrap(), Take::AllHeld { tier: tier("ga") });

    sale.loses_redis().await;
    sale.loader.load(&sale.snapshot(2, &[("ga", 10)])).await.unwrap();
    assert_eq!(sale.holds.reclaim(sale.id, &receipt(&hold, 2)).await.unwrap(), Reclaim::Reclaimed(hold));
}

/// A turn for which nothing may be had would send somebody to a closed counter.
#[tokio::test]
async fn no_more_turns_are_given_than_units_may_go() {
    let sale = Onsale::of(&[("ga", 10), ("balcony", 2)]).await;
    let numbers = sale.join_many(6).await;
    sale.advance_s(1).await;
    let exact = Pace { overbook: 0, ..OPEN };
    let allowed = |ga| BTreeMap::from([(tier("ga"), ga), (tier("balcony"), 1)]);
    let ticks = async |ga| {
        let queue = sale.queue.within(allowed(ga));
        let tick = queue.admit(sale.id, &exact, &crate::onsale::CALM).await.unwrap();
        queue.confirm(sale.id, &tick, &exact).await.unwrap();
        tick.unconfirmed.iter().map(|grant| grant.number).collect::<Vec<_>>()
    };
    assert_eq!(ticks(2).await, numbers[..3], "two on the floor, one on the balcony");
    let bound = sale.holds.take(sale.id, &within(2, wish_for(numbers[0], &[("ga", any(2))]))).await.unwrap();
    taken(bound);
    assert_eq!(ticks(2).await, [], "two turns are out, and one unit may go");
    assert_eq!(sale.queue.bypass(sale.id, numbers[5]).await.unwrap(), admission::Bypass::Full);
    assert_eq!(ticks(4).await, numbers[3..4], "the next phase has more");
    assert_eq!(sale.admits(&exact).await, numbers[4..], "and the last one sells what there is");
}
