//! Whether a payment is still to be cancelled, asked about again and again, and given up after all.

use domain::payment::{CardPrint, IntentFacts, IntentStatus, PaidWith};
use ledger::dead_letters::{Fit, Hand, drop};
use ledger::orders::orders_expire_due;
use ledger::outbox::{Queue, Work, claim, park, postpone};
use ledger::payments::{
    Applied, Cancellation, CardAdmit, StripeAnswer, authorisations_hurry, cancellation_begin, card_admit,
    payment_answered,
};
use serde_json::json;

use crate::world::{Paying, TestSale, World};

/// From which age on an authorisation is old.
const OLD_S: u32 = 4 * 24 * 3_600;

/// Of the payment, under the name that keeps it one.
async fn cancellations(world: &World, paying: &Paying) -> i64 {
    let name = format!("payment_cancel:{}", paying.attempt.id.uuid());
    world.number(&format!("SELECT count(*) FROM outbox WHERE dedup_key = '{name}' AND state = 'pending'")).await
}

async fn asks(world: &World, paying: &Paying) -> Cancellation {
    cancellation_begin(&world.workers, paying.order.sale, paying.order.id, paying.attempt.id).await.expect("an answer")
}

/// An order whose time is over while its buyer is at the bank.
async fn over(world: &World, sale: &TestSale<'_>, unit: u32) -> Paying {
    let paying = sale.order_being_paid([unit]).await;
    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresAction)).await, Applied::Nothing);
    world.database.advance_clock(3_600_000).await.expect("Postgres answers");
    assert_eq!(orders_expire_due(&world.workers, 10).await.expect("an answer").len(), 1);
    assert_eq!(cancellations(world, &paying).await, 1);
    paying
}

async fn one_each(world: &World) -> TestSale<'_> {
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4_500, "capacity": 20 }]);
    world.sale_with(json!({ "per_buyer_limit": 1, "tiers": tiers })).await
}

#[tokio::test]
async fn whoever_is_first_of_a_promise_and_a_cancellation_stays_first() {
    let world = World::new().await;
    let sale = one_each(&world).await;
    let promised = over(&world, &sale, 0).await;
    assert_eq!(world.applies(&promised.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    for again in 0..2 {
        assert_eq!(asks(&world, &promised).await, Cancellation::NotWanted, "{again}");
    }
    assert_eq!(world.applies(&promised.news(IntentStatus::Succeeded)).await, Applied::Captured);
    assert_eq!(asks(&world, &promised).await, Cancellation::NotWanted);

    let cancelled = over(&world, &sale, 1).await;
    for again in 0..2 {
        assert_eq!(asks(&world, &cancelled).await, Cancellation::Wanted, "{again}");
    }
    assert_eq!(world.applies(&cancelled.news(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(asks(&world, &cancelled).await, Cancellation::Wanted);
    assert_eq!(world.applies(&cancelled.news(IntentStatus::Canceled)).await, Applied::Canceled);

    // Money that was taken all the same finds its unit free.
    let taken = over(&world, &sale, 2).await;
    assert_eq!(asks(&world, &taken).await, Cancellation::Wanted);
    assert_eq!(world.applies(&taken.news(IntentStatus::Succeeded)).await, Applied::Captured);
    assert_eq!(asks(&world, &taken).await, Cancellation::NotWanted);
    world.audits_clean().await;
}

/// The order lives on its promise again, and then its card turns out to have the limit.
#[tokio::test]
async fn what_was_not_to_be_cancelled_and_is_given_up_later_is_another_job() {
    let world = World::new().await;
    let sale = one_each(&world).await;
    let ada = PaidWith::Card(CardPrint::of(sale.id, "Xt5EWLLDS7FJjRrL"));
    let first = sale.order_being_paid([0]).await;
    let facts = IntentFacts { paid_with: Some(ada), ..first.facts(IntentStatus::RequiresCapture) };
    payment_answered(&world.gateway, &first.attempt, &StripeAnswer::Intent(facts)).await.expect("an answer");

    let second = over(&world, &sale, 1).await;
    assert_eq!(world.applies(&second.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    assert_eq!(asks(&world, &second).await, Cancellation::NotWanted);
    assert_eq!(cancellations(&world, &second).await, 0, "its name is free");
    let admitted = card_admit(&world.workers, sale.id, second.attempt.id, Some(ada)).await.expect("an answer");
    assert_eq!(admitted, CardAdmit::LimitReached);
    assert_eq!(cancellations(&world, &second).await, 1);
    assert_eq!(asks(&world, &second).await, Cancellation::Wanted);
    assert_eq!(world.applies(&second.news(IntentStatus::Canceled)).await, Applied::Canceled);
    world.audits_clean().await;
}

/// The order lives on its promise again, people dropped its cancellation, and its capture waits for its next try.
#[tokio::test]
async fn the_capture_of_an_order_that_lives_again_is_hurried_though_its_cancellation_was_dropped() {
    let world = World::new().await;
    let sale = one_each(&world).await;
    let paying = over(&world, &sale, 0).await;
    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    let mut jobs = claim(&world.workers, Queue::Stripe, 2, 60).await.expect("an answer");
    jobs.sort_by_key(|job| matches!(job.work, Work::PaymentCancel(_)));
    let [capture, cancel] = &jobs[..] else { panic!("a capture and a cancellation: {jobs:?}") };
    postpone(&world.workers, capture, "Stripe is away", 30 * 24 * 3_600).await.expect("an answer");
    park(&world.workers, cancel, "refused").await.expect("an answer");
    let which = Fit { kind: Some("payment_cancel".to_owned()), ..Fit::default() };
    let by = Hand { by: "ada".to_owned(), why: "the order lives".to_owned() };
    assert_eq!(drop(&world.workers, &which, &by).await.expect("an answer"), 1);

    world.database.advance_clock(i64::from(OLD_S) * 1_000).await.expect("Postgres answers");
    assert_eq!(hurried(&world).await, ["hurried"]);
    let due = claim(&world.workers, Queue::Stripe, 9, 60).await.expect("an answer");
    assert_eq!(due.len(), 1, "{due:?}");
    assert!(matches!(due[0].work, Work::PaymentCapture(_)), "{due:?}");
    assert_eq!(hurried(&world).await, ["running"]);
    world.audits_clean().await;
}

/// What became of the jobs of all that are old.
async fn hurried(world: &World) -> Vec<String> {
    let hurried = authorisations_hurry(&world.workers, OLD_S, 100).await.expect("an answer");
    hurried.into_iter().map(|old| old.done).collect()
}
