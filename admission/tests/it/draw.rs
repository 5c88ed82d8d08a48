//! A draw's numbers come before all who join later, and nobody is let in before every gateway could say who is here.

use admission::{AdmissionError, Join, Pace, PlaceView};
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale, ask};
use crate::pace::CLOSED;

const DRAWN: Pace = Pace { cohorts: 1, ..OPEN };
const GRACE_MS: i64 = 2_000;
const LOAD_GRACE_MS: i64 = 6_000;

async fn joins_after(sale: &Onsale, draws: u32) -> Join {
    sale.queue.join_many(sale.id, &[ask(sale.somebody())], draws).await.unwrap()[0]
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<PlaceNumber> {
    range.map(PlaceNumber).collect()
}

#[tokio::test]
async fn nobody_new_gets_a_number_until_the_draw_is_in_line() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    assert_eq!(joins_after(&sale, 1).await, Join::Drawing);
    assert_eq!(joins_after(&sale, 0).await, Join::Drawing, "nor from a gateway that has not heard of the draw");
    sale.queue.cohort(sale.id, 1, 1, 300).await.unwrap();
    assert_eq!(joins_after(&sale, 1).await, Join::New { number: PlaceNumber(301), epoch: 1 });
    let view = sale.view().await;
    assert_eq!((view.in_line(), view.waiting(), view.joined_total), (301, 301, 301));
    for outside in [302, 0] {
        assert_eq!(view.place(PlaceNumber(outside)), PlaceView::Unknown);
    }
}

#[tokio::test]
async fn a_draw_is_placed_once() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.queue.cohort(sale.id, 1, 1, 20).await.unwrap();
    sale.hears(&numbers(1..=20)).await;
    sale.queue.leave(sale.id, PlaceNumber(7), sale.somebody()).await.unwrap();
    sale.queue.cohort(sale.id, 1, 1, 20).await.unwrap();
    assert_eq!(sale.place(PlaceNumber(7)).await, PlaceView::Left);
    assert_eq!(sale.view().await.in_line(), 19);
}

#[tokio::test]
async fn a_later_draw_comes_behind_those_who_joined_before_and_who_has_a_place_finds_it_meanwhile() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    let first = sale.joins(ann).await;
    let again = sale.queue.join_many(sale.id, &[ask(ann), ask(sale.somebody())], 1).await.unwrap();
    assert_eq!(again, [Join::Existing { number: first, epoch: 1 }, Join::Drawing]);
    sale.queue.cohort(sale.id, 1, 1_001, 1_010).await.unwrap();
    assert_eq!(joins_after(&sale, 1).await, Join::New { number: PlaceNumber(1_011), epoch: 1 });
    assert_eq!(sale.view().await.in_line(), 12);
}

#[tokio::test]
async fn draws_come_in_their_order_and_one_without_registrations_counts() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let early = sale.queue.cohort(sale.id, 2, 1, 5).await;
    assert!(matches!(early, Err(AdmissionError::Script(_))), "{early:?}");
    sale.queue.cohort(sale.id, 1, 1, 0).await.unwrap();
    assert_eq!(joins_after(&sale, 1).await, Join::Drawing, "the second draw was asked for");
    sale.queue.cohort(sale.id, 2, 1, 5).await.unwrap();
    assert_eq!(joins_after(&sale, 2).await, Join::New { number: PlaceNumber(6), epoch: 1 });
}

#[tokio::test]
async fn a_draw_whose_numbers_were_handed_out_is_refused_as_a_whole() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.joins(sale.somebody()).await;
    let refused = sale.queue.cohort(sale.id, 1, 1, 5).await;
    assert!(matches!(refused, Err(AdmissionError::Script(_))), "{refused:?}");
    assert_eq!(sale.view().await.in_line(), 1);
}

#[tokio::test]
async fn the_first_turns_come_a_grace_after_the_draw_so_that_the_slower_gateway_is_heard() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.advance_ms(1_000).await;
    assert_eq!(sale.admits(&DRAWN).await, [], "the draw has opened and is not here");
    sale.queue.cohort(sale.id, 1, 1, 4).await.unwrap();
    sale.hears(&numbers(3..=4)).await;
    assert_eq!(sale.admits(&DRAWN).await, []);
    sale.advance_ms(GRACE_MS - 1).await;
    sale.hears(&numbers(1..=2)).await;
    assert_eq!(sale.admits(&DRAWN).await, []);
    sale.advance_ms(1).await;
    assert_eq!(sale.admits(&DRAWN).await, numbers(1..=4));
}

/// Who joins between the freeze and the draw is not told a small number that then jumps.
#[tokio::test]
async fn people_ahead_of_a_walk_up_count_the_whole_draw_until_it_was_greeted_and_only_fall() {
    let sale = Onsale::of(&[("ga", 1)]).await;
    sale.advance_ms(1_000).await;
    sale.queue.cohort(sale.id, 1, 1, 4).await.unwrap();
    let Join::New { number: walk_up, .. } = joins_after(&sale, 1).await else { panic!("a number") };
    let ahead = async || match sale.place(walk_up).await {
        PlaceView::Waiting { ahead, live: true } => ahead,
        elsewhere => panic!("{elsewhere:?}"),
    };
    let mut seen = vec![ahead().await];
    sale.hears(&numbers(3..=4)).await;
    seen.push(ahead().await);
    for _ in 0..2 {
        sale.admits(&Pace { max_shoppers: 1, ..DRAWN }).await;
        seen.push(ahead().await);
        sale.advance_ms(GRACE_MS).await;
    }
    assert_eq!(seen, [4, 4, 4, 1], "two are not there, and one is let in");
}

/// The control: without the grace the gateway that comes first brings its own people first.
#[tokio::test]
async fn without_a_grace_the_first_gateway_would_pass_over_live_visitors() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.queue.cohort(sale.id, 1, 1, 4).await.unwrap();
    sale.advance_s(1).await;
    sale.hears(&numbers(3..=4)).await;
    sale.forgets_grace().await;
    assert_eq!(sale.admits(&DRAWN).await, numbers(3..=4));
}

#[tokio::test]
async fn registrants_who_are_not_there_at_the_start_keep_their_place_for_30_minutes() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    sale.advance_s(29 * 60).await;
    sale.ticks(&CLOSED).await;
    sale.queue.cohort(sale.id, 1, 1, 4).await.unwrap();
    sale.advance_s(2 * 60).await;
    sale.ticks(&CLOSED).await;
    assert_eq!(sale.view().await.in_line(), 4, "the weeding came two minutes later");
    sale.advance_s(31 * 60).await;
    sale.ticks(&CLOSED).await;
    let view = sale.view().await;
    assert_eq!((view.in_line(), view.expired_total), (0, 4));
}

#[tokio::test]
async fn a_rebuilt_line_waits_until_everybody_could_be_heard() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let snapshot = admission::Snapshot { reserved_number: 10, cohorts: 1, ..sale.snapshot(3, &[("ga", 10)]) };
    sale.loader.load(&snapshot).await.unwrap();
    sale.hears(&numbers(8..=9)).await;
    sale.advance_ms(LOAD_GRACE_MS - GRACE_MS - 1).await;
    assert_eq!(sale.admits(&DRAWN).await, []);
    sale.hears(&numbers(2..=2)).await;
    sale.advance_ms(GRACE_MS + 500).await;
    assert_eq!(sale.admits(&DRAWN).await, [2, 8, 9].map(PlaceNumber));
}
