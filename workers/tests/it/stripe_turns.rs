//! Jobs that write to Stripe: one at a time an intent, and no more than the budget has.

use std::num::NonZeroU32;
use std::time::Duration;

use admission::{Spend, StripeBudget, WriteClass};
use domain::order::OrderState;
use domain::sale::CaptureMode::{Automatic, Manual};
use ledger::orders::OrderRow;
use sandbox::{CallFault, IntentStatus, Latency, Limits, Operation};

use crate::eventually::eventually;
use crate::world::{PRICE, Post, VISA, World};

/// What the workers of these tests are told.
const WRITES_PER_S: u32 = 100;

fn budget(world: &World) -> StripeBudget {
    let limit = NonZeroU32::new(WRITES_PER_S).expect("a limit");
    StripeBudget::new(world.store.clone(), &world.till.environment(), limit)
}

/// An order whose payment is authorised, and whose capture waits: no worker runs.
async fn authorised(world: &World) -> (OrderRow, String) {
    let workers = world.start(Post::Open);
    let sale = world.open_sale(1, Manual).await;
    workers.stop().await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    let intent = world.stripe.payment_intents().pop().expect("an intent").id;
    (order, intent)
}

async fn attempts(world: &World, kind: &str) -> i64 {
    world.count(&format!("SELECT max(attempts)::bigint FROM outbox WHERE kind = '{kind}'")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_waits_while_nothing_is_left_to_write_and_no_attempt_is_counted() {
    let world = World::new().await;
    let (order, _) = authorised(&world).await;
    let budget = budget(&world);
    // Who says it does not wait for a Redis that is late.
    eventually("everybody knows that there is a pause", async || {
        budget.slow_down(Some(Duration::from_secs(60))).await;
        matches!(budget.take_now(WriteClass::UrgentCapture).await, Ok(Spend::Refused { .. }))
    })
    .await;
    let workers = world.start(Post::Open);
    let put_off = "SELECT count(*) FROM outbox WHERE last_error = 'Stripe''s write budget is spent' AND lease IS NULL
                      AND attempts = 1 AND next_at > onsale_now()";
    eventually("it is put off", async || world.count(put_off).await == 1).await;
    for _ in 0..3 {
        world.database.advance_clock(70_000).await.expect("Postgres answers");
        eventually("it is taken up and put off again", async || world.count(put_off).await == 1).await;
    }
    assert_eq!(world.stripe.calls().get(&Operation::CaptureIntent), None, "Stripe heard nothing");
    world.redis.set_clock_offset(&budget.clock_offset(), 61_000).await.expect("Redis answers");
    world.database.advance_clock(70_000).await.expect("Postgres answers");
    world.until_order_is(&order, OrderState::Paid).await;
    assert_eq!(attempts(&world, "payment_capture").await, 2, "the last one alone, and one for all that were put off");
    assert_eq!(world.count("SELECT count(*) FROM intent_claims").await, 0);
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_of_one_call_slows_the_others_and_none_is_lost() {
    let world = World::new().await;
    let (order, _) = authorised(&world).await;
    world.stripe.fail_next_of(Operation::CaptureIntent, 1, CallFault::RateLimited);
    let workers = world.start(Post::Open);
    world.until_order_is(&order, OrderState::Paid).await;
    assert_eq!(world.stripe.answers().get(&(Operation::CaptureIntent, 429)), Some(&1));
    let seen = budget(&world).look().await.expect("Redis answers");
    assert!(seen.writes_per_s < WRITES_PER_S, "{seen:?}");
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.audit().await;
    workers.stop().await;
}

/// Whether one of two jobs of one intent, both captures, was ever put off for the other.
async fn one_waited_for_the_other(world: &World, order: &OrderRow, intent: &str) -> bool {
    let another = format!(
        "SELECT job_add(sale_id, 'stripe', 'payment_capture', 'both:' || id, payload || '{{\"key\": \"both\"}}')
           FROM outbox WHERE kind = 'payment_capture' AND payload ->> 'intent' = '{intent}'"
    );
    world.database.execute(&another).await.expect("a job");
    world.stripe.set_latency(Latency::Fixed(Duration::from_secs(2)));
    let workers = [world.start(Post::Open), world.start(Post::Open)];
    let mut waited = false;
    let refused = "SELECT count(*) FROM outbox WHERE last_error LIKE 'another call on the same payment%'";
    eventually("both are done", async || {
        waited |= world.count(refused).await > 0;
        world.posts_events().await;
        world.count("SELECT count(*) FROM outbox WHERE queue = 'stripe' AND state = 'pending'").await == 0
    })
    .await;
    world.until_idle().await;
    for running in workers {
        running.stop().await;
    }
    let snapshot = world.stripe.payment_intent(intent).expect("the fake remembers");
    assert_eq!((snapshot.status, snapshot.captured), (IntentStatus::Succeeded, PRICE));
    assert_eq!(world.order(order).await.state, OrderState::Paid);
    world.audit().await;
    waited
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_on_one_intent_are_made_one_after_the_other() {
    let world = World::new().await;
    let (order, intent) = authorised(&world).await;
    assert!(one_waited_for_the_other(&world, &order, &intent).await, "the two were made at once");
}

/// The control: where every claim is granted, nobody waits.
#[tokio::test(flavor = "multi_thread")]
async fn without_claims_two_calls_on_one_intent_are_made_at_once() {
    let world = World::new().await;
    let (order, intent) = authorised(&world).await;
    let open = "CREATE OR REPLACE FUNCTION intent_claim(p_sale uuid, p_intent text, p_holder uuid, p_lease_s integer)
                RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS 'SELECT true'";
    world.database.execute(open).await.expect("another function");
    assert!(!one_waited_for_the_other(&world, &order, &intent).await, "nobody could have waited");
}

/// As many refunds as Stripe takes in some seconds, and no more of them at once than it takes.
#[tokio::test(flavor = "multi_thread")]
async fn refunds_of_many_orders_at_once_meet_no_limit() {
    const ORDERS: u32 = 40;
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(ORDERS, Automatic).await;
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        let order = world.orders(&sale, 1).await;
        world.pays(&order, VISA, Automatic).await;
        orders.push(order);
    }
    for order in &orders {
        world.until_order_is(order, OrderState::Paid).await;
    }
    world.stripe.set_limits(Limits { writes_per_s: Some(WRITES_PER_S), ..Limits::default() });
    for order in &orders {
        world.asks_for_everything(order).await;
    }
    world.until_idle().await;
    assert_eq!(world.stripe.refunded_total("eur"), PRICE * i64::from(ORDERS));
    assert!(world.stripe.answers().keys().all(|(_, status)| *status != 429), "{:?}", world.stripe.answers());
    world.audit().await;
    workers.stop().await;
}
