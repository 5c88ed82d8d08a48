//! Attempts to pay whose answer nobody heard, and no event tells of: found at Stripe, or ended.

use std::time::Duration;

use domain::order::OrderState;
use domain::payment::{ATTEMPT_SENT_S, NEVER_MADE_AFTER_S, PaymentState};
use domain::sale::CaptureMode::{Automatic, Manual};
use ledger::orders::{OrderRow, orders_expire_due};
use sandbox::{Availability, CallFault, FakeStripeOptions, IntentStatus, Operation};

use crate::eventually::eventually;
use crate::world::{NEEDS_3DS, PRICE, Post, VISA, World};

const SENT: Duration = Duration::from_secs(ATTEMPT_SENT_S as u64);
/// By then it ends if Stripe does not have it.
const ENDS: Duration = Duration::from_secs((ATTEMPT_SENT_S + NEVER_MADE_AFTER_S) as u64);

/// Without events: what is heard of is heard of because it was looked for.
async fn until_it_is(world: &World, order: &OrderRow, state: OrderState) {
    eventually(state.word(), async || world.order(order).await.state == state).await;
}

async fn until_its_payment_is(world: &World, order: &OrderRow, state: PaymentState) {
    eventually(state.word(), async || world.order(order).await.payment.is_some_and(|payment| payment.state == state))
        .await;
}

/// An order whose answer gets lost in that way.
async fn unheard(world: &World, card: &str, fault: CallFault) -> OrderRow {
    let sale = world.open_sale(1, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, fault);
    world.pays(&order, card, Manual).await;
    assert!(world.order(&order).await.payment.is_some_and(|payment| payment.intent.is_none()), "nobody heard");
    order
}

/// The orders of these tests have a minute to be paid, those of buyers ten.
async fn has_time(world: &World, order: &OrderRow) {
    let longer =
        format!("UPDATE orders SET expires_at = expires_at + interval '30 min' WHERE id = '{}'", order.id.uuid());
    world.database.execute(&longer).await.expect("Postgres answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_no_answer_and_no_event_tells_of_is_found_and_becomes_tickets() {
    for fault in [CallFault::AnswerLost, CallFault::ServerErrorAfterwards] {
        let world = World::new().await;
        let workers = world.start(Post::None);
        let order = unheard(&world, VISA, fault).await;
        world.advances(SENT).await;
        until_it_is(&world, &order, OrderState::Paid).await;
        assert_eq!(world.stripe.captured_total("eur"), PRICE);
        assert_eq!(world.stripe.calls().get(&Operation::ListIntents), None, "search is enough");
        world.posts_events().await;
        world.agrees_with_stripe().await;
        world.audit().await;
        workers.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_capture_is_found_too() {
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.open_sale(1, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::AnswerLost);
    world.pays(&order, VISA, Automatic).await;
    world.advances(SENT).await;
    until_it_is(&world, &order, OrderState::Paid).await;
    world.audit().await;
    workers.stop().await;
}

/// Nothing was made: the buyer pays by another attempt, well within the time of the order.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_never_made_ends_and_the_next_one_is_paid() {
    for fault in [CallFault::ServerError, CallFault::ServerErrorRemembered] {
        let world = World::new().await;
        let workers = world.start(Post::None);
        let order = unheard(&world, VISA, fault).await;
        world.advances(SENT).await;
        eventually("it was looked for", async || world.stripe.calls().contains_key(&Operation::SearchIntents)).await;
        assert!(world.order(&order).await.payment.is_some_and(|payment| payment.state == PaymentState::Planned));
        has_time(&world, &order).await;
        world.advances(ENDS - SENT).await;
        until_its_payment_is(&world, &order, PaymentState::Failed).await;
        assert_eq!(world.order(&order).await.state, OrderState::AwaitingPayment);
        world.pays(&order, VISA, Manual).await;
        world.until_order_is(&order, OrderState::Paid).await;
        assert_eq!((world.stripe.payment_intents().len(), world.stripe.captured_total("eur")), (1, PRICE));
        world.agrees_with_stripe().await;
        world.audit().await;
        workers.stop().await;
    }
}

/// Search is behind by an hour, as it may be: the list has it, and nothing ends that was made.
#[tokio::test(flavor = "multi_thread")]
async fn what_search_does_not_know_yet_is_found_in_the_list() {
    let behind = FakeStripeOptions { search_lag: Duration::from_hours(1), ..FakeStripeOptions::default() };
    let world = World::of(behind).await;
    let workers = world.start(Post::None);
    let order = unheard(&world, VISA, CallFault::AnswerLost).await;
    has_time(&world, &order).await;
    world.advances(ENDS).await;
    until_it_is(&world, &order, OrderState::Paid).await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    assert_eq!(world.stripe.calls().get(&Operation::ListIntents), Some(&1));
    world.audit().await;
    workers.stop().await;
}

/// Its order is over by then: whatever its buyer still does at the bank, nothing is charged.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_too_late_is_let_go() {
    for card in [VISA, NEEDS_3DS] {
        let world = World::new().await;
        let order = {
            let workers = world.start(Post::None);
            let order = unheard(&world, card, CallFault::AnswerLost).await;
            workers.stop().await;
            order
        };
        world.advances(Duration::from_secs(3_600)).await;
        assert_eq!(orders_expire_due(&world.workers, 10).await.expect("Postgres answers").len(), 1);
        // Redis is told before the payment is found, so it cannot have its unit back.
        world
            .database
            .execute("UPDATE outbox SET attempts = 1 WHERE kind = 'units_return'")
            .await
            .expect("Postgres answers");
        let workers = world.start(Post::None);
        until_its_payment_is(&world, &order, PaymentState::Cancelled).await;
        let intent = &world.stripe.payment_intents()[0];
        assert_eq!((intent.status, intent.captured), (IntentStatus::Canceled, 0));
        world.posts_events().await;
        assert_eq!(world.order(&order).await.state, OrderState::Expired);
        world.agrees_with_stripe().await;
        world.audit().await;
        workers.stop().await;
    }
}

/// Nobody is there to say that it was not made, so it was not "never made".
#[tokio::test(flavor = "multi_thread")]
async fn while_stripe_is_away_nothing_is_concluded() {
    let world = World::new().await;
    let workers = world.start(Post::None);
    let order = unheard(&world, VISA, CallFault::AnswerLost).await;
    has_time(&world, &order).await;
    world.stripe.set_availability(Availability::Answering503).await.expect("it goes away");
    for minute in 1..=10 {
        world.advances(Duration::from_mins(1)).await;
        eventually("it was looked for in vain", async || {
            world.count("SELECT count(*) FROM payments WHERE look_at > onsale_now()").await == 1
        })
        .await;
        assert!(
            world.order(&order).await.payment.is_some_and(|payment| payment.state == PaymentState::Planned),
            "{minute}"
        );
    }
    world.stripe.set_availability(Availability::Available).await.expect("it comes back");
    world.advances(Duration::from_mins(2)).await;
    until_it_is(&world, &order, OrderState::Paid).await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.audit().await;
    workers.stop().await;
}
