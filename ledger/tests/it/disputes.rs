//! Disputes: opened, won, lost, after a refund, above the payment, in another currency, in any order.

use domain::order::OrderState;
use domain::{Currency, payment::IntentStatus};
use ledger::disputes::{DisputeApplied, DisputeFacts, DisputeMovement, DisputeStatus, dispute_apply};
use ledger::payments::{RefundStatus, refund_apply};
use ledger::refunds::{AskRefund, RefundWish};

use crate::world::{Paying, Price, World, euros};

const PRICE: i64 = 5891;
const FEE: i64 = 1500;

fn moved(id: &str, amount: i64, fee: i64) -> DisputeMovement {
    DisputeMovement { id: id.to_owned(), amount, fee, currency: Currency::EUR }
}

fn facts(paying: &Paying, status: DisputeStatus, movements: Vec<DisputeMovement>) -> DisputeFacts {
    let (id, intent) = ("du_1".to_owned(), paying.intent.clone());
    DisputeFacts { event: None, id, intent, amount: euros(PRICE), status, movements }
}

async fn hears(world: &World, facts: &DisputeFacts) -> DisputeApplied {
    let applied = dispute_apply(&world.workers, facts).await.expect("an answer");
    world.audits_clean().await;
    applied
}

#[tokio::test]
async fn a_dispute_that_is_won_leaves_everything_as_it_was() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let inquiry = facts(&paying, DisputeStatus::Inquiry, vec![]);
    assert_eq!(hears(&world, &inquiry).await, DisputeApplied::Booked);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid, "an inquiry flags nothing");

    let taken = moved("txn_1", -PRICE, FEE);
    let open = facts(&paying, DisputeStatus::Open, vec![taken.clone()]);
    assert_eq!(hears(&world, &open).await, DisputeApplied::Booked);
    assert_eq!(hears(&world, &open).await, DisputeApplied::Nothing, "each balance transaction once");
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Disputed);
    assert_eq!((world.balance("disputed").await, world.balance("payment_clearing").await), (PRICE, -FEE));
    let refused = sale.asks(&sale.ask(&paying, RefundWish::Amount(1))).await;
    assert_eq!(refused, AskRefund::AboveCaptured { left: euros(0) }, "what the bank took is not given a second time");
    assert_eq!(world.number("SELECT count(*) FROM units WHERE state = 'sold'").await, 1, "and no unit is freed");

    let won = facts(&paying, DisputeStatus::Won, vec![taken, moved("txn_2", PRICE, -FEE)]);
    assert_eq!(hears(&world, &won).await, DisputeApplied::Booked);
    assert_eq!(hears(&world, &inquiry).await, DisputeApplied::Nothing, "old news");
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid);
    for (account, balance) in [("disputed", 0), ("processor_fee", 0), ("suspense", 0), ("payment_clearing", PRICE)] {
        assert_eq!(world.balance(account).await, balance, "{account}");
    }
    assert!(matches!(sale.asks(&sale.ask(&paying, RefundWish::Whole)).await, AskRefund::Asked(_)));
    world.audits_clean().await;
}

#[tokio::test]
async fn a_dispute_that_is_lost_is_the_organizers_loss() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let lost = facts(&paying, DisputeStatus::Lost, vec![moved("txn_1", -PRICE, FEE)]);
    assert_eq!(hears(&world, &lost).await, DisputeApplied::Booked, "all at once, when what came before was lost");
    assert_eq!(hears(&world, &facts(&paying, DisputeStatus::Open, vec![])).await, DisputeApplied::Nothing);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Disputed);
    for (account, balance) in [("disputed", 0), ("processor_fee", FEE), ("organizer_payable", PRICE - 4500)] {
        assert_eq!(world.balance(account).await, balance, "{account}");
    }
}

#[tokio::test]
async fn what_exceeds_the_payment_is_suspense_and_people_are_told() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let refund = sale.refunds(&paying, RefundWish::Amount(5000)).await;
    refund_apply(&world.workers, &paying.refund_news(&refund, RefundStatus::Succeeded)).await.unwrap();
    world.receives("evt_1").await;
    let mut open = facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -PRICE, 0)]);
    open.event = Some("evt_1".to_owned());
    assert_eq!(hears(&world, &open).await, DisputeApplied::Excess);
    assert_eq!(world.event("evt_1").await, ("quarantined".to_owned(), "dispute_excess".to_owned()));
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (PRICE - 5000, 5000));

    let won = facts(&paying, DisputeStatus::Won, vec![moved("txn_1", -PRICE, 0), moved("txn_2", PRICE, 0)]);
    assert_eq!(hears(&world, &won).await, DisputeApplied::Excess);
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (0, 0));
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::PartiallyRefunded);
}

#[tokio::test]
async fn another_currency_is_booked_in_that_currency() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let mut taken = moved("txn_1", -6400, FEE);
    taken.currency = "usd".parse().unwrap();
    assert_eq!(hears(&world, &facts(&paying, DisputeStatus::Open, vec![taken])).await, DisputeApplied::Excess);
    let dollars = "SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE unit_of_account = 'usd' AND account = ";
    assert_eq!(world.number(&format!("{dollars}'suspense'")).await, 6400);
    assert_eq!(world.number(&format!("{dollars}'payment_clearing'")).await, -6400 - FEE);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Disputed);
}

#[tokio::test]
async fn a_dispute_that_overtakes_its_capture_is_brought_again() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    let open = facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -PRICE, FEE)]);
    assert_eq!(hears(&world, &open).await, DisputeApplied::Early);
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    assert_eq!(hears(&world, &open).await, DisputeApplied::Booked);
    let stranger = DisputeFacts { intent: "pi_stranger".to_owned(), ..open };
    assert_eq!(hears(&world, &stranger).await, DisputeApplied::UnknownPayment);
}
