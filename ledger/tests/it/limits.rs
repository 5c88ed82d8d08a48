//! One limit for one buyer: over all orders, all spellings of an address, all addresses of a pass, however many at once.

use std::sync::Arc;

use domain::payment::IntentStatus;
use domain::{PlaceNumber, TierId, UnitNo};
use ledger::orders::{CreateOrder, NewOrder, order_cancel, order_create, orders_expire_due};
use ledger::payments::Applied;
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{Price, TestSale, World};

/// The limit of a sale that says nothing about it.
const LIMIT: u32 = 6;

/// Sessions whose transaction was given up to break a cycle.
const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

fn refused() -> CreateOrder {
    CreateOrder::LimitReached { limit: LIMIT, tier: None }
}

/// The same with another address, on a pass of its own.
fn by(email: &str, order: NewOrder) -> NewOrder {
    NewOrder { email: email.to_owned(), ..order }
}

async fn is_created(sale: &TestSale<'_>, order: &NewOrder) -> ledger::orders::OrderRow {
    match sale.creates(order).await {
        CreateOrder::Created(order) => order,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_spellings_of_an_address_are_one_buyer() {
    let world = World::new().await;
    let sale = world.sale(20, Price::Paid).await;
    is_created(&sale, &by("ada@example.com", sale.order([0, 1, 2]))).await;
    is_created(&sale, &by("Ada+2@Example.com", sale.order([3, 4]))).await;
    let two = by("ADA@example.com", sale.order([5, 6]));
    assert_eq!(sale.creates(&two).await, refused());
    assert_eq!(sale.creates(&two).await, refused(), "also when asked again");
    is_created(&sale, &by("ada+3@example.com", sale.order([5]))).await;
    is_created(&sale, &by("bea@example.com", sale.order([6, 7]))).await;
    assert_eq!(world.number("SELECT count(*) FROM hold_claims").await, 4, "a refusal leaves nothing behind");
    world.audits_clean().await;
}

#[tokio::test]
async fn all_addresses_on_a_pass_are_one_buyer() {
    let world = World::new().await;
    let sale = world.sale(20, Price::Paid).await;
    let number = PlaceNumber(4_711);
    is_created(&sale, &NewOrder { number, ..sale.order([0, 1, 2, 3]) }).await;
    assert_eq!(sale.creates(&NewOrder { number, ..sale.order([4, 5, 6]) }).await, refused());
    is_created(&sale, &NewOrder { number, ..sale.order([4, 5]) }).await;
    let elsewhere = world.sale(20, Price::Paid).await;
    is_created(&elsewhere, &NewOrder { number, ..elsewhere.order([0, 1, 2, 3]) }).await;
}

#[tokio::test]
async fn more_than_one_may_have_is_refused_at_once_too() {
    let world = World::new().await;
    let sale = world.sale(20, Price::Paid).await;
    assert_eq!(sale.creates(&sale.order(0..7)).await, refused());
    let strict = world.sale_with(json!({ "per_buyer_limit": 1 })).await;
    assert_eq!(strict.creates(&strict.order([0, 1])).await, CreateOrder::LimitReached { limit: 1, tier: None });
    is_created(&strict, &strict.order([0])).await;
}

/// A floor of ten and a box of ten, of which nobody may have more than two.
async fn with_a_box(world: &World) -> TestSale<'_> {
    let tier = |id: &str| json!({ "id": id, "name": id, "price": 4_500, "capacity": 10 });
    let mut tiers = [tier("ga"), tier("box")];
    tiers[1]["per_buyer_limit"] = json!(2);
    world.sale_with(json!({ "tiers": tiers })).await
}

/// An order of so many units of the floor and of the box, from those of that number on.
fn floor_and_box(sale: &TestSale<'_>, floor: std::ops::Range<u32>, boxed: std::ops::Range<u32>) -> NewOrder {
    let of = |tier: &str, units: std::ops::Range<u32>| {
        let tier: TierId = tier.parse().expect("a tier");
        units.map(|unit| (tier.clone(), UnitNo(unit))).collect::<Vec<_>>()
    };
    let count = u32::try_from(floor.len() + boxed.len()).expect("few units");
    NewOrder { units: [of("ga", floor), of("box", boxed)].concat(), ..sale.order(0..count) }
}

/// Both tiers cost the same, so that lines of one do for both.
#[tokio::test]
async fn a_tier_with_a_limit_of_its_own_is_bounded_over_all_orders() {
    let world = World::new().await;
    let sale = with_a_box(&world).await;
    let boxes_only = || CreateOrder::LimitReached { limit: 2, tier: Some("box".parse().expect("a tier")) };
    let ada = |order| by("ada@example.com", order);
    is_created(&sale, &ada(floor_and_box(&sale, 0..1, 0..1))).await;
    assert_eq!(sale.creates(&ada(floor_and_box(&sale, 1..2, 1..3))).await, boxes_only());
    assert_eq!(sale.creates(&floor_and_box(&sale, 1..2, 1..4)).await, boxes_only(), "at once too");
    assert_eq!(sale.creates(&ada(floor_and_box(&sale, 1..5, 1..3))).await, refused(), "the sale's comes first");
    is_created(&sale, &ada(floor_and_box(&sale, 1..2, 1..2))).await;
    is_created(&sale, &ada(floor_and_box(&sale, 2..4, 0..0))).await;
    assert_eq!(sale.creates(&ada(floor_and_box(&sale, 4..5, 0..0))).await, refused(), "the floor has the sale's alone");
    is_created(&sale, &by("bea@example.com", floor_and_box(&sale, 4..5, 2..4))).await;
    world.audits_clean().await;
}

/// The late payment is within the sale's limit, and beyond that of the tier.
#[tokio::test]
async fn a_late_payment_gets_no_units_beyond_the_limit_of_their_tier() {
    let world = World::new().await;
    let sale = with_a_box(&world).await;
    let ada = |order| by("ada@example.com", order);
    let late = sale.being_paid(is_created(&sale, &ada(floor_and_box(&sale, 0..0, 0..1))).await).await;
    let in_time = sale.being_paid(is_created(&sale, &floor_and_box(&sale, 0..0, 1..2)).await).await;
    world.database.advance_clock(601_000).await.unwrap();
    assert_eq!(orders_expire_due(&world.workers, 10).await.unwrap().len(), 2);
    is_created(&sale, &ada(floor_and_box(&sale, 0..1, 2..4))).await;
    assert_eq!(world.applies(&late.news(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(world.applies(&in_time.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    world.audits_clean().await;
}

/// What counts is in hand: ordered, processing or paid; not what expired, or was given up.
#[tokio::test]
async fn orders_count_while_they_have_their_units() {
    let world = World::new().await;
    let sale = world.sale(20, Price::Paid).await;
    let ada = |order| by("ada@example.com", order);
    let given_up = is_created(&sale, &ada(sale.order(0..6))).await;
    order_cancel(&world.gateway, sale.id, given_up.id).await.unwrap();
    is_created(&sale, &ada(sale.order(0..6))).await;
    world.database.advance_clock(301_000).await.unwrap();
    assert_eq!(orders_expire_due(&world.workers, 10).await.unwrap().len(), 1);

    let paying = sale.being_paid(is_created(&sale, &ada(sale.order(0..3))).await).await;
    for status in [IntentStatus::RequiresCapture, IntentStatus::Succeeded] {
        world.applies(&paying.news(status)).await;
        assert_eq!(sale.creates(&ada(sale.order(6..10))).await, refused(), "{status:?}");
    }
    is_created(&sale, &ada(sale.order(6..9))).await;
    world.audits_clean().await;
}

/// The first order ran out while its payment was under way, and the buyer ordered anew. Both would be too many.
#[tokio::test]
async fn a_late_payment_gets_no_units_beyond_the_limit() {
    let world = World::new().await;
    let sale = world.sale(20, Price::Paid).await;
    let ada = |order| by("ada@example.com", order);
    let late = sale.being_paid(is_created(&sale, &ada(sale.order(0..4))).await).await;
    let in_time = sale.being_paid(is_created(&sale, &sale.order(4..8)).await).await;
    world.database.advance_clock(601_000).await.unwrap();
    assert_eq!(orders_expire_due(&world.workers, 10).await.unwrap().len(), 2);
    is_created(&sale, &ada(sale.order(10..14))).await;
    assert_eq!(world.applies(&late.news(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(world.applies(&in_time.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    world.audits_clean().await;
}

/// Two units each.
const PAIRS: u32 = 20;

/// The most units that one address has, and one pass.
const MOST: [&str; 2] = [
    "SELECT coalesce(max(units), 0) FROM (SELECT count(*) AS units FROM units JOIN contacts USING (sale_id, order_id)
      GROUP BY buyer) AS buyers",
    "SELECT coalesce(max(units), 0) FROM (SELECT count(*) AS units FROM units u
       JOIN orders o ON o.sale_id = u.sale_id AND o.id = u.order_id GROUP BY number) AS passes",
];

/// Writes orders at once, each for two units of its own; answers how many were made.
async fn at_once(world: &Arc<World>, orders: Vec<NewOrder>) -> usize {
    let mut buyers = JoinSet::new();
    for order in orders {
        let world = Arc::clone(world);
        buyers.spawn(async move { order_create(&world.gateway, &order).await.expect("an answer") });
    }
    let outcomes = buyers.join_all().await;
    let is_made = |outcome: &CreateOrder| matches!(outcome, CreateOrder::Created(_));
    assert!(outcomes.iter().all(|outcome| is_made(outcome) || *outcome == refused()), "{outcomes:?}");
    outcomes.iter().filter(|outcome| is_made(outcome)).count()
}

fn pairs(sale: &TestSale<'_>) -> Vec<NewOrder> {
    (0..PAIRS).map(|pair| by("ada@example.com", sale.order([2 * pair, 2 * pair + 1]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_buyers_orders_at_once_as_many_are_made_as_fit() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(2 * PAIRS, Price::Paid).await;
    assert_eq!(at_once(&world, pairs(&sale)).await, 3);
    assert_eq!(world.number(MOST[0]).await, i64::from(LIMIT));
    assert_eq!(world.number(DEADLOCKS).await, 0);
    world.audits_clean().await;
}

/// The same without the lock: each counts before the others have written, and the limit is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_more_would_be_made() {
    const UNLOCKED: &str = "
        CREATE OR REPLACE FUNCTION buyer_units(p_sale uuid, p_buyer text, p_number bigint)
        RETURNS TABLE (tier_id text, units bigint) LANGUAGE plpgsql AS $$
        BEGIN
            RETURN QUERY SELECT u.tier_id, count(*) FROM public.units u JOIN public.contacts c USING (sale_id, order_id)
                          WHERE u.sale_id = p_sale AND c.buyer = p_buyer GROUP BY u.tier_id;
            PERFORM pg_sleep(0.5);
        END $$;
        CREATE OR REPLACE FUNCTION buyer_lock(p_sale uuid, p_buyer text, p_number bigint) RETURNS void
        LANGUAGE plpgsql AS $$ BEGIN END $$";
    let world = Arc::new(World::new().await);
    let sale = world.sale(2 * PAIRS, Price::Paid).await;
    world.database.execute(UNLOCKED).await.unwrap();
    assert!(at_once(&world, pairs(&sale)).await > 3);
    assert!(world.number(MOST[0]).await > i64::from(LIMIT));
}

/// Addresses and passes in every combination, so that each order waits for two others; and all of them cancel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_and_passes_crosswise_keep_the_limit_and_deadlock_nowhere() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(2 * PAIRS, Price::Paid).await;
    for round in 0..4_u64 {
        let orders = pairs(&sale).into_iter().zip(0..).map(|(order, index)| {
            let (address, pass) = ((index + round) % 4, (index / 4 + round * index) % 5 + 1);
            NewOrder { number: PlaceNumber(pass), ..by(&format!("buyer{address}@example.com"), order) }
        });
        let orders: Vec<_> = orders.collect();
        assert!(at_once(&world, orders.clone()).await >= 3);
        for most in MOST {
            assert!(world.number(most).await <= i64::from(LIMIT), "{most}");
        }
        let mut cancels = JoinSet::new();
        for order in orders {
            let world = Arc::clone(&world);
            cancels.spawn(async move { order_cancel(&world.gateway, order.sale, order.id).await.expect("an answer") });
        }
        cancels.join_all().await;
        world.audits_clean().await;
    }
    assert_eq!(world.number(DEADLOCKS).await, 0);
}
