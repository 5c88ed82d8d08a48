//! Money going back: ours, Stripe's, and what did not arrive.

use domain::order::OrderState;
use domain::payment::IntentStatus;
use domain::{Money, RefundId};
use ledger::orders::orders_expire_due;
use ledger::outbox::{Queue, Work, claim};
use ledger::payments::{Applied, RefundApplied, RefundFacts, RefundStatus, refund_apply};

use crate::world::{Paying, Price, World, euros};

fn refund(paying: &Paying, id: &str, ours: Option<RefundId>, amount: Money, status: RefundStatus) -> RefundFacts {
    RefundFacts { event: None, id: id.to_owned(), refund: ours, intent: paying.intent.clone(), amount, status }
}

async fn applies(world: &World, facts: &RefundFacts) -> RefundApplied {
    refund_apply(&world.workers, facts).await.expect("an answer")
}

#[tokio::test]
async fn late_money_goes_back_once() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.database.advance_clock(601_000).await.unwrap();
    orders_expire_due(&world.workers, 1).await.unwrap();
    claim(&world.workers, Queue::Stock, 1, 60).await.unwrap();
    assert_eq!(world.applies(&paying.news(IntentStatus::Succeeded)).await, Applied::LateRefund);
    let job = claim(&world.workers, Queue::Stripe, 1, 60).await.unwrap().remove(0);
    let Work::PaymentRefund { refund: ours, amount, .. } = job.work else { panic!("{job:?}") };

    let facts = refund(&paying, "re_1", Some(ours), amount, RefundStatus::Succeeded);
    let told_by_event = RefundFacts { refund: None, ..facts.clone() };
    assert_eq!(applies(&world, &told_by_event).await, RefundApplied::Booked, "the event may come before the answer");
    assert_eq!(applies(&world, &facts).await, RefundApplied::Nothing);
    assert_eq!(
        world
            .number(
                "SELECT coalesce(sum(abs(balance)), 0)::bigint FROM (SELECT sum(amount) AS balance FROM entries
        WHERE unit_of_account = 'eur' GROUP BY account) AS balances"
            )
            .await,
        0
    );
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Expired);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_refund_made_at_stripe_is_booked_and_never_above_what_was_captured() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    let part = |id: &str, minor| refund(&paying, id, None, euros(minor), RefundStatus::Succeeded);
    assert_eq!(applies(&world, &part("re_1", 1000)).await, RefundApplied::Booked);
    assert_eq!(applies(&world, &part("re_1", 1000)).await, RefundApplied::Nothing);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::PartiallyRefunded);
    assert_eq!(applies(&world, &part("re_2", 4892)).await, RefundApplied::Early, "what went before must have failed");
    assert_eq!(applies(&world, &part("re_3", 4891)).await, RefundApplied::Booked);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Refunded);
    assert_eq!(world.number("SELECT refunded FROM payments").await, 5891);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_refund_that_fails_is_taken_back() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    let facts = |status| refund(&paying, "re_1", None, euros(500), status);
    assert_eq!(applies(&world, &facts(RefundStatus::Pending)).await, RefundApplied::Booked);
    assert_eq!(applies(&world, &facts(RefundStatus::Failed)).await, RefundApplied::Failed);
    assert_eq!(applies(&world, &facts(RefundStatus::Succeeded)).await, RefundApplied::Nothing, "a failure is final");
    assert_eq!(world.number("SELECT refunded FROM payments").await, 0);
    assert_eq!(world.number("SELECT sum(amount)::bigint FROM entries WHERE account = 'suspense'").await, 0);
    world.audits_clean().await;
}

/// Giving up an authorisation also looks like a refund at Stripe.
#[tokio::test]
async fn a_refund_of_nothing_is_nothing() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    world.applies(&paying.news(IntentStatus::Canceled)).await;
    let facts = refund(&paying, "re_1", None, paying.order.total, RefundStatus::Succeeded);
    assert_eq!(applies(&world, &facts).await, RefundApplied::Nothing);
    let stranger = RefundFacts { intent: "pi_stranger".to_owned(), ..facts };
    assert_eq!(applies(&world, &stranger).await, RefundApplied::UnknownPayment);
    world.audits_clean().await;
}
