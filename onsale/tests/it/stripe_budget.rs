//! More to write to Stripe than it takes: buyers who pay all at once, and then as many captures and cancellations as there
//! were payments, by several processes. Nothing is lost, and nothing is refused by Stripe.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use sandbox::actors::Card;
use sandbox::{IntentStatus, Latency, Limits};
use tokio::time::Instant;

use crate::world::{NO_LIMITS, World, sale};

const BOUND: Duration = Duration::from_secs(240);
/// One in so many never shows up at the bank, so that the payment is let go.
const ABANDONED: usize = 3;
/// At the till at once, before they pay.
const AT_ONCE: usize = 16;
/// Past the time to pay.
const LATER_MS: i64 = 3_600_000;

fn scaled() -> (usize, u32) {
    let is_soak = std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1");
    // All are inside until they pay, and so many writes a second let no more in.
    if is_soak { (1_400, 100) } else { (120, 40) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_captures_and_cancellations_meets_no_limit_and_loses_none() {
    let (buyers, per_s) = scaled();
    let mut world = World::start_and_set(&[NO_LIMITS, ("ONSALE_STRIPE_WRITES_PER_S", &per_s.to_string())]).await;
    world.stripe.set_limits(Limits { writes_per_s: Some(per_s), ..Limits::default() });
    world.stripe.set_latency(Latency::Uniform { min: Duration::from_millis(20), max: Duration::from_millis(200) });
    let mut night = sale(u32::try_from(buyers).unwrap());
    night["admission"]["overbook"] = 100.into();
    let sale = world.organizer.puts_on_sale(&night).await.unwrap();
    world.workers.is_killed();

    let orders: Vec<_> =
        stream::iter(0..buyers).map(|_| world.has_order(&sale)).buffer_unordered(AT_ONCE).collect().await;
    let (began, stripe) = (Instant::now(), world.stripe.base_url());
    let pays = orders.iter().enumerate().map(|(number, (buyer, order))| {
        let card = if number % ABANDONED == 0 { Card::AuthenticationRequired } else { Card::Visa };
        buyer.pays_in_a_rush(order, card, &stripe, BOUND)
    });
    let refused: u32 = futures_util::future::join_all(pays).await.into_iter().map(Result::unwrap).sum();
    let paid_s = began.elapsed().as_secs_f64();
    let queued = "SELECT count(*) FROM outbox WHERE kind = 'payment_capture' AND state = 'pending'";
    let abandoned = buyers.div_ceil(ABANDONED);
    assert_eq!(world.counts(queued).await, i64::try_from(buyers - abandoned).unwrap());

    world.database.set_clock_offset(LATER_MS).await.unwrap();
    let began = Instant::now();
    world.restarts_workers().await;
    let _another = world.adds_workers_and_set(&[]).await;
    until_all_is_done(&world, buyers).await;
    let answers = world.stripe.answers();
    eprintln!(
        "{buyers} payments at {per_s} writes/s in {paid_s:.1} s ({refused} told to try again), their captures and \
         cancellations in {:.1} s, at most {} writes in a second, {answers:?}",
        began.elapsed().as_secs_f64(),
        world.stripe.peak_writes(),
    );
    assert!(answers.keys().all(|(_, status)| *status != 429), "{answers:?}");
    let intents = by_status(&world);
    assert_eq!(intents.get("Succeeded"), Some(&(buyers - abandoned)), "{intents:?}");
    assert_eq!(intents.get("Canceled"), Some(&abandoned), "{intents:?}");
    let ticketed = "SELECT count(*) FROM tickets WHERE state = 'valid'";
    assert_eq!(world.counts(ticketed).await, i64::try_from(buyers - abandoned).unwrap());
    assert_eq!(world.counts("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    assert_eq!(world.counts("SELECT count(*) FROM intent_claims").await, 0, "no claim is left");
    world.holds_every_invariant();
}

async fn until_all_is_done(world: &World, buyers: usize) {
    let began = Instant::now();
    loop {
        let ended = world.stripe.payment_intents().iter().filter(|intent| is_over(intent.status)).count();
        let left = world.counts("SELECT count(*) FROM outbox WHERE state = 'pending'").await
            + world.counts("SELECT count(*) FROM inbox WHERE state = 'pending'").await;
        if ended == buyers && left == 0 {
            return;
        }
        assert!(began.elapsed() < BOUND, "{ended} of {buyers} are over, and {left} jobs are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

const fn is_over(status: IntentStatus) -> bool {
    matches!(status, IntentStatus::Succeeded | IntentStatus::Canceled)
}

fn by_status(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for intent in world.stripe.payment_intents() {
        *counts.entry(format!("{:?}", intent.status)).or_insert(0) += 1;
    }
    counts
}
