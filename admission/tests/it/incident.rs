//! A store that is away for too long stops the sale by itself, and says so; the clocks go on afterwards with what was left.

use admission::{Admission, Health, Incident, Pace, PlaceView, Pulse, Standstill, Take};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::onsale::{OPEN, Onsale};

const STEP_MS: i64 = 200;
const STRIPE: Option<Standstill> = Some(Standstill::Incident(Incident::Stripe));
const POSTGRES: Option<Standstill> = Some(Standstill::Incident(Incident::Postgres));

fn gateway(number: u128, postgres: Health) -> Pulse {
    Pulse { postgres, ..Pulse::calm(Uuid::from_u128(number)) }
}

fn payments(payments: u32, bad: u32) -> Pulse {
    Pulse { payments, bad, sum_ms: u64::from(payments) * 400, ..Pulse::calm(Uuid::from_u128(1)) }
}

async fn tick(sale: &Onsale, pace: &Pace, pulse: &Pulse) -> Admission {
    sale.queue.admit(sale.id, pace, pulse).await.unwrap()
}

/// Ticks with that pulse until the answer is as expected; how long it took.
async fn until(sale: &Onsale, pulse: &Pulse, expected: Option<Standstill>) -> i64 {
    for steps in 0..1_000 {
        if tick(sale, &OPEN, pulse).await.standstill == expected {
            return steps * STEP_MS;
        }
        sale.advance_ms(STEP_MS).await;
    }
    panic!("never {expected:?}");
}

/// Ticks with that pulse for so long; what the last one said.
async fn for_ms(sale: &Onsale, ms: i64, pulse: &Pulse) -> Admission {
    for _ in 1..ms / STEP_MS {
        tick(sale, &OPEN, pulse).await;
        sale.advance_ms(STEP_MS).await;
    }
    let last = tick(sale, &OPEN, pulse).await;
    sale.advance_ms(STEP_MS).await;
    last
}

#[tokio::test]
async fn postgres_away_for_5_s_stops_the_sale_until_it_has_answered_for_2_s() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(1).await[0];
    let PlaceView::Turn { claim_by: before } = sale.place(number).await else { panic!("it is its turn") };
    let (away, answers) = (gateway(1, Health::Away), gateway(1, Health::Answers));
    assert_eq!(until(&sale, &away, POSTGRES).await, 5_000);
    let waiting = sale.joins(sale.somebody()).await;
    for_ms(&sale, 60_000, &away).await;
    assert_eq!(sale.view().await.standstill, POSTGRES);
    assert_eq!(sale.takes(number, "ga", 1).await, Take::Paused);
    sale.hears(&[number]).await;
    assert_eq!(until(&sale, &answers, None).await, 2_000);
    let PlaceView::Turn { claim_by: after } = sale.place(number).await else { panic!("it still is") };
    assert_eq!(after.duration_since(before), SignedDuration::from_secs(62));
    sale.hears(&[waiting]).await;
    assert_eq!(tick(&sale, &OPEN, &answers).await.unconfirmed.len(), 1);
}

#[tokio::test]
async fn one_gateway_that_reaches_postgres_is_enough() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    for _ in 0..100 {
        let ticks = [(1, Health::Away), (2, Health::Answers), (3, Health::Unknown)];
        for (number, postgres) in ticks {
            assert_eq!(tick(&sale, &OPEN, &gateway(number, postgres)).await.standstill, None);
        }
        sale.advance_ms(STEP_MS).await;
    }
    let only_one = until(&sale, &gateway(1, Health::Away), POSTGRES).await;
    assert_eq!(only_one, 5_000 + 3_000, "the other's word counts for 3 s after its last tick");
}

#[tokio::test]
async fn a_flickering_postgres_does_not_stop_the_sale() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    for _ in 0..10 {
        for_ms(&sale, 4_000, &gateway(1, Health::Away)).await;
        assert_eq!(for_ms(&sale, 400, &gateway(1, Health::Answers)).await.standstill, None);
    }
}

#[tokio::test]
async fn stripe_away_stops_the_sale_and_is_tried_again_after_15_s_then_30_then_60_at_most_120() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let (bad, none, good) = (payments(5, 5), payments(0, 0), payments(1, 0));
    for_ms(&sale, 1_000, &good).await;
    assert_eq!(until(&sale, &bad, STRIPE).await, 10_000);
    for wait_ms in [15_000, 30_000, 60_000, 120_000, 120_000] {
        assert_eq!(until(&sale, &none, None).await, wait_ms);
        let half_open = for_ms(&sale, 5_000, &none).await;
        assert_eq!((half_open.standstill, half_open.factor_milli), (None, 20), "half open, at the floor");
        assert_eq!(until(&sale, &bad, STRIPE).await, 0, "one failure is enough");
    }
    until(&sale, &none, None).await;
    assert_eq!(tick(&sale, &OPEN, &good).await.standstill, None);
    let second_later = for_ms(&sale, 1_000, &good).await;
    assert!((60..=80).contains(&second_later.factor_milli), "it rises: {}", second_later.factor_milli);
    for_ms(&sale, 1_000, &payments(4, 4)).await;
    assert_eq!(tick(&sale, &OPEN, &good).await.standstill, None, "a failure or two are no incident again");
}

#[tokio::test]
async fn a_wait_that_was_doubled_is_forgotten_once_the_line_moves_in_full() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let (bad, none, good) = (payments(9, 9), payments(0, 0), payments(9, 0));
    until(&sale, &bad, STRIPE).await;
    until(&sale, &none, None).await;
    until(&sale, &bad, STRIPE).await;
    assert_eq!(until(&sale, &none, None).await, 30_000);
    assert_eq!(for_ms(&sale, 25_000, &good).await.factor_milli, 1_000);
    until(&sale, &bad, STRIPE).await;
    assert_eq!(until(&sale, &none, None).await, 15_000);
}

#[tokio::test]
async fn a_good_call_a_pause_in_calls_or_too_few_of_them_is_no_incident() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    assert_eq!(for_ms(&sale, 30_000, &payments(50, 49)).await.standstill, None, "one of fifty went well");
    for _ in 0..5 {
        assert_eq!(for_ms(&sale, 9_000, &payments(50, 50)).await.standstill, None);
        assert_eq!(for_ms(&sale, 400, &payments(0, 0)).await.standstill, None);
    }
    let slow = Pulse { stripe: Health::Answers, ..payments(50, 50) };
    assert_eq!(for_ms(&sale, 30_000, &slow).await.standstill, None, "slow is not away");
    let few = payments(1, 1);
    assert_eq!(for_ms(&sale, 24_000, &few).await.standstill, None, "a call in 5 s: four in 20 s");
    assert_eq!(for_ms(&sale, 4_000, &few).await.standstill, STRIPE, "the fifth");
}

#[tokio::test]
async fn the_organizers_pause_outlasts_an_incident_and_the_other_way_round() {
    let sale = Onsale::of(&[("ga", 10)]).await;
    let number = sale.turns(1).await[0];
    let PlaceView::Turn { claim_by: before } = sale.place(number).await else { panic!("it is its turn") };
    let (away, answers) = (gateway(1, Health::Away), gateway(1, Health::Answers));
    until(&sale, &away, POSTGRES).await;
    sale.loader.set_paused(sale.id, admission::Pause::Paused, 3).await.unwrap();
    assert_eq!(for_ms(&sale, 4_000, &answers).await.standstill, Some(Standstill::Organizer));
    until(&sale, &away, Some(Standstill::Organizer)).await;
    for_ms(&sale, 6_000, &away).await;
    sale.loader.set_paused(sale.id, admission::Pause::Running, 4).await.unwrap();
    assert_eq!(tick(&sale, &OPEN, &away).await.standstill, POSTGRES);
    sale.hears(&[number]).await;
    assert_eq!(until(&sale, &answers, None).await, 2_000);
    let PlaceView::Turn { claim_by: after } = sale.place(number).await else { panic!("it still is") };
    assert_eq!(after.duration_since(before), SignedDuration::from_secs(4 + 6 + 2), "one long standstill");
}
