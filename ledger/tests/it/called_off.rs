//! A sale that is called off: whatever an order is, nobody stays charged, everybody is told once, and nothing is sold any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::OrderId;
use domain::order::OrderState;
use domain::payment::IntentStatus;
use domain::sale::StoredState;
use ledger::LedgerError;
use ledger::disputes::{DisputeFacts, DisputeMovement, DisputeStatus, dispute_apply};
use ledger::orders::{CancelOrder, CreateOrder, NewOrder, order_cancel, order_create, orders_expire_due};
use ledger::outbox::{MailKind, Queue, Work, claim};
use ledger::payments::{Applied, BeginPayment, RefundFacts, RefundStatus, payment_apply, payment_begin, refund_apply};
use ledger::refunds::RefundWish;
use ledger::sales::cancelling::{MetAs, WindUp, called_off_settle_next, sale_cancel, sale_wind_up_next};
use ledger::sales::{Decided, Publish, sale_pause, sale_publish, sale_stock};
use ledger::tickets::TicketState;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::soak;
use crate::world::{Paying, Price, TestSale, World, connect, euros, new_payment, patiently};

const BY: &str = "key_1";
const PRICE: i64 = 5891;

impl TestSale<'_> {
    async fn is_called_off(&self) {
        let decided = sale_cancel(&self.world.gateway, self.organizer, self.id, BY).await.expect("an answer");
        assert!(matches!(&decided, Decided::Done(row) if row.state == StoredState::Cancelled), "{decided:?}");
    }

    /// Meets every order; how each was met.
    async fn is_wound_up(&self) -> BTreeMap<OrderId, MetAs> {
        let mut met = BTreeMap::new();
        loop {
            match sale_wind_up_next(&self.world.workers).await.expect("an answer").expect("a sale to wind up") {
                WindUp::Over(sale) => {
                    assert_eq!(sale, self.id);
                    return met;
                }
                WindUp::Met { order, met_as, .. } => assert_eq!(met.insert(order, met_as), None, "each is met once"),
            }
        }
    }

    async fn is_disputed(&self, paying: &Paying, status: DisputeStatus, movements: &[(&str, i64)]) {
        let moved = |(id, amount): &(&str, i64)| DisputeMovement {
            id: format!("{id}_{}", paying.intent),
            amount: *amount,
            fee: 0,
            currency: domain::Currency::EUR,
        };
        let facts = DisputeFacts {
            event: None,
            id: format!("du_{}", paying.intent),
            intent: paying.intent.clone(),
            amount: euros(PRICE),
            status,
            movements: movements.iter().map(moved).collect(),
        };
        dispute_apply(&self.world.workers, &facts).await.expect("an answer");
    }
}

impl World {
    /// Every refund that is to be made is made.
    async fn refunds_arrive(&self) {
        let client = connect(&self.database.url).await;
        let rows = client
            .query(
                "SELECT r.id, p.intent_id, r.amount FROM refunds r JOIN payments p ON p.sale_id = r.sale_id AND p.id = r.payment_id
                  WHERE r.state = 'planned'",
                &[],
            )
            .await
            .expect("refunds");
        for row in rows {
            let id: Uuid = row.get(0);
            let facts = RefundFacts {
                event: None,
                id: format!("re_{}", id.simple()),
                refund: Some(domain::RefundId::from_uuid(id)),
                intent: row.get(1),
                amount: euros(row.get(2)),
                status: RefundStatus::Succeeded,
            };
            refund_apply(&self.workers, &facts).await.expect("an answer");
        }
    }

    /// The letters of this kind that were written.
    async fn letters_of(&self, kind: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM outbox WHERE kind = '{kind}'")).await
    }

    /// What our buyers paid and did not get back.
    async fn kept(&self) -> i64 {
        self.number("SELECT coalesce(sum(captured - refunded), 0)::bigint FROM payments").await
    }
}

/// Money of an order: captured, and what of it went or goes back by us.
async fn money(world: &World, order: OrderId) -> (i64, i64) {
    let client = connect(&world.database.url).await;
    let row = client
        .query_one(
            "SELECT coalesce(sum(p.captured), 0)::bigint,
                    coalesce(sum((SELECT sum(r.amount) FROM refunds r WHERE r.payment_id = p.id AND r.state <> 'failed')), 0)::bigint
               FROM payments p WHERE p.order_id = $1",
            &[&order.uuid()],
        )
        .await
        .expect("a row");
    (row.get(0), row.get(1))
}

async fn tickets_of(sale: &TestSale<'_>, order: OrderId) -> Vec<TicketState> {
    sale.looks_at(order).await.tickets.iter().map(|ticket| ticket.state).collect()
}

/// Not paid, in every way.
#[tokio::test]
async fn an_order_that_is_not_paid_is_over_and_its_payment_is_let_go() {
    let world = World::new().await;
    let sale = world.sale(6, Price::Paid).await;
    let untouched = sale.has_order([0]).await;
    let at_the_bank = sale.order_being_paid([1]).await;
    world.applies(&at_the_bank.news(IntentStatus::RequiresAction)).await;
    let promised = sale.order_being_paid([2]).await;
    assert_eq!(world.applies(&promised.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    let given_up = sale.has_order([3]).await;
    let cancelled = order_cancel(&world.gateway, sale.id, given_up.id).await.unwrap();
    assert!(matches!(cancelled, CancelOrder::Cancelled(_)));
    let under_way = sale.order_being_paid([4]).await;
    world.applies(&under_way.news(IntentStatus::RequiresCapture)).await;
    claim(&world.workers, Queue::Stripe, 100, 60).await.unwrap();
    let unbegun = sale.order_being_paid([5]).await;
    world.applies(&unbegun.news(IntentStatus::RequiresCapture)).await;

    sale.is_called_off().await;
    let met = sale.is_wound_up().await;
    assert_eq!(met.len(), 5, "what was over is not met");
    assert!(met.values().all(|met_as| *met_as == MetAs::Ended), "{met:?}");
    for order in [untouched.id, at_the_bank.order.id, promised.order.id, under_way.order.id, unbegun.order.id] {
        assert_eq!(sale.looks_at(order).await.state, OrderState::Cancelled);
    }
    let dropped = "SELECT count(*) FROM outbox WHERE kind = 'payment_capture' AND state = 'dropped'";
    assert_eq!(world.number(dropped).await, 1, "the capture that nobody began");
    let to_cancel = "SELECT count(*) FROM outbox WHERE kind = 'payment_cancel' AND state = 'pending'";
    assert_eq!(world.number(to_cancel).await, 4);
    let free = sale_stock(&world.workers, sale.id).await.unwrap().values().next().unwrap().free;
    assert_eq!(free, 6);
    let returned = "SELECT count(*) FROM outbox WHERE kind = 'units_return'";
    assert_eq!(world.number(returned).await, 1, "of the order that was given up before; Redis hears of no other");
    assert_eq!(world.letters_of("mail_sale_cancelled").await, 5);

    // Stripe said yes first, to one; the others are let go.
    assert_eq!(world.applies(&under_way.news(IntentStatus::Succeeded)).await, Applied::LateRefund);
    for paying in [&promised, &unbegun, &at_the_bank] {
        assert_eq!(world.applies(&paying.fetched(IntentStatus::Canceled)).await, Applied::Canceled);
    }
    world.refunds_arrive().await;
    assert_eq!(world.kept().await, 0);
    for kind in ["mail_payment_released", "mail_payment_refunded", "mail_refund_made"] {
        assert_eq!(world.letters_of(kind).await, 0, "{kind}: the sale's letter said so");
    }
    world.audits_clean().await;
}

/// Paid, in every way.
#[tokio::test]
async fn an_order_that_is_paid_has_all_that_is_left_back_and_no_ticket() {
    let world = World::new().await;
    let sale = world.sale(10, Price::Paid).await;
    let whole = sale.paid_order([0]).await;
    let part = sale.paid_order([1]).await;
    let partly = sale.refunds(&part, RefundWish::Amount(1_000)).await;
    refund_apply(&world.workers, &part.refund_news(&partly, RefundStatus::Succeeded)).await.unwrap();
    let pair = sale.paid_order([2, 3]).await;
    let one = sale.looks_at(pair.order.id).await.tickets[0].id;
    sale.refunds(&pair, RefundWish::Tickets(vec![one])).await;
    let back = sale.paid_order([4]).await;
    let all = sale.refunds(&back, RefundWish::Whole).await;
    refund_apply(&world.workers, &back.refund_news(&all, RefundStatus::Succeeded)).await.unwrap();
    let by_amount = sale.paid_order([5]).await;
    sale.refunds(&by_amount, RefundWish::Amount(PRICE)).await;
    let failed = sale.paid_order([6]).await;
    let refund = sale.refunds(&failed, RefundWish::Whole).await;
    refund_apply(&world.workers, &failed.refund_news(&refund, RefundStatus::Failed)).await.unwrap();
    let inside = sale.paid_order([7]).await;
    world.database.execute("UPDATE tickets SET state = 'used' WHERE unit_no = 7").await.unwrap();
    let told_before = world.letters_of("mail_refund_made").await;

    sale.is_called_off().await;
    let met = sale.is_wound_up().await;
    assert_eq!(met.len(), 7);
    for (paying, met_as) in [
        (&whole, MetAs::Refunded),
        (&part, MetAs::Refunded),
        (&pair, MetAs::Refunded),
        (&back, MetAs::Nothing),
        (&by_amount, MetAs::Refunded),
        (&failed, MetAs::Refunded),
        (&inside, MetAs::Refunded),
    ] {
        assert_eq!(met[&paying.order.id], met_as);
        let (captured, goes_back) = money(&world, paying.order.id).await;
        assert_eq!(goes_back, captured, "to the cent");
        let state = if paying.order.id == inside.order.id { TicketState::Used } else { TicketState::Void };
        assert!(tickets_of(&sale, paying.order.id).await.iter().all(|ticket| *ticket == state));
    }
    world.audits_clean().await;
    world.refunds_arrive().await;
    assert_eq!(world.kept().await, 0);
    for account in ["refund_due", "payment_clearing", "organizer_payable", "platform_fee", "tax_payable"] {
        assert_eq!(world.balance(account).await, 0, "{account}");
    }
    assert_eq!(sale.looks_at(whole.order.id).await.state, OrderState::Refunded);
    assert_eq!(world.letters_of("mail_sale_cancelled").await, 6, "whoever had all back before is told nothing");
    let made = world.letters_of("mail_refund_made").await;
    assert_eq!(made - told_before, 2, "of what was asked for before, and of nothing that the sale's letter told of");
    let returned = "SELECT count(*) FROM outbox WHERE kind = 'units_return'";
    assert_eq!(world.number(returned).await, 3, "of refunds before: nothing is sold any more");
    world.audits_clean().await;
}

/// The letter says how much goes back.
#[tokio::test]
async fn the_letter_of_an_order_names_its_refund() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paid = sale.paid_order([0]).await;
    let waiting = sale.has_order([1]).await;
    sale.is_called_off().await;
    sale.is_wound_up().await;
    let mut told = BTreeMap::new();
    for job in claim(&world.workers, Queue::Mail, 100, 60).await.unwrap() {
        if let Work::Mail { kind: MailKind::SaleCancelled(refund), order } = job.work {
            assert_eq!(told.insert(order, refund), None);
        }
    }
    let refund = world.number("SELECT amount FROM refunds WHERE called_off").await;
    assert_eq!(refund, PRICE);
    assert!(told[&paid.order.id].is_some() && told[&waiting.id].is_none(), "{told:?}");
}

/// Fees that the sale keeps when somebody changes their mind go back when the sale does not take place.
#[tokio::test]
async fn fees_go_back_whatever_the_sale_keeps_and_free_tickets_are_void() {
    let world = World::new().await;
    let sale = world.sale_with(crate::world::keeping_fees()).await;
    let paid = sale.paid_order([0]).await;
    let free = world.sale(1, Price::Free).await;
    let CreateOrder::Created(given) = free.creates(&free.order([0])).await else { panic!("an order") };
    sale.is_called_off().await;
    assert_eq!(sale.is_wound_up().await[&paid.order.id], MetAs::Refunded);
    let (captured, goes_back) = money(&world, paid.order.id).await;
    assert_eq!(goes_back, captured);
    free.is_called_off().await;
    assert_eq!(free.is_wound_up().await[&given.id], MetAs::Refunded);
    assert_eq!(tickets_of(&free, given.id).await, [TicketState::Void]);
    assert_eq!(free.looks_at(given.id).await.state, OrderState::Refunded);
    assert_eq!(world.letters_of("mail_sale_cancelled").await, 2);
    assert_eq!(world.letters_of("mail_refund_made").await, 0);
    world.audits_clean().await;
}

/// What a bank has is not given back a second time; what it gives back is.
#[tokio::test]
async fn disputed_money_is_left_to_the_bank_and_goes_back_once_it_is_ours() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let [won, lost] = [sale.paid_order([0]).await, sale.paid_order([1]).await];
    for paying in [&won, &lost] {
        sale.is_disputed(paying, DisputeStatus::Open, &[("txn_1", -4_000)]).await;
    }
    sale.is_called_off().await;
    let met = sale.is_wound_up().await;
    for paying in [&won, &lost] {
        assert_eq!(met[&paying.order.id], MetAs::Waits);
        assert_eq!(money(&world, paying.order.id).await, (PRICE, PRICE - 4_000), "what the bank left");
        assert_eq!(tickets_of(&sale, paying.order.id).await, [TicketState::Void]);
    }
    let settles = async || called_off_settle_next(&world.workers).await.unwrap();
    assert_eq!(settles().await, None, "not before a minute");
    let waits_on = async |paying: &Paying| {
        world.database.advance_clock(61_000).await.unwrap();
        let mut met = BTreeMap::new();
        while let Some(WindUp::Met { order, met_as, .. }) = settles().await {
            met.insert(order, met_as);
        }
        met.get(&paying.order.id).copied()
    };
    assert_eq!(waits_on(&won).await, Some(MetAs::Waits));
    sale.is_disputed(&won, DisputeStatus::Won, &[("txn_2", 4_000)]).await;
    sale.is_disputed(&lost, DisputeStatus::Lost, &[]).await;
    world.audits_clean().await;
    assert_eq!(money(&world, won.order.id).await, (PRICE, PRICE), "at once");
    assert_eq!(waits_on(&lost).await, Some(MetAs::Nothing));
    assert_eq!(waits_on(&lost).await, None, "each was met for the last time");
    assert_eq!(money(&world, won.order.id).await, (PRICE, PRICE));
    assert_eq!(money(&world, lost.order.id).await, (PRICE, PRICE - 4_000));
    world.refunds_arrive().await;
    assert_eq!(world.letters_of("mail_sale_cancelled").await, 2, "once, however often it was met");
    assert_eq!(world.letters_of("mail_refund_made").await, 1, "of what the bank gave back");
    world.audits_clean().await;
}

/// An order that ran out takes its units again for a late payment; not in a sale that is called off.
#[tokio::test]
async fn no_order_comes_back_to_life() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let [promised, charged] = [sale.order_being_paid([0]).await, sale.order_being_paid([1]).await];
    world.database.advance_clock(601_000).await.unwrap();
    orders_expire_due(&world.workers, 10).await.unwrap();
    sale.is_called_off().await;
    assert!(sale.is_wound_up().await.is_empty());
    assert_eq!(world.applies(&promised.news(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(world.applies(&charged.news(IntentStatus::Succeeded)).await, Applied::LateRefund);
    world.refunds_arrive().await;
    assert_eq!(world.kept().await, 0);
    assert_eq!(world.letters_of("mail_payment_refunded").await, 1, "nobody else told it");
    world.audits_clean().await;
}

#[tokio::test]
async fn calling_off_is_once_and_for_all() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.order([0]);
    let stranger = world.organizer().await;
    let cancels = async |organizer| sale_cancel(&world.gateway, organizer, sale.id, BY).await.unwrap();
    assert_eq!(cancels(stranger).await, Decided::NotFound);
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    sale.is_called_off().await;
    assert!(matches!(cancels(sale.organizer).await, Decided::Already(_)));
    assert_eq!(cancels(stranger).await, Decided::NotFound);
    assert!(matches!(
        sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap(),
        Decided::Refused(StoredState::Cancelled)
    ));
    assert_eq!(sale.creates(&order).await, CreateOrder::SaleNotOpen);
    assert!(sale.is_wound_up().await.is_empty());
    assert_eq!(sale_wind_up_next(&world.workers).await.unwrap(), None);
    let written = "SELECT count(*) FROM audit_log WHERE act = 'sale_cancelled' AND actor = 'key_1'
                      AND detail = '{\"before\": \"paused\", \"after\": \"cancelled\"}'";
    assert_eq!(world.number(written).await, 1);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_draft_that_is_called_off_is_never_published() {
    let world = World::new().await;
    let organizer = world.organizer().await;
    let id = domain::SaleId::from_uuid(Uuid::now_v7());
    let config = crate::world::config_with(serde_json::json!({}));
    ledger::sales::sale_create(&world.gateway, organizer, id, &config).await.unwrap();
    assert!(matches!(sale_cancel(&world.gateway, organizer, id, BY).await.unwrap(), Decided::Done(_)));
    assert_eq!(sale_publish(&world.gateway, organizer, id).await.unwrap(), Publish::NotFound);
    assert_eq!(sale_wind_up_next(&world.workers).await.unwrap(), Some(WindUp::Over(id)));
    assert_eq!(sale_wind_up_next(&world.workers).await.unwrap(), None);
}

/// One order that breaks a rule keeps nobody else from their money, and is met again.
#[tokio::test]
async fn an_order_that_cannot_be_wound_up_does_not_stop_the_others() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let [first, second] = [sale.paid_order([0]).await, sale.paid_order([1]).await];
    let broken = "UPDATE units SET state = 'withheld', order_id = NULL WHERE unit_no = 0";
    world.database.execute(broken).await.unwrap();
    sale.is_called_off().await;
    let met = sale.is_wound_up().await;
    assert_eq!((met[&first.order.id], met[&second.order.id]), (MetAs::Stuck, MetAs::Refunded));
    assert_eq!(world.letters_of("mail_sale_cancelled").await, 1);
    let mended = format!("UPDATE units SET state = 'sold', order_id = '{}' WHERE unit_no = 0", first.order.id.uuid());
    world.database.execute(&mended).await.unwrap();
    world.database.advance_clock(61_000).await.unwrap();
    let again = called_off_settle_next(&world.workers).await.unwrap();
    assert_eq!(again, Some(WindUp::Met { sale: sale.id, order: first.order.id, met_as: MetAs::Refunded }));
    world.refunds_arrive().await;
    assert_eq!((world.kept().await, world.letters_of("mail_sale_cancelled").await), (0, 2));
    world.audits_clean().await;
}

const CROWD: u32 = 48;
const CROWD_SOAK: u32 = 4_000;

/// How far one of the crowd came.
async fn shops(world: Arc<World>, order: NewOrder) -> Option<Paying> {
    let CreateOrder::Created(row) = patiently(|| order_create(&world.gateway, &order)).await else { return None };
    let payment = new_payment(order.sale, order.id);
    let BeginPayment::Begun(attempt) = patiently(|| payment_begin(&world.gateway, &payment)).await else { return None };
    let paying = Paying { intent: format!("pi_{}", attempt.id.uuid().simple()), order: row, attempt };
    for status in [IntentStatus::RequiresCapture, IntentStatus::Succeeded] {
        let news = paying.news(status);
        patiently(|| payment_apply(&world.workers, &news)).await;
    }
    Some(paying)
}

async fn winds_up(world: Arc<World>) {
    let is_over = async || {
        Ok::<_, LedgerError>(world.number("SELECT count(*) FROM sale_cancellations WHERE walked_at IS NOT NULL").await)
    };
    while is_over().await.expect("an answer") == 0 {
        patiently(|| sale_wind_up_next(&world.workers)).await;
    }
}

/// The sale is called off in the midst of a crowd that orders and pays, and two workers wind it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_of_a_crowd_that_pays_meanwhile_stays_charged() {
    let crowd = if soak::is_on() { CROWD_SOAK } else { CROWD };
    let world = Arc::new(World::new().await);
    let sale = world.sale(crowd, Price::Paid).await;
    let mut shoppers = JoinSet::new();
    for unit in 0..crowd / 2 {
        shoppers.spawn(shops(Arc::clone(&world), sale.order([unit])));
    }
    let early = shoppers.join_next().await.expect("a crowd").expect("no panic");
    for unit in crowd / 2..crowd {
        shoppers.spawn(shops(Arc::clone(&world), sale.order([unit])));
    }
    patiently(|| sale_cancel(&world.gateway, sale.organizer, sale.id, BY)).await;
    let mut walks = JoinSet::new();
    for _ in 0..2 {
        walks.spawn(winds_up(Arc::clone(&world)));
    }
    walks.join_all().await;
    let shopped = shoppers.join_all().await.into_iter().chain([early]).flatten().count();
    world.refunds_arrive().await;
    let orders = world.number("SELECT count(*) FROM orders").await;
    let captured = world.number("SELECT count(*) FROM payments WHERE state = 'captured'").await;
    eprintln!("{crowd} shoppers: {orders} orders, {shopped} paid to the end, {captured} captured");
    assert!(captured > 0 && shopped > 0, "nobody paid");
    assert_eq!(world.kept().await, 0);
    let alive = "SELECT count(*) FROM orders WHERE state NOT IN ('cancelled', 'refunded')";
    assert_eq!(world.number(alive).await, 0);
    assert_eq!(world.number("SELECT count(*) FROM tickets WHERE state <> 'void'").await, 0);
    assert_eq!(world.letters_of("mail_sale_cancelled").await, orders);
    assert_eq!(world.number("SELECT count(*) FROM units WHERE state <> 'free'").await, 0);
    world.audits_clean().await;
}
