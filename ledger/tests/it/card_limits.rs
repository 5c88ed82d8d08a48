//! One limit for one card: over all orders, whoever's they are, however many at once and whoever hears of the payment first.

use std::sync::Arc;

use domain::order::OrderState;
use domain::payment::{CardPrint, IntentFacts, IntentStatus, PaidWith};
use domain::{OrderId, SaleId};
use ledger::orders::{OrderRow, order_fetch};
use ledger::payments::{Applied, CARD_LIMIT, CardAdmit, StripeAnswer, card_admit, card_note, payment_answered};
use ledger::refunds::RefundWish;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{Paying, TestSale, World};

const ADAS: &str = "Xt5EWLLDS7FJjRrL";
const BEAS: &str = "mToisGZ01V71BCos";

/// A sale of many units of which one buyer may have two.
async fn two_each<'w>(world: &'w World, fields: Value) -> TestSale<'w> {
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4_500, "capacity": 20 }]);
    let mut all = json!({ "per_buyer_limit": 2, "tiers": tiers });
    all.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    world.sale_with(all).await
}

fn card(sale: SaleId, fingerprint: &str) -> PaidWith {
    PaidWith::Card(CardPrint::of(sale, fingerprint))
}

/// The bank said yes, and Stripe's answer to *pay* says so, with the card.
async fn is_authorised(world: &World, paying: &Paying, fingerprint: &str) {
    let paid_with = Some(card(paying.order.sale, fingerprint));
    let facts = IntentFacts { paid_with, ..paying.facts(IntentStatus::RequiresCapture) };
    payment_answered(&world.gateway, &paying.attempt, &StripeAnswer::Intent(facts)).await.expect("an answer");
}

/// The same, and only an event said so.
async fn is_heard_of(world: &World, paying: &Paying) {
    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
}

async fn admits(world: &World, paying: &Paying, paid_with: Option<PaidWith>) -> CardAdmit {
    card_admit(&world.workers, paying.order.sale, paying.attempt.id, paid_with).await.expect("an answer")
}

/// Where its order is, how many units it has, and why its payment failed.
async fn stands(
    world: &World,
    Paying { order: OrderRow { sale, id, .. }, .. }: &Paying,
) -> (OrderState, i64, Option<String>) {
    let (sale, order) = (*sale, *id);
    let units = world.number(&format!("SELECT count(*) FROM units WHERE order_id = '{}'", order.uuid())).await;
    let row = order_fetch(&world.gateway, sale, order).await.expect("an answer").expect("the order");
    (row.state, units, row.payment.and_then(|payment| payment.failure))
}

async fn jobs(world: &World, kind: &str, order: OrderId) -> i64 {
    let query = "SELECT count(*) FROM outbox WHERE kind";
    world.number(&format!("{query} = '{kind}' AND payload ->> 'order' = '{}'", order.uuid())).await
}

/// It goes on to its capture.
async fn goes_on(world: &World, paying: &Paying, units: i64) {
    assert_eq!(stands(world, paying).await, (OrderState::Processing, units, None));
    assert_eq!(jobs(world, "payment_capture", paying.order.id).await, 1);
}

/// It is let go, and its buyer is told once.
async fn is_let_go(world: &World, paying: &Paying) {
    let order = paying.order.id;
    assert_eq!(stands(world, paying).await, (OrderState::Cancelled, 0, Some(CARD_LIMIT.to_owned())));
    assert_eq!(jobs(world, "payment_cancel", order).await, 1);
    assert_eq!(jobs(world, "units_return", order).await, 1);
    assert_eq!(world.applies(&paying.news(IntentStatus::Canceled)).await, Applied::Canceled);
    assert_eq!(jobs(world, "mail_payment_released", order).await, 1);
}

#[tokio::test]
async fn what_one_card_pays_for_is_one_buyers_whatever_the_addresses() {
    let world = World::new().await;
    let sale = two_each(&world, json!({})).await;
    let first = sale.order_being_paid([0]).await;
    let second = sale.order_being_paid([1, 2]).await;
    let third = sale.order_being_paid([3]).await;
    is_authorised(&world, &first, ADAS).await;
    goes_on(&world, &first, 1).await;
    is_authorised(&world, &second, ADAS).await;
    is_let_go(&world, &second).await;
    assert_eq!(jobs(&world, "payment_capture", second.order.id).await, 0);
    is_authorised(&world, &third, ADAS).await;
    goes_on(&world, &third, 1).await;

    let beas = sale.order_being_paid([1, 2]).await;
    is_authorised(&world, &beas, BEAS).await;
    goes_on(&world, &beas, 2).await;
    let other = two_each(&world, json!({})).await;
    let elsewhere = other.order_being_paid([0, 1]).await;
    is_authorised(&world, &elsewhere, ADAS).await;
    goes_on(&world, &elsewhere, 2).await;
    world.audits_clean().await;
}

#[tokio::test]
async fn a_sale_that_does_not_count_by_cards_keeps_none() {
    let world = World::new().await;
    let sale = two_each(&world, json!({ "payment": { "same_card": "separate_buyers" } })).await;
    for first in [0, 2, 4] {
        let paying = sale.order_being_paid([first, first + 1]).await;
        is_authorised(&world, &paying, ADAS).await;
        goes_on(&world, &paying, 2).await;
        assert_eq!(admits(&world, &paying, None).await, CardAdmit::Admitted);
    }
    assert_eq!(world.number("SELECT count(*) FROM payments WHERE card IS NOT NULL").await, 0);
    world.audits_clean().await;
}

/// An event told of the authorisation, so whoever captures asks Stripe for the card.
#[tokio::test]
async fn a_card_that_nobody_knows_is_asked_for_before_the_capture_and_counted_once() {
    let world = World::new().await;
    let sale = two_each(&world, json!({})).await;
    let ada = card(sale.id, ADAS);
    let (first, second) = (sale.order_being_paid([0, 1]).await, sale.order_being_paid([2]).await);
    for paying in [&first, &second] {
        is_heard_of(&world, paying).await;
        goes_on(&world, paying, i64::try_from(paying.order.units.len()).expect("few")).await;
        assert_eq!(admits(&world, paying, None).await, CardAdmit::AskCard);
    }
    for again in 0..2 {
        assert_eq!(admits(&world, &first, Some(ada)).await, CardAdmit::Admitted, "{again}");
        assert_eq!(admits(&world, &second, Some(ada)).await, CardAdmit::LimitReached, "{again}");
    }
    assert_eq!(admits(&world, &first, None).await, CardAdmit::Admitted, "after its answer was lost");
    is_let_go(&world, &second).await;
    let otherwise = sale.order_being_paid([2, 3]).await;
    is_heard_of(&world, &otherwise).await;
    assert_eq!(admits(&world, &otherwise, Some(PaidWith::Other)).await, CardAdmit::Admitted, "it has no fingerprint");
    assert_eq!(admits(&world, &otherwise, None).await, CardAdmit::Admitted, "which is remembered");
    assert_eq!(world.applies(&first.news(IntentStatus::Succeeded)).await, Applied::Captured);
    world.audits_clean().await;
}

/// What was given back or given up counts no more.
#[tokio::test]
async fn units_that_are_free_again_make_room_for_the_card() {
    let world = World::new().await;
    let sale = two_each(&world, json!({})).await;
    let first = sale.order_being_paid([0, 1]).await;
    is_authorised(&world, &first, ADAS).await;
    assert_eq!(world.applies(&first.news(IntentStatus::Succeeded)).await, Applied::Captured);
    let refused = sale.order_being_paid([2]).await;
    is_authorised(&world, &refused, ADAS).await;
    is_let_go(&world, &refused).await;

    let paid = sale.looks_at(first.order.id).await;
    sale.refunds(&first, RefundWish::Tickets(vec![paid.tickets[0].id])).await;
    let second = sale.order_being_paid([3]).await;
    is_authorised(&world, &second, ADAS).await;
    goes_on(&world, &second, 1).await;
    assert_eq!(world.applies(&second.fetched(IntentStatus::Canceled)).await, Applied::Canceled);
    let third = sale.order_being_paid([4]).await;
    is_authorised(&world, &third, ADAS).await;
    goes_on(&world, &third, 1).await;
    world.audits_clean().await;
}

/// A floor without a limit of its own, and a box of which nobody may have more than one.
#[tokio::test]
async fn a_tier_s_own_limit_holds_for_a_card_too() {
    let world = World::new().await;
    let tiers = json!([{ "id": "ga", "name": "Box", "price": 4_500, "capacity": 9, "per_buyer_limit": 1 }]);
    let sale = world.sale_with(json!({ "tiers": tiers })).await;
    let (first, second) = (sale.order_being_paid([0]).await, sale.order_being_paid([1]).await);
    is_authorised(&world, &first, ADAS).await;
    goes_on(&world, &first, 1).await;
    is_authorised(&world, &second, ADAS).await;
    is_let_go(&world, &second).await;
}

/// Where Stripe captures by itself, the money is there before anybody can say no: it goes back whole.
#[tokio::test]
async fn money_that_was_taken_beyond_the_limit_goes_back_whole() {
    let world = World::new().await;
    let sale = two_each(&world, json!({ "payment": { "capture": "automatic" } })).await;
    let (first, second) = (sale.order_being_paid([0, 1]).await, sale.order_being_paid([2]).await);
    for paying in [&first, &second] {
        card_note(&world.workers, sale.id, paying.attempt.id, card(sale.id, ADAS)).await.expect("an answer");
    }
    assert_eq!(world.applies(&first.news(IntentStatus::Succeeded)).await, Applied::Captured);
    assert_eq!(world.applies(&second.news(IntentStatus::Succeeded)).await, Applied::LateRefund);
    let order = second.order.id;
    assert_eq!(stands(&world, &second).await, (OrderState::Cancelled, 0, Some(CARD_LIMIT.to_owned())));
    assert_eq!(jobs(&world, "mail_payment_refunded", order).await, 1);
    let whole =
        format!("SELECT count(*) FROM refunds WHERE reason = '{CARD_LIMIT}' AND amount = {}", second.order.total.minor);
    assert_eq!((jobs(&world, "payment_refund", order).await, world.number(&whole).await), (1, 1));
    assert_eq!(world.balance("refund_due").await, -second.order.total.minor);
    world.audits_clean().await;
}

/// Buyers of one unit each, all of whom pay with one card.
const CROWD: u32 = 200;

/// The limit of a sale that says nothing about it.
const LIMIT: usize = 6;

async fn crowd(world: &World) -> Vec<Paying> {
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4_500, "capacity": CROWD }]);
    let sale = world.sale_with(json!({ "tiers": tiers })).await;
    let mut crowd = Vec::new();
    for unit in 0..CROWD {
        let paying = sale.order_being_paid([unit]).await;
        is_heard_of(world, &paying).await;
        crowd.push(paying);
    }
    crowd
}

/// All of them are to be captured at once; answers how many may.
async fn at_once(world: &Arc<World>, crowd: &[Paying]) -> usize {
    let mut captures = JoinSet::new();
    for paying in crowd {
        let (world, sale, payment) = (Arc::clone(world), paying.order.sale, paying.attempt.id);
        let ada = Some(card(sale, ADAS));
        captures.spawn(async move { card_admit(&world.workers, sale, payment, ada).await.expect("an answer") });
    }
    let outcomes = captures.join_all().await;
    assert!(!outcomes.contains(&CardAdmit::AskCard));
    outcomes.iter().filter(|outcome| **outcome == CardAdmit::Admitted).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_crowd_that_pays_with_one_card_at_once_as_many_are_captured_as_fit() {
    let world = Arc::new(World::new().await);
    let crowd = crowd(&world).await;
    assert_eq!(at_once(&world, &crowd).await, LIMIT);
    assert_eq!(at_once(&world, &crowd).await, LIMIT, "the same when all of it is asked again");
    assert_eq!(world.number("SELECT count(*) FROM units WHERE state = 'ordered'").await, 6);
    assert_eq!(world.number("SELECT count(*) FROM outbox WHERE kind = 'payment_cancel'").await, i64::from(CROWD) - 6);
    assert_eq!(world.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await, 0);
    world.audits_clean().await;
}

/// The same without the lock: each counts before the others have written, and the limit is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_one_card_would_have_more() {
    const UNLOCKED: &str = "
        CREATE OR REPLACE FUNCTION card_lock(p_sale uuid, p_card bytea) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
        ALTER FUNCTION card_units(uuid, bytea, uuid) RENAME TO card_units_at_once;
        CREATE FUNCTION card_units(p_sale uuid, p_card bytea, p_order uuid) RETURNS TABLE (tier_id text, units bigint)
        LANGUAGE plpgsql AS $$
        BEGIN
            RETURN QUERY SELECT * FROM public.card_units_at_once(p_sale, p_card, p_order);
            PERFORM pg_sleep(0.5);
        END $$";
    let world = Arc::new(World::new().await);
    let crowd = crowd(&world).await;
    world.database.execute(UNLOCKED).await.unwrap();
    assert!(at_once(&world, &crowd[..2 * LIMIT]).await > LIMIT);
}
