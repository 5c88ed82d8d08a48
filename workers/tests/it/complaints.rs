//! What buyers of other ticket systems complain about when they paid, done to ours.
//!
//! The complaints and where they were made are in `docs/acceptance.md`, with the tests elsewhere that answer the others.

use std::time::Duration;

use domain::order::OrderState;
use domain::payment::PaymentState;
use domain::sale::CaptureMode::{Automatic, Manual};
use ledger::tickets::TicketState;
use sandbox::Authentication;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{Answer, NEEDS_3DS, PRICE, Post, VISA, World};

/// Longer than any job waits before it is tried again.
const BACKOFF_MAX: Duration = Duration::from_secs(150);

/// The page said that it was paid, and no word of Stripe ever came.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_paid_has_a_ticket_though_no_event_ever_comes() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    for capture in [Automatic, Manual] {
        let sale = world.open_sale(1, capture).await;
        let order = world.orders(&sale, 1).await;
        world.pays(&order, VISA, capture).await;
        eventually("it is paid", async || world.order(&order).await.state == OrderState::Paid).await;
        assert_eq!(world.order(&order).await.tickets.len(), 1);
    }
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

/// What applies it fails and is rolled back; that Stripe sends it again and hears 200 must not be taken for its effect.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_could_not_be_applied_is_not_taken_for_done() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(1, Manual).await;
    let broken = "ALTER TABLE tickets ADD CONSTRAINT broken CHECK (state = 'void') NOT VALID";
    world.database.execute(broken).await.expect("Postgres answers");
    let history = world.at_the_bank(&sale, 0..1, Manual, Answer::Lost).await.pop().expect("one");
    world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    world.captures(std::slice::from_ref(&history)).await;
    world.posts_events().await;
    let tried =
        "SELECT count(*) FROM inbox WHERE kind = 'payment_intent.succeeded' AND state = 'pending' AND note <> ''";
    eventually("its application failed", async || world.count(tried).await == 1).await;
    let told = world.told_of(std::slice::from_ref(&history)).pop().expect("one");
    world.stores_event(&told["payment_intent.succeeded"]).await;
    assert_eq!(world.count(tried).await, 1, "it came twice, and is to be done still");
    assert_eq!(world.count("SELECT count(*) FROM tickets").await, 0);

    world.database.execute("ALTER TABLE tickets DROP CONSTRAINT broken").await.expect("Postgres answers");
    world.database.advance_clock(150_000).await.expect("Postgres answers");
    world.until_order_is(&history.order, OrderState::Paid).await;
    world.until_idle().await;
    assert_eq!(world.order(&history.order).await.tickets.len(), 1);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

/// The attempt is cancelled at Stripe, by Stripe or by hand, and the buyer tries another one.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_stripe_cancelled_leaves_the_order_payable() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(1, Manual).await;
    let history = world.at_the_bank(&sale, 0..1, Manual, Answer::Heard).await.pop().expect("one");
    world.gives_up(&history.intent).await.expect("it can be cancelled");
    world.until_idle().await;
    let seen = world.order(&history.order).await;
    assert_eq!(seen.state, OrderState::AwaitingPayment);
    assert!(seen.payment.is_some_and(|payment| payment.state == PaymentState::Cancelled));
    world.pays(&history.order, VISA, Manual).await;
    world.until_order_is(&history.order, OrderState::Paid).await;
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

/// Two tabs, two cards, two charges: one buys the ticket, and the other goes back without touching it.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_charges_one_goes_back_and_the_ticket_stays() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(1, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, NEEDS_3DS, Automatic).await;
    let first = world.order(&order).await.payment.and_then(|payment| payment.intent).expect("an intent");
    world.stripe.authenticate(&first, Authentication::Failed).expect("it waits for it");
    eventually("the first try failed", async || {
        world.posts_events().await;
        world.order(&order).await.payment.is_some_and(|payment| payment.state == PaymentState::Failed)
    })
    .await;
    workers.stop().await;
    world.pays(&order, VISA, Automatic).await;
    world.tries_again_elsewhere(&first, VISA).await;
    assert_eq!(world.stripe.captured_total("eur"), 2 * PRICE, "charged twice");

    let workers = world.start(Post::Open);
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    assert_eq!(world.stripe.refunded_total("eur"), PRICE, "one of them went back");
    assert_eq!(world.stripe.payment_intent(&first).expect("the fake remembers").refunded, PRICE, "the second");
    let paid = world.order(&order).await;
    assert_eq!(paid.state, OrderState::Paid);
    assert!(matches!(&paid.tickets[..], [ticket] if ticket.state == TicketState::Valid), "{:?}", paid.tickets);
    assert_eq!(world.count("SELECT count(*) FROM units WHERE state = 'sold'").await, 1);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

/// Fields that nobody has heard of, and a version of the future.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_newer_version_is_read_all_the_same() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(1, Manual).await;
    let history = world.at_the_bank(&sale, 0..1, Manual, Answer::Heard).await.pop().expect("one");
    world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    let told = world.told_of(std::slice::from_ref(&history)).pop().expect("one");
    let mut event: Value = serde_json::from_slice(&told["payment_intent.amount_capturable_updated"]).expect("JSON");
    event["id"] = "evt_of_tomorrow".into();
    event["api_version"] = "2031-04-01.tulip".into();
    event["reason"] = json!({ "type": "automation", "automation": { "id": "auto_1" } });
    event["data"]["object"]["hooks"] = json!({ "inputs": { "tax": { "calculation": "taxcalc_1" } } });
    event["data"]["object"]["tulips"] = json!([1, 2, 3]);
    event["data"]["object"]["payment_method_options"]["card"]["tulip"] = "red".into();
    // What our version demands and we do not need.
    event["data"]["object"].as_object_mut().expect("an object").remove("confirmation_method");
    world.stores_event(event.to_string().as_bytes()).await;
    eventually("it is paid by that event alone", async || world.order(&history.order).await.state == OrderState::Paid)
        .await;
    let applied = "SELECT count(*) FROM inbox WHERE id = 'evt_of_tomorrow' AND state = 'done' AND note = 'authorised'";
    assert_eq!(world.count(applied).await, 1);
    world.until_idle().await;
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

/// The unit of an unpaid order is back once: for one buyer, and for no second one.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_paid_for_is_sold_again_once() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(1, Manual).await;
    for _ in 0..3 {
        let order = world.orders(&sale, 1).await;
        world.pays(&order, NEEDS_3DS, Manual).await;
        assert_eq!(world.stock(&sale).await.0, 0);
        world.advances(BACKOFF_MAX).await;
        world.until_order_is(&order, OrderState::Expired).await;
        world.until_idle().await;
        let back = "UPDATE outbox SET state = 'pending', next_at = onsale_now() WHERE kind = 'units_return'";
        world.database.execute(back).await.expect("Postgres answers");
        world.until_idle().await;
        assert_eq!(world.stock(&sale).await, (1, 0), "once, though it was given back twice");
    }
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    assert_eq!(world.stock(&sale).await, (0, 0));
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}
