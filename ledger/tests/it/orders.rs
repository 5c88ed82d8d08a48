//! Orders from a hold to tickets, and every way out.

use domain::order::{Finality, OrderState};
use domain::payment::{IntentStatus, PaymentState};
use domain::{SaleId, UnitNo};
use ledger::holds::{Settle, hold_facts, hold_settle};
use ledger::orders::{CancelOrder, CreateOrder, NewOrder, order_cancel, order_contact, orders_expire_due};
use ledger::outbox::{MailKind, Queue, Work, claim};
use ledger::payments::Applied;
use ledger::sales::{sale_close, sale_stock};
use ledger::tickets::TicketState;

use uuid::Uuid;

use crate::world::{Price, World};

#[tokio::test]
async fn an_order_becomes_tickets() {
    let world = World::new().await;
    let sale = world.sale(5, Price::Paid).await;
    let paying = sale.order_being_paid([0, 1]).await;
    assert_eq!(paying.order.state, OrderState::AwaitingPayment);
    assert_eq!(paying.order.total.minor, 2 * 5891);
    world.audits_clean().await;

    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Processing);
    world.audits_clean().await;

    assert_eq!(world.applies(&paying.news(IntentStatus::Succeeded)).await, Applied::Captured);
    let order = sale.looks_at(paying.order.id).await;
    assert_eq!((order.state, order.finality), (OrderState::Paid, Finality::Final));
    let issued: Vec<_> = order.tickets.iter().map(|t| (t.tier.clone(), t.unit, t.id)).collect();
    assert_eq!(issued, paying.tickets());
    assert!(order.tickets.iter().all(|ticket| ticket.state == TicketState::Valid && ticket.reference == paying.intent));
    let stock = sale_stock(&world.workers, sale.id).await.unwrap();
    let counts = stock.values().next().unwrap();
    assert_eq!((counts.free, counts.ordered, counts.sold), (3, 0, 2));
    let owed = world.number("SELECT sum(amount)::bigint FROM entries WHERE account = 'organizer_payable'").await;
    assert_eq!(owed, -9000);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_free_order_is_paid_at_once() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    let wish = sale.order([2]);
    let CreateOrder::Created(order) = sale.creates(&wish).await else { panic!("not created") };
    assert_eq!(order.state, OrderState::Paid);
    assert_eq!(order.tickets.len(), 1);
    assert_eq!(order.tickets[0].reference, order.id.to_string());
    let mail = claim(&world.workers, Queue::Mail, 10, 60).await.unwrap();
    assert_eq!(mail[0].work, Work::Mail { kind: MailKind::OrderPaid, order: order.id });
    let contact = order_contact(&world.workers, sale.id, order.id).await.unwrap().unwrap();
    assert_eq!((contact.email, contact.name), (wish.email, wish.name));
    world.audits_clean().await;
}

#[tokio::test]
async fn a_hold_becomes_one_order() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let first = sale.order([0]);
    let CreateOrder::Created(created) = sale.creates(&first).await else { panic!("not created") };
    let mut again = sale.order([1]);
    again.hold = first.hold;
    assert_eq!(sale.creates(&again).await, CreateOrder::Existing(created));
    assert_eq!(hold_settle(&world.workers, sale.id, first.hold).await.unwrap(), Settle::Ordered);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_tombstone_stands_for_ever() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let order = sale.order([0]);
    assert_eq!(hold_settle(&world.workers, sale.id, order.hold).await.unwrap(), Settle::Tombstoned);
    assert_eq!(sale.creates(&order).await, CreateOrder::HoldExpired);
    assert_eq!(hold_settle(&world.workers, sale.id, order.hold).await.unwrap(), Settle::Tombstoned);
    assert_eq!(world.number("SELECT count(*) FROM orders").await, 0);
}

#[tokio::test]
async fn a_refused_order_leaves_nothing_behind() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let taken = sale.has_order([1]).await;

    let mut greedy = sale.order([0, 1]);
    assert_eq!(sale.creates(&greedy).await, CreateOrder::UnitsLost(taken.units.clone()));
    assert_eq!(sale.creates(&greedy).await, CreateOrder::UnitsLost(taken.units), "also when asked again");
    greedy.units.pop();
    greedy.epoch = 7;
    assert_eq!(sale.creates(&greedy).await, CreateOrder::EpochStale);
    assert_eq!(world.number("SELECT count(*) FROM hold_claims").await, 1);

    sale_close(&world.gateway, sale.organizer, sale.id).await.unwrap();
    greedy.epoch = 1;
    assert_eq!(sale.creates(&greedy).await, CreateOrder::SaleNotOpen);
    world.audits_clean().await;
}

#[tokio::test]
async fn an_order_whose_clock_ran_out_gives_its_units_back() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.has_order([0, 1]).await;
    assert_eq!(orders_expire_due(&world.workers, 10).await.unwrap(), []);

    world.database.advance_clock(301_000).await.unwrap();
    let expired = orders_expire_due(&world.workers, 10).await.unwrap();
    assert_eq!(expired.iter().map(|expired| expired.order).collect::<Vec<_>>(), [order.id]);
    let after = sale.looks_at(order.id).await;
    assert_eq!((after.state, after.finality), (OrderState::Expired, Finality::Final));

    let stock = claim(&world.workers, Queue::Stock, 10, 60).await.unwrap();
    let Work::UnitsReturn { epoch: 1, units, .. } = &stock[0].work else { panic!("{stock:?}") };
    assert_eq!(*units, order.units);
    let mail = claim(&world.workers, Queue::Mail, 10, 60).await.unwrap();
    assert_eq!(mail[0].work, Work::Mail { kind: MailKind::OrderExpired, order: order.id });
    sale.has_order([0, 1]).await;
    world.audits_clean().await;
}

#[tokio::test]
async fn only_an_unpaid_order_can_be_cancelled() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    let order = sale.has_order([0]).await;
    let cancelled = order_cancel(&world.gateway, sale.id, order.id).await.unwrap();
    assert!(matches!(cancelled, CancelOrder::Cancelled(order) if order.state == OrderState::Cancelled));
    let again = order_cancel(&world.gateway, sale.id, order.id).await.unwrap();
    assert_eq!(again, CancelOrder::NotCancellable(OrderState::Cancelled));

    let paying = sale.order_being_paid([1]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    let late = order_cancel(&world.gateway, sale.id, paying.order.id).await.unwrap();
    assert_eq!(late, CancelOrder::NotCancellable(OrderState::Processing));
    let unknown = domain::OrderId::from_uuid(uuid::Uuid::now_v7());
    assert_eq!(order_cancel(&world.gateway, sale.id, unknown).await.unwrap(), CancelOrder::NotFound);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_cancelled_order_gives_up_its_payment_too() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresAction)).await;
    order_cancel(&world.gateway, sale.id, paying.order.id).await.unwrap();
    let jobs = claim(&world.workers, Queue::Stripe, 10, 60).await.unwrap();
    assert!(matches!(&jobs[0].work, Work::PaymentCancel(call) if call.intent == paying.intent));

    assert_eq!(world.applies(&paying.news(IntentStatus::Canceled)).await, Applied::Canceled);
    let order = sale.looks_at(paying.order.id).await;
    assert_eq!(order.payment.unwrap().state, PaymentState::Cancelled);
    world.audits_clean().await;
}

#[tokio::test]
async fn what_is_known_of_a_hold_is_its_verdict_and_whether_its_units_are_free() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    let (first, second) = (sale.order([0, 1]), sale.order([1, 2]));
    let facts = async |order: &NewOrder| {
        let facts = hold_facts(&world.gateway, sale.id, order.hold, &order.units).await.unwrap().expect("a sale");
        (facts.epoch, facts.settled, facts.units_free)
    };
    assert_eq!(facts(&first).await, (1, None, true));
    sale.creates(&first).await;
    assert_eq!(facts(&first).await, (1, Some(Settle::Ordered), false));
    assert_eq!(facts(&second).await, (1, None, false), "one of its units is taken");
    order_cancel(&world.gateway, sale.id, first.id).await.unwrap();
    assert_eq!(facts(&first).await, (1, Some(Settle::Ordered), true), "a cancelled order is the end of its hold");
    hold_settle(&world.workers, sale.id, second.hold).await.unwrap();
    assert_eq!(facts(&second).await, (1, Some(Settle::Tombstoned), true));
    let elsewhere = NewOrder { units: vec![("ga".parse().unwrap(), UnitNo(9))], ..sale.order([3]) };
    assert_eq!(facts(&elsewhere).await, (1, None, false), "a unit that is not there is not free");
    let unknown = SaleId::from_uuid(Uuid::now_v7());
    assert_eq!(hold_facts(&world.gateway, unknown, first.hold, &[]).await.unwrap(), None);
}
