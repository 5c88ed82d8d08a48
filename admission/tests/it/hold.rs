use admission::{Expired, Freeze, Release, Take};
use domain::hold::HoldState;

use crate::onsale::{LIMIT, OPEN, Onsale, TTL_S, some_hold, some_request, taken, tier, unit_numbers, wish};

#[tokio::test]
async fn a_hold_takes_the_lowest_free_units_and_counts_them() {
    let sale = Onsale::of(&[("ga", 10), ("balcony", 4)]).await;
    let numbers = sale.turns(2).await;
    let first = taken(sale.holds.take(sale.id, &wish(numbers[0], &[("ga", 2), ("balcony", 1)])).await.unwrap());
    let named: Vec<_> = first.units.iter().map(|held| (held.tier.to_string(), held.unit.0)).collect();
    assert_eq!(named, [("balcony".to_owned(), 0), ("ga".to_owned(), 0), ("ga".to_owned(), 1)]);
    assert_eq!((first.state, first.number), (HoldState::Held, numbers[0]));
    let second = sale.holds_units(numbers[1], "ga", 3).await;
    assert_eq!(unit_numbers(&second), [2, 3, 4]);
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (5, 5));
    assert_eq!(sale.holds.look(sale.id, first.id).await.unwrap(), Some(first));
    assert_eq!(sale.holds.look(sale.id, some_hold()).await.unwrap(), None);
}

#[tokio::test]
async fn units_that_come_back_are_the_next_to_go() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.turns(3).await;
    let first = sale.holds_units(numbers[0], "ga", 3).await;
    sale.holds_units(numbers[1], "ga", 3).await;
    sale.holds.release(sale.id, first.id, numbers[0]).await.unwrap();
    assert_eq!(unit_numbers(&sale.holds_units(numbers[2], "ga", 5).await), [0, 1, 2, 6, 7]);
}

#[tokio::test]
async fn a_hold_takes_all_items_or_nothing() {
    let sale = Onsale::of(&[("ga", 10), ("balcony", 1)]).await;
    let number = sale.turns(1).await[0];
    let refused = sale.holds.take(sale.id, &wish(number, &[("ga", 2), ("balcony", 2)])).await.unwrap();
    assert_eq!(refused, Take::TooFewLeft { tier: tier("balcony"), free: 1, held: 0 });
    assert_eq!(sale.stock("ga").await.free, 10);
    assert_eq!(sale.stock("balcony").await.free, 1);
    assert_eq!(unit_numbers(&sale.holds_units(number, "ga", 1).await), [0], "and the pass is free to try again");
}

#[tokio::test]
async fn a_tier_is_sold_out_when_nothing_is_free_or_held() {
    let sale = Onsale::of(&[("ga", 3)]).await;
    let numbers = sale.turns(3).await;
    let hold = sale.holds_units(numbers[0], "ga", 2).await;
    assert_eq!(sale.takes(numbers[1], "ga", 2).await, Take::AllHeld { tier: tier("ga") });
    assert_eq!(sale.takes(numbers[1], "ga", 4).await, Take::TooFewLeft { tier: tier("ga"), free: 1, held: 2 });
    sale.holds.freeze(sale.id, hold.id, numbers[0]).await.unwrap();
    sale.holds.commit(sale.id, hold.id).await.unwrap();
    assert_eq!(sale.takes(numbers[1], "ga", 2).await, Take::TooFewLeft { tier: tier("ga"), free: 1, held: 0 });
    let last = sale.holds_units(numbers[1], "ga", 1).await;
    sale.holds.commit(sale.id, last.id).await.unwrap();
    for quantity in [1, 2] {
        assert_eq!(sale.takes(numbers[2], "ga", quantity).await, Take::SoldOut { tier: tier("ga") });
    }
}

#[tokio::test]
async fn a_repeated_request_gets_its_first_answer_and_takes_nothing_more() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(1).await[0];
    let request = wish(number, &[("ga", 2)]);
    let hold = taken(sale.holds.take(sale.id, &request).await.unwrap());
    for _ in 0..5 {
        let again = admission::TakeHold { hold: some_hold(), ..request.clone() };
        assert_eq!(sale.holds.take(sale.id, &again).await.unwrap(), Take::Replayed(hold.clone()));
    }
    assert_eq!(sale.stock("ga").await.held, 2);
    sale.holds.release(sale.id, hold.id, number).await.unwrap();
    let Take::Replayed(now) = sale.holds.take(sale.id, &request).await.unwrap() else { panic!("still that request") };
    assert_eq!((now.id, now.state), (hold.id, HoldState::Released));
}

#[tokio::test]
async fn a_request_with_another_content_is_refused() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(1).await[0];
    let request = wish(number, &[("ga", 2)]);
    taken(sale.holds.take(sale.id, &request).await.unwrap());
    let other = admission::TakeHold { fingerprint: [8; 32], ..request.clone() };
    assert_eq!(sale.holds.take(sale.id, &other).await.unwrap(), Take::RequestReused);
    let same_hold = admission::TakeHold { request: some_request(), ..request };
    assert_eq!(sale.holds.take(sale.id, &same_hold).await.unwrap(), Take::RequestReused);
    assert_eq!(sale.stock("ga").await.held, 2);
}

#[tokio::test]
async fn a_refused_request_may_be_repeated_with_success() {
    let sale = Onsale::of(&[("ga", 2)]).await;
    let numbers = sale.turns(2).await;
    let hold = sale.holds_units(numbers[0], "ga", 2).await;
    let request = wish(numbers[1], &[("ga", 1)]);
    assert_eq!(sale.holds.take(sale.id, &request).await.unwrap(), Take::AllHeld { tier: tier("ga") });
    sale.holds.release(sale.id, hold.id, numbers[0]).await.unwrap();
    taken(sale.holds.take(sale.id, &request).await.unwrap());
}

#[tokio::test]
async fn a_pass_has_one_live_hold() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(1).await[0];
    let first = sale.holds_units(number, "ga", 1).await;
    assert_eq!(sale.takes(number, "ga", 1).await, Take::PassInUse);
    sale.holds.freeze(sale.id, first.id, number).await.unwrap();
    assert_eq!(sale.takes(number, "ga", 1).await, Take::PassInUse, "frozen is live");
    sale.holds.commit(sale.id, first.id).await.unwrap();
    sale.holds_units(number, "ga", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_first_uses_of_a_pass_one_wins() {
    let sale = Onsale::of(&[("ga", 200)]).await;
    let number = sale.turns(1).await[0];
    let mut uses: tokio::task::JoinSet<Take> = (0..100)
        .map(|_| {
            let (holds, id, wish) = (sale.holds.clone(), sale.id, wish(number, &[("ga", 1)]));
            async move { holds.take(id, &wish).await.unwrap() }
        })
        .collect();
    let mut wins = 0;
    while let Some(take) = uses.join_next().await {
        match take.unwrap() {
            Take::Taken(_) => wins += 1,
            other => assert_eq!(other, Take::PassInUse),
        }
    }
    assert_eq!((wins, sale.stock("ga").await.held), (1, 1));
}

#[tokio::test]
async fn more_than_the_limit_is_refused() {
    let sale = Onsale::of(&[("ga", 50)]).await;
    let number = sale.turns(1).await[0];
    assert_eq!(sale.takes(number, "ga", LIMIT + 1).await, Take::LimitReached { limit: LIMIT });
    assert_eq!(sale.takes(number, "ga", u32::MAX).await, Take::LimitReached { limit: LIMIT });
    assert_eq!(unit_numbers(&sale.holds_units(number, "ga", LIMIT).await).len(), LIMIT as usize);
}

#[tokio::test]
async fn an_unknown_tier_is_a_defect_of_the_caller_and_takes_nothing() {
    let sale = Onsale::of(&[("ga", 5)]).await;
    let number = sale.turns(1).await[0];
    let error = sale.holds.take(sale.id, &wish(number, &[("ga", 1), ("moon", 1)])).await.unwrap_err();
    assert!(error.to_string().contains("unknown tier moon"), "{error}");
    assert_eq!(sale.stock("ga").await.free, 5);
}

#[tokio::test]
async fn a_hold_is_given_back_once_and_only_by_its_pass() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.turns(2).await;
    let hold = sale.holds_units(numbers[0], "ga", 4).await;
    assert_eq!(sale.holds.release(sale.id, hold.id, numbers[1]).await.unwrap(), Release::NotFound);
    assert_eq!(sale.holds.release(sale.id, some_hold(), numbers[0]).await.unwrap(), Release::NotFound);
    let Release::Released(view) = sale.holds.release(sale.id, hold.id, numbers[0]).await.unwrap() else { panic!() };
    assert_eq!((view.state, view.units), (HoldState::Released, hold.units));
    assert_eq!(sale.holds.release(sale.id, hold.id, numbers[0]).await.unwrap(), Release::AlreadyReleased);
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (10, 0));
}

#[tokio::test]
async fn a_hold_expires_at_its_time_and_its_units_return_to_sale() {
    let sale = Onsale::of(&[("ga", 2)]).await;
    let numbers = sale.turns(2).await;
    let hold = sale.holds_units(numbers[0], "ga", 2).await;
    sale.advance_s(TTL_S - 1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    sale.advance_s(1).await;
    assert_eq!(sale.holds.freeze(sale.id, hold.id, numbers[0]).await.unwrap(), Freeze::Expired, "not swept, but over");
    let swept = sale.holds.expire_due(sale.id, 100).await.unwrap();
    assert_eq!((swept.released, swept.frozen_due), (vec![hold.id], vec![]));
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    assert_eq!(sale.holds.look(sale.id, hold.id).await.unwrap().unwrap().state, HoldState::Expired);
    assert_eq!(unit_numbers(&sale.holds_units(numbers[1], "ga", 2).await), [0, 1]);
    let again = sale.takes(numbers[0], "ga", 1).await;
    assert_eq!(again, Take::AllHeld { tier: tier("ga") }, "the pass is free to hold again");
}

#[tokio::test(flavor = "multi_thread")]
async fn sweepers_at_once_expire_each_hold_once() {
    let sale = Onsale::of(&[("ga", 300)]).await;
    for number in sale.turns(300).await {
        sale.holds_units(number, "ga", 1).await;
    }
    sale.advance_s(TTL_S).await;
    let mut sweepers: tokio::task::JoinSet<Vec<domain::HoldId>> = (0..6)
        .map(|_| {
            let (holds, id) = (sale.holds.clone(), sale.id);
            async move {
                let mut expired = Vec::new();
                for _ in 0..20 {
                    expired.extend(holds.expire_due(id, 7).await.unwrap().released);
                }
                expired
            }
        })
        .collect();
    let mut expired = Vec::new();
    while let Some(some) = sweepers.join_next().await {
        expired.extend(some.unwrap());
    }
    let named = expired.len();
    expired.sort_unstable();
    expired.dedup();
    assert_eq!((named, expired.len()), (300, 300));
    let stock = sale.stock("ga").await;
    assert_eq!((stock.free, stock.held), (300, 0));
}

#[tokio::test]
async fn an_ended_hold_is_forgotten_after_a_day() {
    let sale = Onsale::of(&[("ga", 2)]).await;
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;
    sale.holds.release(sale.id, hold.id, number).await.unwrap();
    sale.advance_s(24 * 60 * 60 + 1).await;
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), Expired::default());
    assert_eq!(sale.holds.look(sale.id, hold.id).await.unwrap(), None);
    assert_eq!(sale.admits(&OPEN).await, []);
}
