//! Buyers with several addresses and one card: what one buyer may have is captured, and nobody is charged for more.

use domain::order::OrderState;
use domain::sale::CaptureMode::{self, Automatic, Manual};
use ledger::orders::OrderRow;
use ledger::payments::CARD_LIMIT;
use sandbox::{CallFault, Mail, Operation};

use crate::eventually::eventually;
use crate::world::{PRICE, Post, Running, Sale, VISA, World};

/// Buyers, of so many units each. One buyer may have 20.
const BUYERS: usize = 8;
const UNITS: u32 = 3;

/// How many of the buyers one card may pay for.
const FIT: usize = 6;

/// What is paid in the end: those, and one unit with another card.
const PAID: i64 = 19 * PRICE;

/// Whether Stripe's answers to *pay* are heard, which say the card; events do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    Heard,
    Lost,
}

/// So many buyers of so many units.
async fn pay_with_one_card(
    world: &World,
    sale: &Sale,
    (buyers, units): (usize, u32),
    capture: CaptureMode,
    answers: Answers,
) -> Vec<OrderRow> {
    let mut orders = Vec::new();
    for _ in 0..buyers {
        let order = world.orders(sale, units).await;
        if answers == Answers::Lost {
            world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::AnswerLost);
        }
        world.pays(&order, &format!("{VISA}_of_ada"), capture).await;
        orders.push(order);
    }
    orders
}

/// How many of them are paid, when all is done; of the others it is said why.
async fn paid(world: &World, orders: &[OrderRow]) -> usize {
    let mut paid = 0;
    eventually("all of them are paid or over", async || {
        world.posts_events().await;
        let open = "SELECT count(*) FROM orders WHERE state IN ('awaiting_payment', 'processing')";
        world.count(open).await == 0
    })
    .await;
    world.until_idle().await;
    for order in orders {
        let order = world.order(order).await;
        let failure = order.payment.and_then(|payment| payment.failure);
        match (order.state, order.tickets.len(), failure.as_deref()) {
            (OrderState::Paid, tickets, None) if tickets == order.units.len() => paid += 1,
            (OrderState::Cancelled, 0, Some(CARD_LIMIT)) => {}
            other => panic!("{other:?}"),
        }
    }
    paid
}

async fn one_card(capture: CaptureMode, answers: Answers) -> (World, Running) {
    let world = World::new().await;
    let workers = [world.start(Post::Open), world.start(Post::Open)];
    let sale = world.open_sale(30, capture).await;
    let orders = pay_with_one_card(&world, &sale, (BUYERS, UNITS), capture, answers).await;
    assert_eq!(paid(&world, &orders).await, FIT);
    let order = world.orders(&sale, 1).await;
    world.pays(&order, &format!("{VISA}_of_bea"), capture).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    let net: i64 = world.stripe.payment_intents().iter().map(|intent| intent.captured - intent.refunded).sum();
    assert_eq!(net, PAID, "nobody else is charged");
    world.agrees_with_stripe().await;
    world.audit().await;
    let [one, other] = workers;
    one.stop().await;
    (world, other)
}

fn told(world: &World, subject: &str) -> Vec<Mail> {
    world.mail.messages().into_iter().filter(|mail| mail.subject().starts_with(subject)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_card_is_captured_for_as_much_as_one_buyer_may_have() {
    for answers in [Answers::Heard, Answers::Lost] {
        let (world, workers) = one_card(Manual, answers).await;
        let told = told(&world, "Nothing was charged");
        assert_eq!(told.len(), BUYERS - FIT, "each of them is told, once");
        assert!(
            told.iter()
                .all(|mail| mail.text().is_some_and(|text| text.contains("as many tickets as one buyer may have")))
        );
        assert_eq!(world.stripe.captured_total("eur"), PAID);
        workers.stop().await;
    }
}

/// Where Stripe captures by itself, what is too much goes back whole.
#[tokio::test(flavor = "multi_thread")]
async fn money_of_one_card_beyond_what_one_buyer_may_have_goes_back() {
    for answers in [Answers::Heard, Answers::Lost] {
        let (world, workers) = one_card(Automatic, answers).await;
        let told = told(&world, "Your payment for");
        assert_eq!(told.len(), BUYERS - FIT, "each of them is told, once");
        assert!(
            told.iter()
                .all(|mail| mail.text().is_some_and(|text| text.contains("as many tickets as one buyer may have")))
        );
        workers.stop().await;
    }
}

/// All of it is news at the same moment, so that it is told together: each is counted all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_whose_news_comes_at_once_is_counted_one_by_one() {
    for capture in [Manual, Automatic] {
        let world = World::new().await;
        let workers = world.start(Post::None);
        let sale = world.open_sale(30, capture).await;
        workers.stop().await;
        let orders = pay_with_one_card(&world, &sale, (26, 1), capture, Answers::Heard).await;
        world.posts_events().await;
        let workers = world.start(Post::Open);
        assert_eq!(paid(&world, &orders).await, 20);
        let net: i64 = world.stripe.payment_intents().iter().map(|intent| intent.captured - intent.refunded).sum();
        assert_eq!(net, 20 * PRICE, "{capture:?}");
        world.agrees_with_stripe().await;
        world.audit().await;
        workers.stop().await;
    }
}
