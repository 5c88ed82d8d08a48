//! A sell-out while something breaks: exactly what there is gets sold, and nobody pays for nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbox::actors::Edge;
use sandbox::{CallFault, IntentStatus, Latency, LostReplies, Operation, WebhookFault};
use serde_json::json;

use crate::shopper::{Crowd, crowd};
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, sale};

const SHOPPERS: usize = 60;
const UNITS: u32 = 20;
/// 45.00 and a fee of 1.50 and 7 % of both, in cents.
pub(crate) const PRICE: i64 = 4_500 + 150 + 326;
/// For whatever a fault has left to be done.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// Longer than the lease on what a killed process was doing.
const LEASE_MS: i64 = 61_000;
const LOOK_EVERY: Duration = Duration::from_millis(100);

const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";
/// Work that is not done, and work that nobody could do.
pub(crate) const OPEN: &str = "SELECT (SELECT count(*) FROM inbox WHERE state <> 'done')
                         + (SELECT count(*) FROM outbox WHERE state NOT IN ('done', 'dropped'))";

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_doubled_late_and_out_of_order_and_lost_answers_sell_every_unit_once() {
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let (_second, edge) = world.adds_gateway().await;
    let sale = sells_slowly(&world).await;
    world.stripe.set_webhook_faults(vec![
        WebhookFault::Duplicate { extra: 2 },
        WebhookFault::Reorder { window: Duration::from_millis(1_500) },
    ]);
    world.stripe.fail_next_of(Operation::CreateIntent, 10, CallFault::AnswerLost);
    world.stripe.fail_next_of(Operation::CreateIntent, 5, CallFault::ServerError);
    world.stripe.fail_next_of(Operation::CaptureIntent, 6, CallFault::AnswerLost);
    world.stripe.fail_next_of(Operation::CaptureIntent, 3, CallFault::LockTimeout);
    let crowd = crowd(&[world.edge.clone(), edge], &sale, &world.stripe.base_url(), SHOPPERS, async {}).await;
    everything_is_sold_once(&world, &crowd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_emptied_again_and_again_sells_every_unit_once_and_reuses_no_number() {
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let sale = sells_slowly(&world).await;
    let faults = async {
        sold(&world, 2).await;
        world.redis.flush_scripts().await.unwrap();
        sold(&world, 4).await;
        world.redis.flush().await.unwrap();
        sold(&world, 10).await;
        world.redis.kill().await.unwrap();
        world.redis.restart().await.unwrap();
    };
    let crowd = crowd(&edges(&world), &sale, &world.stripe.base_url(), SHOPPERS, faults).await;
    everything_is_sold_once(&world, &crowd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_killed_in_the_middle_lose_nothing() {
    let mut world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let sale = sells_slowly(&world).await;
    let (edges, stripe) = (edges(&world), world.stripe.base_url());
    let faults = async {
        sold(&world, 2).await;
        world.gateway.is_killed();
        world.restarts_gateway().await;
        sold(&world, 6).await;
        world.workers.is_killed();
        world.restarts_workers().await;
        sold(&world, 10).await;
        world.workers.is_killed();
        world.gateway.is_killed();
        world.restarts_gateway().await;
        world.restarts_workers().await;
        world.database.advance_clock(LEASE_MS).await.unwrap();
    };
    let crowd = crowd(&edges, &sale, &stripe, SHOPPERS, faults).await;
    everything_is_sold_once(&world, &crowd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_killed_twice_in_the_middle_sells_every_unit_once() {
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let sale = sells_slowly(&world).await;
    let faults = async {
        for units in [4, 10] {
            sold(&world, units).await;
            world.postgres.kill().await.unwrap();
            world.postgres.restart().await.unwrap();
        }
        world.database.advance_clock(LEASE_MS).await.unwrap();
    };
    let crowd = crowd(&edges(&world), &sale, &world.stripe.base_url(), SHOPPERS, faults).await;
    everything_is_sold_once(&world, &crowd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_loses_replies_sells_every_unit_once() {
    let world = World::start_behind_proxies(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let sale = sells_slowly(&world).await;
    let proxies = world.proxies.as_ref().unwrap();
    let faults = async {
        proxies.redis.lose_replies(LostReplies::EveryNth(10), b"EVALSHA");
        sold(&world, 5).await;
        proxies.postgres.lose_replies(LostReplies::EveryNth(40), b"");
        proxies.have_lost(10, 5).await;
        proxies.postgres.lose_replies(LostReplies::None, b"");
        // What was claimed by a claim whose reply was lost.
        world.database.advance_clock(LEASE_MS).await.unwrap();
    };
    let crowd = crowd(&edges(&world), &sale, &world.stripe.base_url(), SHOPPERS, faults).await;
    proxies.redis.lose_replies(LostReplies::None, b"");
    everything_is_sold_once(&world, &crowd).await;
}

/// A sale that is not over before the fault: few are let in at once, and Stripe takes its time.
async fn sells_slowly(world: &World) -> String {
    world.stripe.set_latency(Latency::Uniform { min: Duration::from_millis(20), max: Duration::from_millis(300) });
    let mut sale = sale(UNITS);
    sale["admission"] = json!({ "rate_per_s": 4, "burst": 2, "max_shoppers": 200 });
    world.organizer.puts_on_sale(&sale).await.unwrap()
}

fn edges(world: &World) -> Vec<Edge> {
    vec![world.edge.clone()]
}

/// Waits until so many units are sold; some must be left, or what follows would break nothing.
async fn sold(world: &World, units: i64) {
    world.waits_until_counted(SOLD, |sold| sold >= units).await;
    assert!(world.counts(SOLD).await < i64::from(UNITS), "all sold before the fault");
}

async fn everything_is_sold_once(world: &World, crowd: &Crowd) {
    assert_eq!(crowd.told.len(), SHOPPERS);
    assert_eq!(crowd.paid(), UNITS as usize, "{:?}", crowd.told);
    assert_eq!(world.counts(SOLD).await, i64::from(UNITS));
    assert_eq!(crowd.numbers.iter().collect::<BTreeSet<_>>().len(), crowd.numbers.len(), "{:?}", crowd.numbers);
    nothing_is_left_to_do(world).await;
    let tickets = "SELECT count(*) FROM tickets WHERE state = 'valid'";
    assert_eq!(world.counts(tickets).await, i64::from(UNITS));
    money_is_where_it_belongs(world, i64::from(UNITS) * PRICE).await;
    world.holds_every_invariant();
}

/// Every event applied, every job done, every payment at Stripe at an end.
pub(crate) async fn nothing_is_left_to_do(world: &World) {
    let started = tokio::time::Instant::now();
    loop {
        let open = world.counts(OPEN).await;
        let unfinished: Vec<_> =
            world.stripe.payment_intents().into_iter().filter(|intent| !is_over(intent.status)).collect();
        if open == 0 && unfinished.is_empty() {
            return;
        }
        assert!(started.elapsed() < SETTLED_WITHIN, "{open} events and jobs open, {unfinished:?} at Stripe");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_over(status: IntentStatus) -> bool {
    matches!(status, IntentStatus::Succeeded | IntentStatus::Canceled)
}

/// What Stripe kept, what the books say of it, and what the sold units cost are one sum.
pub(crate) async fn money_is_where_it_belongs(world: &World, sum: i64) {
    let clearing = "SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account = 'payment_clearing'";
    assert_eq!(world.counts(clearing).await, sum);
    assert_eq!(world.stripe.captured_total("eur") - world.stripe.refunded_total("eur"), sum);
}
