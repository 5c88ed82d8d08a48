//! Captures that must not wait: by what Stripe says of the end of a promise, and by its age where nobody said it.

use std::time::Duration;

use domain::payment::{IntentFacts, IntentStatus};
use jiff::Timestamp;
use ledger::outbox::{self, Queue, Work};
use ledger::payments::{
    Applied, StripeAnswer, authorisations_hurry, authorisations_unsaid, capture_before_note, payment_answered,
};

use crate::world::{Paying, Price, World};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// The age that decides where nobody said more.
const OLD_S: u32 = 4 * 24 * 3_600;

async fn now(world: &World) -> Timestamp {
    let seconds = world.number("SELECT extract(epoch FROM onsale_now())::bigint").await;
    Timestamp::from_second(seconds).expect("a time")
}

/// When a promise ends that lasts so long from now on.
async fn in_s(world: &World, lasts_s: i64) -> Timestamp {
    now(world).await + Duration::from_secs(lasts_s.unsigned_abs())
}

/// The answer to *pay* says that it is authorised, and until when.
async fn is_authorised(world: &World, paying: &Paying, capture_before: Option<Timestamp>) {
    let facts = IntentFacts { capture_before, ..paying.facts(IntentStatus::RequiresCapture) };
    payment_answered(&world.gateway, &paying.attempt, &StripeAnswer::Intent(facts)).await.expect("an answer");
}

/// Which of them are hurried now, by their intents.
async fn hurried(world: &World) -> Vec<String> {
    let mut hurried: Vec<_> = authorisations_hurry(&world.workers, OLD_S, 100)
        .await
        .expect("an answer")
        .into_iter()
        .map(|old| old.intent)
        .collect();
    hurried.sort();
    hurried
}

/// From which age of its job on the capture of an order must not wait, as a worker is told.
async fn urgent_after_s(world: &World) -> Option<u64> {
    let job = outbox::claim(&world.workers, Queue::Stripe, 1, 60).await.expect("an answer").remove(0);
    let Work::PaymentCapture(call) = &job.work else { panic!("{job:?}") };
    outbox::postpone(&world.workers, &job, "not yet", 0).await.expect("an answer");
    call.urgent_after_s
}

/// These intents, as [`hurried`] has them.
fn only<const N: usize>(intents: [&str; N]) -> Vec<String> {
    let mut intents = intents.map(str::to_owned);
    intents.sort();
    intents.into()
}

async fn passes(world: &World, seconds: i64) {
    world.database.advance_clock(seconds * 1_000).await.expect("Postgres answers");
}

/// One that lasts a month, one of a week, one of ten hours, and one of which nobody said how long.
#[tokio::test]
async fn a_capture_is_urgent_a_day_before_its_promise_ends_and_a_short_one_at_half_its_time() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    let mut all = Vec::new();
    for (unit, lasts_s) in [(0, Some(30 * DAY_S)), (1, Some(7 * DAY_S)), (2, Some(10 * HOUR_S)), (3, None)] {
        let paying = sale.order_being_paid([unit]).await;
        let end = match lasts_s {
            Some(lasts_s) => Some(in_s(&world, lasts_s).await),
            None => None,
        };
        is_authorised(&world, &paying, end).await;
        all.push(paying.intent);
    }
    let [month, week, short, unsaid] = &all[..] else { panic!("{all:?}") };
    assert_eq!(hurried(&world).await, only([]));
    passes(&world, 4 * HOUR_S).await;
    assert_eq!(hurried(&world).await, only([]), "an hour before half of the shortest");
    passes(&world, 2 * HOUR_S).await;
    assert_eq!(hurried(&world).await, only([short]));
    passes(&world, 3 * DAY_S + 17 * HOUR_S).await;
    assert_eq!(hurried(&world).await, only([short]), "an hour before the fourth day is over");
    passes(&world, 2 * HOUR_S).await;
    assert_eq!(hurried(&world).await, only([short, unsaid]), "age decides where nobody said more");
    passes(&world, 2 * DAY_S).await;
    assert_eq!(hurried(&world).await, only([short, unsaid, week]));
    passes(&world, 22 * DAY_S).await;
    assert_eq!(hurried(&world).await.len(), 3, "the month has days left");
    passes(&world, 2 * DAY_S).await;
    assert!(hurried(&world).await.contains(month));
    world.audits_clean().await;
}

#[tokio::test]
async fn the_job_of_a_capture_knows_from_when_on_it_must_not_wait() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    let end = in_s(&world, 7 * DAY_S).await;
    is_authorised(&world, &paying, Some(end)).await;
    let after_s = urgent_after_s(&world).await.expect("Stripe said it");
    // A minute for a machine that is slow, and the second that was cut off.
    let six_days = 6 * DAY_S.unsigned_abs();
    assert!((six_days - 60..=six_days).contains(&after_s), "{after_s}");
}

/// An event says no end: the job waits by its age, until somebody who asked Stripe writes it down.
#[tokio::test]
async fn an_end_that_is_heard_later_hurries_the_job_that_is_there() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    assert_eq!(urgent_after_s(&world).await, None);
    let unsaid = async |after| {
        let unsaid = authorisations_unsaid(&world.workers, 3_600, after, 10).await.expect("an answer");
        unsaid.into_iter().map(|payment| (payment.intent, payment.changed_at)).collect::<Vec<_>>()
    };
    assert_eq!(unsaid(None).await, [], "it is young");
    passes(&world, 2 * HOUR_S).await;
    let asked = unsaid(None).await;
    assert_eq!((asked.len(), &asked[0].0), (1, &paying.intent));
    assert_eq!(unsaid(Some(asked[0].1)).await, [], "the next round goes on behind it");

    let note = async |end| {
        capture_before_note(&world.workers, sale.id, paying.attempt.id, end).await.expect("an answer");
    };
    // In two days from now, two hours after it was authorised: with a day left it is 26 hours old.
    let end = in_s(&world, 2 * DAY_S).await;
    note(end).await;
    note(end).await;
    let after_s = urgent_after_s(&world).await.expect("it is written down");
    assert!((26 * 3_600 - 60..=26 * 3_600 + 60).contains(&after_s), "{after_s}");
    assert_eq!(unsaid(None).await, []);
    note(in_s(&world, 30 * DAY_S).await).await;
    assert!(urgent_after_s(&world).await.expect("it is") > 29 * 24 * 3_600, "the last word counts");

    assert_eq!(world.applies(&paying.news(IntentStatus::Succeeded)).await, Applied::Captured);
    note(end).await;
    let kept = "SELECT count(*) FROM payments WHERE capture_before > onsale_now() + interval '29 days'";
    assert_eq!(world.number(kept).await, 1, "what is captured has no end any more");
    world.audits_clean().await;
}
