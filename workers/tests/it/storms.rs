//! A rush of sales, and Stripe takes a fraction of what it promised: nobody loses a seat, and nobody pays without one.

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use sandbox::{Authentication, Limits, Operation};

use crate::eventually::eventually;
use crate::soak;
use crate::world::{Answer, Heard, PRICE, Post, World};

/// What Stripe takes in the storm, where the workers are told of a hundred.
const STORM: Limits = Limits { writes_per_s: Some(4), reads_per_s: None, concurrent: Some(2) };

/// Refusals after which it is over.
const REFUSALS: u64 = 10;

fn refusals(world: &World) -> u64 {
    world.stripe.answers().get(&(Operation::CaptureIntent, 429)).copied().unwrap_or_default()
}

/// 200 captures wait when it begins; in the long run 2,000.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_429_over_queued_sales_loses_none_of_them() {
    let sales = if soak::is_on() { 2_000 } else { 200 };
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.open_sale(sales, Manual).await;
    world.keeps_jobs_back().await;
    let histories = world.at_the_bank(&sale, 0..sales, Manual, Answer::Heard).await;
    for history in &histories {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    }
    let told = world.told_of(&histories);
    let promised = told.iter().map(|told| told["payment_intent.amount_capturable_updated"].clone()).collect();
    world.tells(vec![promised], Heard::Done).await;
    let queued = "SELECT count(*) FROM outbox WHERE kind = 'payment_capture' AND state = 'pending'";
    assert_eq!(world.count(queued).await, i64::from(sales));

    world.stripe.set_limits(STORM);
    world.lets_jobs_go().await;
    eventually("it has refused many", async || refusals(&world) >= REFUSALS).await;
    assert!(world.count(queued).await > i64::from(sales) / 2, "it is not over before it began");
    world.stripe.set_limits(Limits::default());
    for _ in 0..=sales / 200 {
        // A bounded wait for each two hundred, at a hundred writes a second and less after the storm.
        let before = world.count(queued).await;
        eventually("the queue gets shorter", async || {
            let now = world.count(queued).await;
            now == 0 || now <= before - 200
        })
        .await;
    }
    world.until_paid_or_not().await;
    for history in &histories {
        let order = world.order(&history.order).await;
        assert_eq!((order.state, order.tickets.len()), (OrderState::Paid, 1));
    }
    assert_eq!(world.stripe.captured_total("eur"), i64::from(sales) * PRICE);
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}
