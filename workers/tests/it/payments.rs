//! From Stripe's event to tickets, and the ways it does not get there.

use std::time::Duration;

use domain::order::OrderState;
use domain::payment::PaymentState;
use domain::sale::CaptureMode::{self, Automatic, Manual};
use domain::ticket::ticket_id;
use ledger::orders::{OrderRow, orders_expire_due};
use ledger::tickets::TicketState;
use sandbox::{Authentication, Availability, CallFault, IntentStatus, Mail, Operation};

use crate::eventually::eventually;
use crate::world::{DECLINED, NEEDS_3DS, PRICE, Post, Sale, VISA, World};

/// One valid ticket for each unit, named by the payment.
fn has_its_tickets(order: &OrderRow) {
    let intent = order.payment.as_ref().and_then(|payment| payment.intent.as_deref()).expect("a payment");
    let mut expected: Vec<_> = order.units.iter().map(|(tier, unit)| ticket_id(intent, tier, *unit)).collect();
    let mut issued: Vec<_> = order.tickets.iter().map(|ticket| ticket.id).collect();
    expected.sort();
    issued.sort();
    assert_eq!(issued, expected);
    assert!(order.tickets.iter().all(|ticket| ticket.state == TicketState::Valid));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorised_payment_is_captured_and_becomes_tickets() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 2).await;
    world.pays(&order, VISA, Manual).await;
    let paid = world.until_order_is(&order, OrderState::Paid).await;
    has_its_tickets(&paid);
    assert_eq!(world.stripe.captured_total("eur"), 2 * PRICE);
    world.until_idle().await;
    assert_eq!(world.count("SELECT count(*) FROM units WHERE state = 'sold'").await, 2);
    assert_eq!(world.stock(&sale).await, (3, 0));
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_capture_becomes_tickets_too() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Automatic).await;
    has_its_tickets(&world.until_order_is(&order, OrderState::Paid).await);
    assert_eq!(world.stripe.calls().get(&Operation::CaptureIntent), None);
    world.until_idle().await;
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_create_answer_is_found_again_through_the_events() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::AnswerLost);
    world.pays(&order, VISA, Manual).await;
    assert!(
        world.order(&order).await.payment.is_some_and(|payment| payment.intent.is_none()),
        "nobody knows the intent"
    );
    has_its_tickets(&world.until_order_is(&order, OrderState::Paid).await);
    world.until_idle().await;
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_capture_answer_is_one_capture() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CaptureIntent, 1, CallFault::AnswerLost);
    world.pays(&order, VISA, Manual).await;
    has_its_tickets(&world.until_order_is(&order, OrderState::Paid).await);
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_limits_and_failures_delays_a_capture_and_loses_nothing() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    for fault in [CallFault::RateLimited, CallFault::LockTimeout, CallFault::ServerError] {
        world.stripe.fail_next_of(Operation::CaptureIntent, 1, fault);
    }
    world.pays(&order, VISA, Manual).await;
    has_its_tickets(&world.until_order_is(&order, OrderState::Paid).await);
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_away_and_back_finishes_by_itself() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CaptureIntent, 1, CallFault::RateLimited);
    world.pays(&order, VISA, Manual).await;
    world.stripe.set_availability(Availability::Unreachable).await.expect("it goes away");
    eventually("the capture was tried in vain", async || {
        world.count("SELECT count(*) FROM outbox WHERE kind = 'payment_capture' AND last_error IS NOT NULL").await == 1
    })
    .await;
    world.stripe.set_availability(Availability::Available).await.expect("it comes back");
    has_its_tickets(&world.until_order_is(&order, OrderState::Paid).await);
    world.until_idle().await;
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_leaves_the_order_payable() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, DECLINED, Manual).await;
    world.until_idle().await;
    let declined = world.order(&order).await;
    assert_eq!(declined.state, OrderState::AwaitingPayment);
    assert!(declined.payment.is_some_and(|payment| payment.state == PaymentState::Failed));
    world.pays(&order, VISA, Manual).await;
    has_its_tickets(&world.until_order_is(&order, OrderState::Paid).await);
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_d_secure_in_time_becomes_tickets() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, NEEDS_3DS, Manual).await;
    world.until_idle().await;
    assert_eq!(world.order(&order).await.state, OrderState::AwaitingPayment);
    let intent = &world.stripe.payment_intents()[0];
    world.stripe.authenticate(&intent.id, Authentication::Passed).expect("it waits for it");
    has_its_tickets(&world.until_order_is(&order, OrderState::Paid).await);
    world.until_idle().await;
    world.audit().await;
    workers.stop().await;
}

/// An order whose buyer is at the bank.
struct AtTheBank {
    sale: Sale,
    order: OrderRow,
    intent: String,
}

async fn at_the_bank(world: &World, capture: CaptureMode) -> AtTheBank {
    let sale = world.open_sale(1, capture).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, NEEDS_3DS, capture).await;
    let intent = world.stripe.payment_intents().last().expect("its intent").id.clone();
    world.until_idle().await;
    AtTheBank { sale, order, intent }
}

/// The clock of the order runs out while no worker is there: whatever follows waits for one.
async fn runs_out(world: &World, order: &OrderRow) {
    world.database.advance_clock(3_600_000).await.expect("Postgres answers");
    orders_expire_due(&world.workers, 10).await.expect("Postgres answers");
    assert_eq!(world.order(order).await.state, OrderState::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_runs_out_takes_its_open_intent_with_it() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let AtTheBank { sale, order, intent } = at_the_bank(&world, Manual).await;
    runs_out(&world, &order).await;
    world.until_idle().await;
    let snapshot = world.stripe.payment_intent(&intent).expect("the fake remembers");
    assert_eq!(snapshot.status, IntentStatus::Canceled);
    assert!(world.stripe.authenticate(&intent, Authentication::Passed).is_err(), "the buyer can pay no more");
    assert_eq!(world.stock(&sale).await, (1, 0));
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_too_late_for_its_units_is_cancelled_and_nothing_is_charged() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let AtTheBank { sale, order: late, intent } = at_the_bank(&world, Manual).await;
    workers.stop().await;
    runs_out(&world, &late).await;
    let quick = world.orders_the_units_of(&sale, &late).await;
    world.stripe.authenticate(&intent, Authentication::Passed).expect("it waits for it");
    // Only the event: with the order's own cancellation in front of it, nothing would be late.
    world.posts_events().await;
    world.holds_back("kind = 'payment_cancel'").await;

    let workers = world.start(Post::Open);
    world.pays(&quick, VISA, Manual).await;
    has_its_tickets(&world.until_order_is(&quick, OrderState::Paid).await);
    world.until_idle().await;
    let snapshot = world.stripe.payment_intent(&intent).expect("the fake remembers");
    assert_eq!((snapshot.status, snapshot.captured), (IntentStatus::Canceled, 0));
    assert_eq!(world.order(&late).await.tickets, []);
    let told = |mail: &Mail| mail.subject().starts_with("Nothing was charged");
    assert!(world.mail.wait_for(told, Duration::from_secs(10)).await.is_some(), "the buyer is told");
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_comes_too_late_for_its_units_goes_back_whole() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let AtTheBank { sale, order: late, intent } = at_the_bank(&world, Automatic).await;
    workers.stop().await;
    runs_out(&world, &late).await;
    let quick = world.orders_the_units_of(&sale, &late).await;
    world.stripe.authenticate(&intent, Authentication::Passed).expect("it waits for it");

    let workers = world.start(Post::Open);
    world.pays(&quick, VISA, Automatic).await;
    has_its_tickets(&world.until_order_is(&quick, OrderState::Paid).await);
    world.until_idle().await;
    let snapshot = world.stripe.payment_intent(&intent).expect("the fake remembers");
    assert_eq!((snapshot.captured, snapshot.refunded), (PRICE, PRICE));
    let late = world.order(&late).await;
    assert_eq!((late.state, late.tickets), (OrderState::Expired, vec![]));
    let told = |mail: &Mail| mail.subject().ends_with("goes back to you");
    assert!(world.mail.wait_for(told, Duration::from_secs(10)).await.is_some(), "the buyer is told");
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_is_late_but_finds_its_units_free_still_counts() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let AtTheBank { sale, order, intent } = at_the_bank(&world, Manual).await;
    workers.stop().await;
    runs_out(&world, &order).await;
    world.stripe.authenticate(&intent, Authentication::Passed).expect("it waits for it");
    world.posts_events().await;
    world.holds_back("kind = 'payment_cancel'").await;
    // Redis must not hear that the units are back before the payment decides.
    world.holds_back("queue = 'stock'").await;

    let workers = world.start(Post::Open);
    has_its_tickets(&world.until_order_is(&order, OrderState::Paid).await);
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    assert_eq!(world.stock(&sale).await, (0, 0), "Redis never sold them again");
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_not_ours_or_lie_are_set_aside_and_change_nothing() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, NEEDS_3DS, Manual).await;
    world.until_idle().await;
    let body = |kind: &str| {
        let event = world.stripe.events().into_iter().find(|event| event.kind == kind).expect("such an event");
        world.stripe.event_body(&event.id).expect("the fake remembers")
    };
    let mut honest: serde_json::Value = serde_json::from_slice(&body("payment_intent.created")).expect("JSON");
    honest["data"]["object"]["status"] = "requires_capture".into();
    honest["data"]["object"]["amount_capturable"] = PRICE.into();
    let lies: [(&str, &str, serde_json::Value); 6] = [
        ("evt_live", "/livemode", true.into()),
        ("evt_account", "/account", "acct_of_somebody".into()),
        ("evt_cheap", "/data/object/amount", 1.into()),
        ("evt_currency", "/data/object/currency", "usd".into()),
        ("evt_order", "/data/object/metadata/order", "ord_0192f0a1b2c37d4e8f90a1b2c3d4e5f7".into()),
        ("evt_unreadable", "/data/object/status", "requires_a_miracle".into()),
    ];
    for (id, field, value) in &lies {
        let mut lie = honest.clone();
        lie["id"] = (*id).into();
        lie["account"] = serde_json::Value::Null;
        *lie.pointer_mut(field).expect("such a field") = value.clone();
        world.stores_event(lie.to_string().as_bytes()).await;
    }
    world.until_idle().await;
    for (id, _, _) in &lies {
        let query = format!("SELECT count(*) FROM inbox WHERE id = '{id}' AND state = 'quarantined' AND note <> ''");
        assert_eq!(world.count(&query).await, 1, "{id}");
    }
    assert_eq!(world.order(&order).await.state, OrderState::AwaitingPayment);
    assert_eq!(world.stripe.calls().get(&Operation::CaptureIntent), None);
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_together_are_applied_together() {
    const ORDERS: i64 = 40;
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.open_sale(50, Automatic).await;
    workers.stop().await;
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        let order = world.orders(&sale, 1).await;
        world.pays(&order, VISA, Automatic).await;
        orders.push(order);
    }
    world.posts_events().await;
    // What the answers left to a job would compete with the events for being first.
    world.holds_back("kind = 'payment_check'").await;

    let workers = world.start(Post::Open);
    for order in &orders {
        has_its_tickets(&world.until_order_is(order, OrderState::Paid).await);
    }
    world.until_idle().await;
    let captures = world.count("SELECT count(*) FROM transfers WHERE kind = 'captured'").await;
    let calls = world.count("SELECT count(DISTINCT xid) FROM transfers WHERE kind = 'captured'").await;
    eprintln!("{captures} captures in {calls} calls");
    assert_eq!(captures, ORDERS);
    assert!(calls < captures, "no two were applied in one call");
    world.audit().await;
    workers.stop().await;
}
