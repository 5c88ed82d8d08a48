//! Paying while Stripe's write budget is spent.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use admission::StripeBudget;
use http::StatusCode;
use sandbox::actors::Card;
use sandbox::{CallFault, Limits, Operation};

use crate::world::{World, jazz, stripe_client};

/// Longer than a press of Pay waits for its write.
const PAUSE: Duration = Duration::from_secs(8);
/// What the gateway of these tests is told.
const WRITES_PER_S: u32 = 100;
const BOUND: Duration = Duration::from_secs(30);

/// The budget that the gateway spends.
fn budget(world: &World) -> StripeBudget {
    let environment = stripe_client(&world.stripe).environment();
    StripeBudget::new(world.store.clone(), &environment, NonZeroU32::new(WRITES_PER_S).expect("a limit"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_when_nothing_is_left_to_write_is_told_when_to_try_again_and_keeps_the_order() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    budget(&world).slow_down(Some(PAUSE)).await;
    let refused = world.pays(&buyer, &order, Card::Visa).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("overloaded")), "{refused:?}");
    let after_s: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=PAUSE.as_secs() + 1).contains(&after_s), "{after_s}");
    assert_eq!(world.stripe.calls().get(&Operation::CreateIntent), None, "Stripe heard nothing");
    let seen = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(seen["state"], "awaiting_payment");

    let begun = Instant::now();
    let paid = loop {
        let again = world.pays(&buyer, &order, Card::Visa).await;
        if again.status != StatusCode::SERVICE_UNAVAILABLE {
            break again;
        }
        assert!(begun.elapsed() < BOUND, "{again:?}");
        let after_s = again.header("retry-after").expect("it says when").parse().expect("seconds");
        tokio::time::sleep(Duration::from_secs(after_s)).await;
    };
    assert_eq!(paid.expect(StatusCode::OK).unwrap()["payment"]["status"], "requires_capture");
    assert_eq!(world.stripe.payment_intents().len(), 1, "one order, one payment");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_slows_everybody_down_and_the_buyer_pays_all_the_same() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::RateLimited);
    let paid = world.pays(&buyer, &order, Card::Visa).await;
    assert_eq!(paid.expect(StatusCode::OK).unwrap()["payment"]["status"], "requires_capture");
    let seen = budget(&world).look().await.unwrap();
    assert!(seen.writes_per_s < WRITES_PER_S, "{seen:?}");
    assert_eq!(world.stripe.answers().get(&(Operation::CreateIntent, 429)), Some(&1));
    world.stop().await;
}

/// Stripe takes less than it is configured to: what is spent goes down to it, and no payment is lost.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_pay_at_once_share_what_stripe_takes() {
    const BUYERS: usize = 12;
    let world = World::new().await;
    let sale = world.sale(&jazz(u32::try_from(BUYERS).expect("a few"))).await;
    let mut orders = Vec::new();
    for _ in 0..BUYERS {
        let (buyer, _, order) = world.order(&sale, 1).await;
        orders.push((buyer, order));
    }
    world.stripe.set_limits(Limits { writes_per_s: Some(6), ..Limits::default() });
    let base = world.stripe.base_url();
    let begun = Instant::now();
    let pays = orders.iter().map(async |(buyer, order)| {
        loop {
            let answer = buyer.pays(order, Card::Visa, &base).await.unwrap();
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                return answer.status;
            }
            assert!(begun.elapsed() < BOUND, "{answer:?}");
            let after_s = answer.header("retry-after").expect("it says when").parse().expect("seconds");
            tokio::time::sleep(Duration::from_secs(after_s)).await;
        }
    });
    let answers = futures_util::future::join_all(pays).await;
    assert_eq!(answers, [StatusCode::OK; BUYERS]);
    assert_eq!(world.stripe.payment_intents().len(), BUYERS);
    let refused = world.stripe.answers().get(&(Operation::CreateIntent, 429)).copied().unwrap_or_default();
    assert!(refused > 0 && refused < 2 * BUYERS as u64, "the first are too many, and then they are not: {refused}");
    world.stop().await;
}
