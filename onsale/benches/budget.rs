//! How much of Stripe's write budget becomes sales, and how many calls Stripe refuses.
//!
//! `cargo bench -p onsale --bench budget`. Real processes on private servers: a gateway, workers, and the fake Stripe with a limit
//! of 100 writes/s and the latency of payments in life (log-normal, median 1.5 s). Buyers with orders press Pay faster than the
//! budget allows, and again when they are told to. A sale is a payment that was authorised and captured, two writes, and counts
//! when its money is captured; so the reference is half of the limit times the time.
//!
//! Buyers are let in and order before that, by a gateway that bounds no shoppers, because it takes Stripe's limit to be none;
//! it ends before anybody pays. What is measured is paying.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]

#[path = "support/crowd.rs"]
mod crowd;
#[expect(dead_code, reason = "the world of the end-to-end tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use crowd::{Crowd, until_nothing_is_left};
use futures_util::{StreamExt as _, stream};
use sandbox::actors::{Buyer, Edge, Order};
use sandbox::figures::{Figure, Table, Target, quantile};
use sandbox::{FakeStripe, IntentStatus, Latency, Limits, Operation};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use world::{NO_LIMITS, STRIPE_TAKES_ALL, World};

/// Stripe's limit in live mode, of which a sale takes two.
const WRITES_PER_S: u32 = 100;
const WRITES_PER_SALE: f64 = 2.0;
/// Who presses Pay, a second: more than the budget has room for.
const BUYERS_PER_S: u32 = 60;
/// Until as many captures as payments are under way; and then for so long.
const WARM_UP: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(30);
/// At the till at once, before they pay.
const AT_ONCE: usize = 32;

const SHARE_MIN: f64 = 0.95;

#[tokio::main]
async fn main() {
    let limit = WRITES_PER_S.to_string();
    let world = World::start_and_set(&[NO_LIMITS, ("ONSALE_STRIPE_WRITES_PER_S", &limit)]).await;
    let (mut doors, edge) = world.adds_gateway_and_set(&[STRIPE_TAKES_ALL]).await;
    let buyers = BUYERS_PER_S * u32::try_from((WARM_UP + MEASURED).as_secs()).unwrap();
    let crowd = &Arc::new(Crowd::before(&world, &edge, buyers).await);
    let order = async |number| {
        let (buyer, order) = crowd.orders(number).await;
        // The other gateway knows another limit, and would spend by it.
        (Buyer::new(&world.edge, &crowd.sale, &Edge::address(), buyer.pass()), order)
    };
    let orders: Vec<_> = stream::iter(0..buyers).map(order).buffer_unordered(AT_ONCE).collect().await;
    doors.is_asked_to_end();
    assert!(doors.ends().await.success());
    world.stripe.set_limits(Limits { writes_per_s: Some(WRITES_PER_S), ..Limits::default() });
    world.stripe.set_latency(Latency::LogNormal { median: Duration::from_millis(1_500), sigma: 0.5 });

    let table = Table::new("what of Stripe's write budget becomes sales");
    let (began, mut paying) = (Instant::now(), JoinSet::new());
    for (number, (buyer, order)) in orders.into_iter().enumerate() {
        let at = began + Duration::from_secs(1) * u32::try_from(number).unwrap() / BUYERS_PER_S;
        let crowd = Arc::clone(crowd);
        paying.spawn(async move { presses_pay(at, &buyer, &order, &crowd).await });
    }
    sleep_until(began + WARM_UP).await;
    let (from, before, writes_before) = (Instant::now(), sales(&world.stripe), writes(&world.stripe));
    sleep_until(began + WARM_UP + MEASURED).await;
    let (took_s, sold) = (from.elapsed().as_secs_f64(), sales(&world.stripe) - before);
    let [creates, captures] = writes(&world.stripe);
    let (creates, captures) = (creates - writes_before[0], captures - writes_before[1]);
    let mut waits: Vec<f64> = paying.join_all().await;

    let possible = f64::from(WRITES_PER_S) * took_s / WRITES_PER_SALE;
    let sales = Figure::new(format!("sales of a budget of {WRITES_PER_S} writes/s, in {MEASURED:?}"), sold.into(), "")
        .beside("what it has room for", possible);
    table.figure(&sales.should_be(Target::RatioAtLeast(SHARE_MIN)));
    table.note("payments and captures begun", &format!("{creates} and {captures}"));
    let answers = world.stripe.answers();
    let refused: u64 = answers.iter().filter(|((_, status), _)| *status == 429).map(|(_, count)| count).sum();
    let refused = Figure::new("calls answered 429 meanwhile", f64::from(u32::try_from(refused).unwrap()), "");
    table.figure(&refused.should_be(Target::AtMost(0.0)));
    table.note("most writes within a second", &world.stripe.peak_writes().to_string());
    let all = waits.len();
    table.note("from Pay to its answer, median", &format!("{:.1} s", quantile(&mut waits, 50)));
    table.note(&format!("the same, 99 of 100 of {all}"), &format!("{:.1} s", quantile(&mut waits, 99)));
    until_nothing_is_left(&world).await;
    world.holds_every_invariant();
}

/// Presses Pay at its time; answers how long it took in all, in seconds.
async fn presses_pay(at: Instant, buyer: &Buyer, order: &Order, crowd: &Crowd) -> f64 {
    sleep_until(at).await;
    crowd.presses_pay(buyer, order).await;
    at.elapsed().as_secs_f64()
}

/// How many payments and captures Stripe was asked for.
fn writes(stripe: &FakeStripe) -> [u64; 2] {
    let calls = stripe.calls();
    [Operation::CreateIntent, Operation::CaptureIntent]
        .map(|operation| calls.get(&operation).copied().unwrap_or_default())
}

fn sales(stripe: &FakeStripe) -> u32 {
    let intents = stripe.payment_intents();
    let captured = intents.iter().filter(|intent| intent.status == IntentStatus::Succeeded).count();
    u32::try_from(captured).unwrap()
}
