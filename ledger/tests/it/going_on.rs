//! Pressing Pay without a card: goes on with what is under way, and begins nothing.

use domain::payment::{ATTEMPT_SENT_S, ATTEMPT_TAKEN_UP_S, IntentStatus, NEVER_MADE_AFTER_S};
use domain::{OrderId, SaleId};
use ledger::payments::{
    BeginPayment, NewPayment, StripeAnswer, attempts_look, payment_answered, payment_begin, payment_never_made,
};

use crate::world::{Price, World, new_payment};

fn without_a_card(sale: SaleId, order: OrderId) -> NewPayment {
    NewPayment { confirmation_token: None, ..new_payment(sale, order) }
}

async fn goes_on(world: &World, sale: SaleId, order: OrderId) -> BeginPayment {
    payment_begin(&world.gateway, &without_a_card(sale, order)).await.expect("an outcome")
}

async fn time_passes(world: &World, by_s: u32) {
    world.database.advance_clock(i64::from(by_s) * 1_000).await.expect("Postgres answers");
}

#[tokio::test]
async fn with_nothing_under_way_nothing_is_changed() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.has_order([0]).await;
    let rows = "SELECT ('x' || left(md5(string_agg(o::text, ',')), 15))::bit(60)::bigint FROM orders o";
    let before = world.number(rows).await;
    time_passes(&world, 60).await;
    assert_eq!(goes_on(&world, sale.id, order.id).await, BeginPayment::NothingUnderWay, "never begun");
    assert_eq!(world.number(rows).await, before, "not even the order's clock");

    let attempt = sale.begins(order.id).await;
    let declined = StripeAnswer::Declined { code: "card_declined".to_owned(), intent: None };
    payment_answered(&world.gateway, &attempt, &declined).await.unwrap();
    let before = world.number(rows).await;
    assert_eq!(goes_on(&world, sale.id, order.id).await, BeginPayment::NothingUnderWay, "declined");
    assert_eq!(world.number(rows).await, before);
    assert_eq!(world.number("SELECT count(*) FROM payments").await, 1);
    assert_eq!(sale.begins(order.id).await.attempt, 2, "a card begins the next");
    world.audits_clean().await;
}

#[tokio::test]
async fn what_nobody_heard_of_is_the_same_call_and_then_looked_for() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.has_order([0]).await;
    let attempt = sale.begins(order.id).await;
    assert_eq!(attempt.confirmation_token, "ctoken_1");
    for _ in 0..2 {
        assert_eq!(goes_on(&world, sale.id, order.id).await, BeginPayment::Resume(attempt.clone()));
    }
    time_passes(&world, ATTEMPT_TAKEN_UP_S).await;
    assert_eq!(goes_on(&world, sale.id, order.id).await, BeginPayment::LookedFor);
    world.audits_clean().await;
}

#[tokio::test]
async fn what_is_at_stripe_is_looked_at_and_what_is_over_is_over() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresAction)).await;
    let intent = match goes_on(&world, sale.id, paying.order.id).await {
        BeginPayment::Live(row) => row.intent,
        other => panic!("{other:?}"),
    };
    assert!(intent.is_some());
    let late = sale.has_order([1]).await;
    time_passes(&world, 3_600).await;
    assert_eq!(goes_on(&world, sale.id, late.id).await, BeginPayment::OrderExpired);
    let paid = sale.paid_order([2]).await;
    assert!(matches!(goes_on(&world, sale.id, paid.order.id).await, BeginPayment::NotPayable(_)));
}

/// At the very moment at which the attempt ends: taken up, or nothing is under way. None begins without a card.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_on_while_an_attempt_ends_takes_it_up_or_is_asked_for_a_card() {
    const RACES: u32 = 40;
    let world = World::new().await;
    let sale = world.sale(RACES, Price::Paid).await;
    for unit in 0..RACES {
        let order = sale.has_order([unit]).await;
        sale.begins(order.id).await;
    }
    time_passes(&world, ATTEMPT_SENT_S + NEVER_MADE_AFTER_S).await;
    let absent = attempts_look(&world.workers, 100).await.unwrap();
    assert_eq!(absent.len(), RACES as usize);
    let mut taken_up = 0_i64;
    for attempt in absent {
        let press = without_a_card(attempt.sale, attempt.order);
        let (pressed, ended) =
            tokio::join!(payment_begin(&world.gateway, &press), payment_never_made(&world.workers, &attempt));
        match (pressed.unwrap(), ended.unwrap()) {
            (BeginPayment::Resume(_), false) => taken_up += 1,
            (BeginPayment::NothingUnderWay, true) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.number("SELECT count(*) FROM payments").await, i64::from(RACES), "none began");
    assert_eq!(world.number("SELECT count(*) FROM payments WHERE state = 'planned'").await, taken_up);
}
