//! What happens to turns and places is told until somebody has written it down, and who came back is told with it.

use admission::{EventKind, GrantRow, Pause, PlaceView, Returned, Standstill};
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale};
use crate::pace::CLOSED;

async fn told(sale: &Onsale) -> Vec<(EventKind, PlaceNumber)> {
    sale.tick(&CLOSED).await.events.iter().map(|event| (event.kind, event.number)).collect()
}

#[tokio::test]
async fn lapses_ends_and_leaves_are_delivered_until_they_are_confirmed() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    let numbers = [vec![sale.joins(ann).await], sale.join_many(3).await].concat();
    let one = admission::Pace { claim_window_s: 10, ..OPEN };
    sale.passes(1_000, 1_000, &one, &numbers).await;
    sale.queue.leave(sale.id, numbers[0], ann).await.unwrap();
    sale.queue.leave(sale.id, numbers[0], ann).await.unwrap();
    sale.queue.end_session(sale.id, numbers[1]).await.unwrap();
    sale.holds_units(numbers[2], "ga", 1).await;
    sale.passes(9_000, 1_000, &CLOSED, &[]).await;
    sale.queue.end_session(sale.id, numbers[2]).await.unwrap();
    sale.advance_ms(1_000).await;

    let expected = [(EventKind::Ended, numbers[2]), (EventKind::Lapsed, numbers[3])];
    let tick = sale.tick(&CLOSED).await;
    assert_eq!(tick.events.iter().map(|event| (event.kind, event.number)).collect::<Vec<_>>(), expected);
    assert_eq!(told(&sale).await, expected, "another gateway goes on where the first one died");
    sale.queue.confirm(sale.id, &tick, &CLOSED).await.unwrap();
    sale.queue.confirm(sale.id, &tick, &CLOSED).await.unwrap();
    assert_eq!(told(&sale).await, []);
}

#[tokio::test]
async fn leaving_and_ending_are_told_once_each() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    let first = sale.joins(ann).await;
    let second = sale.turns(1).await[0];
    for _ in 0..2 {
        sale.queue.leave(sale.id, first, ann).await.unwrap();
        sale.queue.end_session(sale.id, second).await.unwrap();
    }
    let mut told = told(&sale).await;
    told.sort_unstable();
    assert_eq!(told, [(EventKind::Left, first), (EventKind::Ended, second)]);
    let view = sale.view().await;
    assert_eq!((view.joined_total, view.left_total, view.expired_total), (2, 1, 1));
}

#[tokio::test]
async fn who_comes_back_is_counted_with_the_lowest_number_and_told_until_confirmed() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(5).await;
    assert_eq!(sale.tick(&CLOSED).await.returned, None, "joining is no return");
    sale.passes(20_000, 1_000, &CLOSED, &numbers[4..]).await;
    sale.hears(&numbers[1..]).await;
    sale.hears(&numbers[2..3]).await;
    let tick = sale.tick(&CLOSED).await;
    let at = tick.returned.unwrap().at;
    assert_eq!(tick.returned, Some(Returned { count: 3, lowest: numbers[1], at }), "4 of them, one was here all along");
    assert_eq!(sale.tick(&CLOSED).await.returned, None, "not to two gateways at once");
    sale.hears(&numbers[..1]).await;
    sale.advance_ms(1_000).await;
    let again = sale.tick(&CLOSED).await;
    assert_eq!(again.returned, tick.returned, "but again when nobody wrote it down");
    sale.queue.confirm(sale.id, &again, &CLOSED).await.unwrap();
    sale.queue.confirm(sale.id, &tick, &CLOSED).await.unwrap();
    let next = sale.tick(&CLOSED).await.returned.unwrap();
    assert_eq!((next.count, next.lowest), (1, numbers[0]), "what came meanwhile is told next");
}

#[tokio::test]
async fn a_join_that_finds_a_silent_place_is_a_return() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let ann = sale.somebody();
    let number = sale.joins(ann).await;
    sale.passes(20_000, 1_000, &CLOSED, &[]).await;
    sale.joins(ann).await;
    sale.joins(ann).await;
    let returned = sale.tick(&CLOSED).await.returned.unwrap();
    assert_eq!((returned.count, returned.lowest), (1, number));
}

/// Acceptance: people ahead never rise without a reason that is told.
#[tokio::test]
async fn people_ahead_rise_only_by_those_who_came_back() {
    let sale = Onsale::of(&[("ga", 100)]).await;
    let numbers = sale.join_many(60).await;
    let pace = admission::Pace { rate_per_s: 2, burst: 2, claim_window_s: 5, ..OPEN };
    let mut random = crate::random::Random(11);
    let (mut before, mut rises) = (None::<admission::View>, 0);
    for _ in 0..120 {
        let present: Vec<_> =
            numbers.iter().copied().filter(|number| (number.0 + 1) % 3 > 0 || random.below(5) == 0).collect();
        let ticks = sale.passes(2_500, 2_500, &pace, &present).await;
        let view = sale.view().await;
        let returned = ticks[0].returned;
        for number in &numbers {
            let ahead = |view: &admission::View| match view.place(*number) {
                PlaceView::Waiting { ahead, .. } => Some(ahead),
                _ => None,
            };
            let (Some(earlier), Some(now)) = (before.as_ref().and_then(ahead), ahead(&view)) else { continue };
            if now > earlier {
                let reason = returned.expect("a rise has a reason");
                assert!(
                    reason.lowest < *number && now - earlier <= reason.count,
                    "{number}: {earlier} to {now}: {reason:?}"
                );
                rises += 1;
            }
        }
        before = Some(view);
    }
    assert!(rises > 10, "only {rises} rises: too few to mean anything");
}

#[tokio::test]
async fn a_gateway_that_slept_through_its_tick_begins_no_turn_that_is_not_its_own() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.joins(sale.somebody()).await;
    sale.advance_ms(1_000).await;
    let pace = admission::Pace { claim_window_s: 5, ..OPEN };
    let slept = sale.tick(&pace).await;
    assert_eq!(slept.unconfirmed.len(), 1);

    let mut granted = sale.passes(200, 200, &pace, &[number]).await;
    granted.extend(sale.passes(19_800, 200, &CLOSED, &[number]).await);
    assert_eq!(sale.place(number).await, PlaceView::Waiting { ahead: 0, live: true }, "it lapsed and waits again");
    let second = sale.tick(&pace).await.unconfirmed;
    assert_eq!(second.len(), 1);

    assert_eq!(sale.queue.confirm(sale.id, &slept, &pace).await.unwrap(), 0, "Postgres does not have the second grant");
    assert_eq!(sale.tick(&pace).await.unconfirmed, second);
    let mut times: Vec<_> =
        granted.iter().flat_map(|tick| &tick.unconfirmed).chain(&second).map(|g| g.granted_at).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len() as u64, sale.view().await.admitted_total, "no grant that no other tick delivered");
}

#[tokio::test]
async fn a_gateway_that_slept_through_an_epoch_confirms_nothing() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let numbers = sale.join_many(2).await;
    sale.advance_s(1).await;
    let slept = sale.tick(&OPEN).await;
    let snapshot = admission::Snapshot {
        reserved_number: 10,
        grants: vec![GrantRow { number: numbers[0], until: slept.unconfirmed[0].granted_at }],
        ..sale.snapshot(2, &[("ga", 10)])
    };
    sale.loader.load(&snapshot).await.unwrap();
    assert_eq!(sale.queue.confirm(sale.id, &slept, &OPEN).await.unwrap(), 0);
    let view = sale.view().await;
    assert_eq!(view.place(numbers[0]), PlaceView::Expired);
    assert_eq!(view.place(numbers[1]), PlaceView::Waiting { ahead: 0, live: false });
}

#[tokio::test]
async fn a_stop_is_told_with_its_reason_and_so_is_going_on() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let told = async || {
        let tick = sale.tick(&CLOSED).await;
        (tick.stops.iter().map(|stop| stop.why).collect::<Vec<_>>(), tick)
    };
    assert_eq!(told().await.0, [], "it goes");
    sale.advance_ms(1_000).await;
    sale.loader.set_paused(sale.id, Pause::Paused, 1).await.unwrap();
    let began_ms = sale.now_ms();
    sale.advance_ms(1_000).await;
    let (why, tick) = told().await;
    assert_eq!(why, [Some(Standstill::Organizer)]);
    assert_eq!(tick.stops[0].at.as_millisecond(), began_ms, "when it began, not when somebody looked");
    assert_eq!(told().await.0, why, "another gateway goes on where the first one died");
    sale.queue.confirm(sale.id, &tick, &CLOSED).await.unwrap();
    assert_eq!(told().await.0, []);
    sale.loader.set_paused(sale.id, Pause::Running, 2).await.unwrap();
    assert_eq!(told().await.0, [None]);
}
