//! Money that goes back, where Stripe is first or says no.

use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::Automatic;
use ledger::refunds::RefundWish;
use sandbox::{CallFault, Operation};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{PRICE, Post, VISA, World};

/// All that is heard of the payment is that it goes back: the answer to the call that made it was lost, its events are late.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_heard_of_before_its_payment_is_booked_after_it() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::AnswerLost);
    world.pays(&order, VISA, Automatic).await;
    let intent = world.stripe.payment_intents().pop().expect("an intent").id;
    world.refunds_at_stripe(&order, &intent, 500).await;
    let told = world.stripe.events().into_iter().find(|event| event.kind == "refund.created").expect("an event");
    world.stores_event(&world.stripe.event_body(&told.id).expect("the fake remembers")).await;
    eventually("the refund is booked", async || world.count("SELECT refunded FROM payments").await == 500).await;
    let seen = world.order(&order).await;
    assert_eq!((seen.state, seen.tickets.len()), (OrderState::PartiallyRefunded, 1));
    world.posts_events().await;
    world.until_idle().await;
    assert_eq!(world.count("SELECT refunded FROM payments").await, 500);
    world.audit().await;
    workers.stop().await;
}

/// Somebody gave all of it back at Stripe before, which we have not heard yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_stripe_refuses_is_for_people_and_owed_no_more() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Automatic).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    let intent = world.stripe.payment_intents().pop().expect("an intent").id;
    world.refunds_at_stripe(&order, &intent, PRICE).await;
    world.asks_for_everything(&order).await;
    eventually("people are told", async || {
        world.count("SELECT count(*) FROM outbox WHERE kind = 'payment_refund' AND state = 'parked'").await == 1
    })
    .await;
    assert_eq!(
        world.count("SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account = 'refund_due'").await,
        0
    );
    world.posts_events().await;
    eventually("what Stripe did is booked", async || world.count("SELECT refunded FROM payments").await == PRICE).await;
    assert_eq!(world.order(&order).await.state, OrderState::Refunded);
    // Whoever tries the parked job again sends nothing.
    let again =
        "UPDATE outbox SET state = 'pending', attempts = 0, next_at = onsale_now() WHERE kind = 'payment_refund'";
    let sent = world.stripe.calls()[&Operation::CreateRefund];
    world.database.execute(again).await.expect("Postgres answers");
    world.until_idle().await;
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE kind = 'payment_refund' AND state = 'done'").await, 1);
    assert_eq!(world.stripe.calls()[&Operation::CreateRefund], sent);
    world.audit().await;
    workers.stop().await;
}

/// Every answer to the call that makes it is lost, until Stripe may have forgotten its key.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_key_is_old_is_looked_for_and_not_sent_again() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Automatic).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    world.stripe.fail_next_of(Operation::CreateRefund, 1_000, CallFault::AnswerLost);
    world.asks_for_everything(&order).await;
    eventually("Stripe made it", async || world.stripe.refunded_total("eur") == PRICE).await;
    assert_eq!(world.count("SELECT refunded FROM payments").await, 0, "and nobody heard of it");
    world.advances(Duration::from_secs(24 * 3600)).await;
    eventually("it is found", async || world.count("SELECT refunded FROM payments").await == PRICE).await;
    assert_eq!((world.stripe.refunded_total("eur"), world.stripe.calls()[&Operation::ListRefunds]), (PRICE, 1));
    world.until_idle().await;
    assert_eq!(world.order(&order).await.state, OrderState::Refunded);
    world.audit().await;
    workers.stop().await;
}

/// The bank takes the money, and gives it back; the events overtake each other and come twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_is_booked_as_its_balance_transactions_say() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Automatic).await;
    world.until_order_is(&order, OrderState::Paid).await;
    let intent = world.stripe.payment_intents().pop().expect("an intent").id;
    let taken = json!({ "id": "txn_1", "amount": -PRICE, "fee": 1500, "currency": "eur" });
    let back = json!({ "id": "txn_2", "amount": PRICE, "fee": 0, "currency": "eur" });
    let dispute = |status: &str, moved: Value| {
        json!({ "id": "du_1", "object": "dispute", "amount": PRICE, "currency": "eur", "status": status,
                "payment_intent": intent, "balance_transactions": moved })
    };
    let open = dispute("needs_response", json!([taken]));
    world.stripe.deliver("charge.dispute.funds_withdrawn", &open);
    world.until_order_is(&order, OrderState::Disputed).await;
    world.stripe.deliver("charge.dispute.closed", &dispute("won", json!([taken, back])));
    world.stripe.deliver("charge.dispute.created", &open);
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    let balance =
        |account: &str| format!("SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account = '{account}'");
    assert_eq!(world.count(&balance("disputed")).await, 0);
    assert_eq!(world.count(&balance("payment_clearing")).await, PRICE - 1500, "won, and its fee was not given back");
    assert_eq!(world.count(&balance("processor_fee")).await, 1500);
    world.audit().await;
    workers.stop().await;
}

/// Some of it went back at Stripe before, which we have not heard yet: what is asked for is more than is left there, however
/// Stripe calls that.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_for_which_too_little_is_left_is_owed_no_more() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Automatic).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    let intent = world.stripe.payment_intents().pop().expect("an intent").id;
    world.refunds_at_stripe(&order, &intent, 1).await;
    world.asks_for_everything(&order).await;
    eventually("people are told", async || world.count(PARKED).await == 1).await;
    assert_eq!(world.count("SELECT count(*) FROM refunds WHERE state = 'failed'").await, 1);
    assert_eq!(world.count(OWED).await, 0);
    assert_eq!(world.stripe.refunded_total("eur"), 1);
    workers.stop().await;
}

const PARKED: &str = "SELECT count(*) FROM outbox WHERE kind = 'payment_refund' AND state = 'parked'";
const OWED: &str = "SELECT coalesce(-sum(amount), 0)::bigint FROM entries WHERE account = 'refund_due'";

/// Its key is another call's: Stripe says nothing about the money, so it stays owed, and people see to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_does_not_speak_of_the_charge_changes_nothing() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Automatic).await;
    let (order, other) = (world.orders(&sale, 1).await, world.orders(&sale, 1).await);
    for order in [&order, &other] {
        world.pays(order, VISA, Automatic).await;
        world.until_order_is(order, OrderState::Paid).await;
    }
    world.until_idle().await;
    workers.stop().await;
    let refund = world.asks_for_everything(&order).await;
    let paid_other = world.order(&other).await.payment.and_then(|payment| payment.intent).expect("it is paid");
    world.refunds_under_key(&other, &paid_other, 1, &format!("refund:{}", refund.id.uuid())).await;
    let workers = world.start(Post::Open);
    eventually("people are told", async || world.count(PARKED).await == 1).await;
    assert_eq!(world.count("SELECT count(*) FROM refunds WHERE state = 'planned'").await, 1);
    assert_eq!(world.count(OWED).await, PRICE);
    workers.stop().await;
}

/// Refunds and disputes of three intents: one that we know and Stripe denies for now, one that names an order which we do not
/// have, and one that is nobody's. Only the last is done with.
#[tokio::test(flavor = "multi_thread")]
async fn only_news_of_what_is_nobodys_is_put_away() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Automatic).await;
    let order = world.orders(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::ServerError);
    world.pays(&order, VISA, Automatic).await;
    let known = format!("UPDATE payments SET intent_id = 'pi_denied' WHERE order_id = '{}'", order.id.uuid());
    world.database.execute(&known).await.expect("Postgres answers");
    let of_no_order = world.takes_money_for_no_order(&sale).await;
    for (number, intent) in ["pi_denied", &of_no_order, "pi_nobodys"].into_iter().enumerate() {
        let refund = json!({ "id": format!("re_{number}"), "object": "refund", "amount": 100, "currency": "eur",
                             "status": "succeeded", "created": 1_700_000_000, "payment_intent": intent, "metadata": {} });
        world.stripe.deliver("refund.created", &refund);
        let dispute = json!({ "id": format!("du_{number}"), "object": "dispute", "amount": 100, "currency": "eur",
                              "status": "needs_response", "payment_intent": intent, "balance_transactions": [] });
        world.stripe.deliver("charge.dispute.created", &dispute);
    }
    world.posts_events().await;
    let count = async |what: &str| {
        let about = "convert_from(raw, 'UTF8') LIKE";
        let kinds = "kind IN ('refund.created', 'charge.dispute.created')";
        world.count(&format!("SELECT count(*) FROM inbox WHERE {kinds} AND {}", what.replace("about", about))).await
    };
    eventually("each was tried", async || count("(attempts > 0 AND lease IS NULL OR state <> 'pending')").await == 6)
        .await;
    assert_eq!(count("state = 'pending' AND note LIKE '%404%' AND about '%pi_denied%'").await, 2, "brought again");
    assert_eq!(count(&format!("state = 'quarantined' AND about '%{of_no_order}%'")).await, 2, "for people");
    assert_eq!(count("state = 'done' AND about '%pi_nobodys%'").await, 2, "nothing of ours");
    assert_eq!(world.count("SELECT count(*) FROM refunds").await, 0);
    workers.stop().await;
}

const HALF: i64 = PRICE / 2;

/// Stripe fails for good under the first keys, having made the refund under the first, the second, or under none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_under_a_spent_key_is_looked_for_and_made_once() {
    let (not_made, made) = (CallFault::ServerErrorRemembered, CallFault::ServerErrorAfterwards);
    for faults in [vec![made], vec![not_made], vec![not_made, made], vec![not_made, not_made]] {
        let world = World::new().await;
        let workers = world.start(Post::Open);
        let sale = world.open_sale(5, Automatic).await;
        let order = world.orders(&sale, 1).await;
        world.pays(&order, VISA, Automatic).await;
        world.until_order_is(&order, OrderState::Paid).await;
        world.until_idle().await;
        // Between two of them is the call that finds the first key spent.
        for (place, fault) in (0..).zip(&faults) {
            world.stripe.fail_after(Operation::CreateRefund, u32::min(place, 1), 1, *fault);
        }
        world.asks_back(&order, RefundWish::Amount(HALF)).await;
        // No event tells of it; and the other half could go back too.
        eventually("it is booked", async || world.count("SELECT refunded FROM payments").await == HALF).await;
        assert_eq!(world.stripe.refunded_total("eur"), HALF, "{faults:?}");
        world.until_idle().await;
        assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
        world.agrees_with_stripe().await;
        world.audit().await;
        workers.stop().await;
    }
}
