//! Postgres goes away from the workers again and again in mid-sale, with whatever they were about to write.

use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use sandbox::{Authentication, FaultProxy};

use crate::eventually::eventually;
use crate::world::{Answer, History, PRICE, Post, World};

/// Buyers between two outages.
const EACH: u32 = 8;
const OUTAGES: u32 = 3;
/// Longer than a worker has what it claimed.
const LEASE: Duration = Duration::from_secs(61);

async fn come_back_from_the_bank(world: &World, histories: &[History]) {
    for history in histories {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    }
    world.posts_events().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_cut_off_from_the_workers_in_mid_sale_costs_nobody_anything() {
    let world = World::new().await;
    let postgres = &sandbox::shared().await.expect("a private Postgres").postgres;
    let proxy = FaultProxy::start(postgres.address()).await.expect("a free port");
    let workers = world.start_through(&proxy, Post::Open);
    let sale = world.open_sale(OUTAGES * EACH, Manual).await;
    let mut all = Vec::new();
    for outage in 0..OUTAGES {
        let histories = world.at_the_bank(&sale, outage * EACH..(outage + 1) * EACH, Manual, Answer::Heard).await;
        // Some of this work has begun when the line is cut, and whatever it said last may be done and unheard.
        come_back_from_the_bank(&world, &histories).await;
        let begun = "SELECT count(*) FROM inbox WHERE attempts > 0";
        let before = i64::from(outage * EACH);
        eventually("some of it has begun", async || world.count(begun).await > before).await;
        proxy.cut().await;
        world.posts_events().await;
        proxy.restore().await.expect("its port is free");
        // What nobody could settle is another's when its lease is over.
        world.advances(LEASE).await;
        for history in &histories {
            world.until_order_is(&history.order, OrderState::Paid).await;
        }
        all.extend(histories);
    }
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), i64::from(OUTAGES * EACH) * PRICE);
    assert_eq!(world.letters(), all.len(), "each was told once");
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}
