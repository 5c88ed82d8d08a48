//! What workers need is away for long, in the middle of everything, and comes back: it all finishes by itself.
//!
//! The ten minutes are those of the database's clock, which every delay and lease goes by; it is moved a minute at a time, and
//! each time every job that is due is tried before it moves again. So the jobs meet the outage as often as they would in life.

use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use ledger::refunds::RefundWish;
use sandbox::{Authentication, Availability};

use crate::eventually::eventually;
use crate::world::{Answer, PRICE, Post, World};

const MINUTES: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any job waits before it is tried again.
const BACKOFF_MAX: Duration = Duration::from_secs(150);

/// Buyers of each kind.
const EACH: u32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn stripe_away_for_ten_minutes_in_mid_sale_costs_nobody_anything() {
    for away in [Availability::Unreachable, Availability::Answering503] {
        stripe_is_away(away).await;
    }
}

async fn stripe_is_away(away: Availability) {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(3 * EACH, Manual).await;
    // Some have paid and want it back, some are promised, some are at their bank and never come back.
    let paid = world.at_the_bank(&sale, 0..EACH, Manual, Answer::Heard).await;
    for history in &paid {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
        world.until_order_is(&history.order, OrderState::Paid).await;
    }
    let promised = world.at_the_bank(&sale, EACH..2 * EACH, Manual, Answer::Heard).await;
    let lost = world.at_the_bank(&sale, 2 * EACH..3 * EACH, Manual, Answer::Heard).await;
    world.until_idle().await;
    world.stripe.set_availability(away).await.expect("it goes away");
    for (history, key) in paid.iter().zip(1..) {
        world.asks_back_under(&history.order, RefundWish::Whole, key).await;
    }
    // Deliveries go on where the API is away.
    for history in &promised {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    }
    world.posts_events().await;
    eventually("the promises are heard", async || {
        world.count("SELECT count(*) FROM outbox WHERE kind = 'payment_capture' AND state = 'pending'").await
            == i64::from(EACH)
    })
    .await;
    let waiting = format!(
        "UPDATE orders SET expires_at = onsale_now() WHERE state = 'awaiting_payment' AND sale_id = '{}'",
        sale.id.uuid()
    );
    world.database.execute(&waiting).await.expect("Postgres answers");
    for _ in 0..MINUTES {
        world.advances(MINUTE).await;
        eventually("all that is due was tried", async || {
            let due = "SELECT count(*) FROM outbox
                        WHERE queue = 'stripe' AND state = 'pending' AND (next_at <= onsale_now() OR lease IS NOT NULL)";
            world.count(due).await == 0
        })
        .await;
    }
    let open = "SELECT count(*) FROM outbox WHERE queue = 'stripe' AND state = 'pending' AND last_error IS NOT NULL";
    assert_eq!(world.count(open).await, i64::from(3 * EACH), "each was tried in vain and waits");
    assert_eq!(world.stripe.captured_total("eur"), i64::from(EACH) * PRICE);

    world.stripe.set_availability(Availability::Available).await.expect("it comes back");
    world.advances(BACKOFF_MAX).await;
    world.until_idle().await;
    for (histories, state) in
        [(&paid, OrderState::Refunded), (&promised, OrderState::Paid), (&lost, OrderState::Expired)]
    {
        for history in histories {
            assert_eq!(world.order(&history.order).await.state, state);
        }
    }
    let (captured, refunded) = (world.stripe.captured_total("eur"), world.stripe.refunded_total("eur"));
    assert_eq!((captured, refunded), (i64::from(2 * EACH) * PRICE, i64::from(EACH) * PRICE));
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}
