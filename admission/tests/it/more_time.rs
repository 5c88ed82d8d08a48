//! Who asks for more time when joining has three times as long to use a turn.

use admission::{JoinAsk, PlaceView};
use domain::PlaceNumber;
use domain::token::{Allowance, Holder};
use jiff::SignedDuration;

use crate::onsale::{OPEN, Onsale, number_of};

fn patient(holder: Holder) -> JoinAsk {
    JoinAsk { holder, proven: None, allowance: Allowance::MoreTime }
}

async fn joins(sale: &Onsale, ask: JoinAsk) -> PlaceNumber {
    number_of(&sale.queue.join_many(sale.id, &[ask], 0).await.unwrap()[0])
}

/// How long a turn that begins now lasts.
async fn window_s(sale: &Onsale, number: PlaceNumber) -> i64 {
    sale.hears(&[number]).await;
    sale.advance_s(6).await;
    assert!(sale.admits(&OPEN).await.contains(&number));
    let view = sale.view().await;
    let PlaceView::Turn { claim_by } = view.place(number) else { panic!("{:?}", view.place(number)) };
    claim_by.duration_since(view.now).as_secs()
}

#[tokio::test]
async fn more_time_makes_the_claim_window_three_times_as_long_and_the_grant_says_so() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let slow = joins(&sale, patient(sale.somebody())).await;
    let quick = sale.joins(sale.somebody()).await;
    sale.advance_s(1).await;
    let tick = sale.tick(&OPEN).await;
    let allowances: Vec<_> = tick.unconfirmed.iter().map(|grant| (grant.number, grant.allowance)).collect();
    assert_eq!(allowances, [(slow, Allowance::MoreTime), (quick, Allowance::Usual)]);
    sale.queue.confirm(sale.id, &tick, &OPEN).await.unwrap();
    let view = sale.view().await;
    let (PlaceView::Turn { claim_by: long }, PlaceView::Turn { claim_by: short }) =
        (view.place(slow), view.place(quick))
    else {
        panic!("{view:?}");
    };
    assert_eq!(long.duration_since(short), SignedDuration::from_secs(2 * i64::from(OPEN.claim_window_s)));
}

#[tokio::test]
async fn it_may_be_asked_for_later_and_is_not_taken_back() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    let number = sale.joins(ann).await;
    assert_eq!(joins(&sale, patient(ann)).await, number);
    assert_eq!(sale.joins(ann).await, number, "a join without the wish changes nothing");
    assert_eq!(window_s(&sale, number).await, 3 * i64::from(OPEN.claim_window_s));
}

/// What the loss of Redis does: the bits are gone, the tokens bring them back.
#[tokio::test]
async fn after_a_loss_of_redis_the_token_says_it_again() {
    for (says_again, times) in [("nobody", 1), ("the next join", 3), ("the gateway", 3)] {
        let sale = Onsale::of(&[("ga", 10)]).await;
        let ann = sale.somebody();
        let number = joins(&sale, patient(ann)).await;
        sale.loses_redis().await;
        let snapshot = admission::Snapshot { reserved_number: 10, ..sale.snapshot(2, &[("ga", 10)]) };
        sale.loader.load(&snapshot).await.unwrap();
        match says_again {
            "the next join" => {
                let again = JoinAsk { proven: Some(number), ..patient(ann) };
                assert_eq!(joins(&sale, again).await, number);
            }
            "the gateway" => sale.queue.allow_more_time(sale.id, &[number, PlaceNumber(9_999)]).await.unwrap(),
            _ => {}
        }
        sale.advance_s(3).await;
        assert_eq!(window_s(&sale, number).await, times * i64::from(OPEN.claim_window_s), "{says_again}");
    }
}
