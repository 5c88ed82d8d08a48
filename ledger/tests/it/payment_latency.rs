//! How long paying takes: which attempts count for how much, and what is kept of it.

use std::time::Duration;

use domain::payment::IntentStatus;
use domain::payment::latency::{ASSUMED_P99, Attempt, PaymentTimes};
use domain::sale::CaptureMode;
use ledger::orders::orders_expire_due;
use ledger::payments::latency::{
    WINDOW_S, payment_authorised_after, payment_latencies_are_fresh, payment_latencies_keep, payment_times,
};
use ledger::payments::{BeginPayment, NewPayment, StripeAnswer, payment_answered, payment_begin};
use ledger::sales::{SaleName, SaleRow, sale_fetch};

use crate::world::{Paying, Price, TestSale, World, new_payment};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The database's clock stands still, so many seconds after a day of its own.
async fn it_is(world: &World, second: u64) {
    let clock = format!(
        "CREATE OR REPLACE FUNCTION onsale_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE
             SET search_path = public, pg_temp
         AS $$ BEGIN RETURN timestamptz '2026-12-01T00:00:00Z' + interval '{second} s'; END $$"
    );
    world.database.execute(&clock).await.expect("Postgres answers");
}

async fn row(world: &World, sale: &TestSale<'_>) -> SaleRow {
    sale_fetch(&world.gateway, SaleName::Id(sale.id)).await.expect("Postgres answers").expect("the sale")
}

#[tokio::test]
async fn every_attempt_counts_as_it_ended() {
    let world = World::new().await;
    let (sale, other) = (world.sale(5, Price::Paid).await, world.sale(1, Price::Paid).await);
    it_is(&world, 0).await;
    let [quick, declined, given_up, late, silent] = [
        sale.order_being_paid([0]).await,
        sale.order_being_paid([1]).await,
        sale.order_being_paid([2]).await,
        sale.order_being_paid([3]).await,
        sale.order_being_paid([4]).await,
    ];
    it_is(&world, 2).await;
    world.applies(&quick.news(IntentStatus::RequiresCapture)).await;
    let answer = StripeAnswer::Declined { code: "card_declined".to_owned(), intent: Some(declined.intent.clone()) };
    payment_answered(&world.gateway, &declined.attempt, &answer).await.unwrap();
    it_is(&world, 5).await;
    world.applies(&given_up.news(IntentStatus::Canceled)).await;
    it_is(&world, 590).await;
    other.order_being_paid([0]).await;
    it_is(&world, 700).await;
    orders_expire_due(&world.workers, 10).await.unwrap();
    world.applies(&late.news(IntentStatus::RequiresCapture)).await;
    // Declined first, it is cancelled with its order: that took no longer to pay.
    world.applies(&declined.news(IntentStatus::Canceled)).await;
    assert_eq!(sale.looks_at(silent.order.id).await.payment.unwrap().intent, None, "nothing was heard of it");

    let mut wanted = PaymentTimes::default();
    wanted.add(Attempt::Authorised, s(2), 1);
    wanted.add(Attempt::Unfinished, s(5), 1);
    wanted.add(Attempt::Authorised, s(700), 1);
    wanted.add(Attempt::Unfinished, s(700), 1);
    let mut of_other = PaymentTimes::default();
    of_other.add(Attempt::Unfinished, s(110), 1);
    let seen = payment_times(&world.workers).await.unwrap();
    assert_eq!((seen.len(), &seen[&sale.id], &seen[&other.id]), (2, &wanted, &of_other));

    it_is(&world, u64::from(WINDOW_S) - 1).await;
    assert_eq!(payment_times(&world.workers).await.unwrap().len(), 2);
    it_is(&world, u64::from(WINDOW_S)).await;
    assert_eq!(payment_times(&world.workers).await.unwrap().len(), 1, "the window has slid past the first");
}

#[tokio::test]
async fn times_are_kept_to_the_millisecond_and_counted_by_the_step() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let mut after_ms = Vec::new();
    for (unit, took_ms) in [1_201, 1_249, 1_250].into_iter().enumerate() {
        let paying = sale.order_being_paid([u32::try_from(unit).unwrap()]).await;
        world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
        let took = format!(
            "UPDATE payments SET authorised_at = begun_at + interval '{took_ms} ms' WHERE intent_id = '{}'",
            paying.intent
        );
        world.database.execute(&took).await.unwrap();
        let after = payment_authorised_after(&world.workers, &paying.intent, CaptureMode::Manual).await.unwrap();
        after_ms.push(after.unwrap().as_millis());
    }
    assert_eq!(after_ms, [1_201, 1_249, 1_250]);
    let mut wanted = PaymentTimes::default();
    wanted.add(Attempt::Authorised, Duration::from_millis(1_250), 3);
    assert_eq!(payment_times(&world.workers).await.unwrap()[&sale.id], wanted);
}

#[tokio::test]
async fn an_automatic_capture_is_authorised_when_stripe_answers() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    it_is(&world, 0).await;
    let order = sale.has_order([0]).await;
    let automatic = NewPayment { capture: CaptureMode::Automatic, ..new_payment(sale.id, order.id) };
    let BeginPayment::Begun(attempt) = payment_begin(&world.gateway, &automatic).await.unwrap() else {
        panic!("it can be paid");
    };
    let paying = Paying { intent: format!("pi_{}", attempt.id.uuid().simple()), order, attempt };
    it_is(&world, 3).await;
    let answer = StripeAnswer::Intent(paying.facts(IntentStatus::Succeeded));
    payment_answered(&world.gateway, &paying.attempt, &answer).await.unwrap();
    it_is(&world, 60).await;
    world.applies(&paying.fetched(IntentStatus::Succeeded)).await;

    let after = async |capture| payment_authorised_after(&world.workers, &paying.intent, capture).await.unwrap();
    assert_eq!(after(CaptureMode::Automatic).await, Some(s(3)), "not when a worker had looked");
    assert_eq!(after(CaptureMode::Manual).await, None);
    assert_eq!(payment_times(&world.workers).await.unwrap()[&sale.id].authorised(), 1);
    world.audits_clean().await;
}

#[tokio::test]
async fn what_was_measured_comes_with_the_sale_and_makes_its_ttl() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    it_is(&world, 0).await;
    let before = row(&world, &sale).await;
    assert_eq!((before.payment_latency, before.payment_p99(), before.hold_ttl_s()), (None, ASSUMED_P99, 300));

    for (p99, ttl_s) in [(Duration::from_millis(2_350), 188), (s(60), 360), (s(1_800), 900)] {
        payment_latencies_keep(&world.workers, &[(sale.id, p99, 17)]).await.unwrap();
        let after = row(&world, &sale).await;
        let measured = after.payment_latency.unwrap();
        assert_eq!((measured.p99, measured.authorised, after.hold_ttl_s()), (p99, 17, ttl_s));
        assert_eq!(after.version, before.version, "nobody's ETag changes");
    }
    let by_gateway = payment_latencies_keep(&world.gateway, &[(sale.id, s(1), 1)]).await;
    assert!(by_gateway.is_err(), "only workers measure");
}

#[tokio::test]
async fn a_measurement_is_fresh_for_a_while_and_none_from_the_future_is() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    it_is(&world, 100).await;
    let is_fresh = async || payment_latencies_are_fresh(&world.workers, s(2)).await.unwrap();
    assert!(!is_fresh().await, "there is none");
    payment_latencies_keep(&world.workers, &[(sale.id, s(1), 1)]).await.unwrap();
    for (now, fresh) in [(100, true), (101, true), (102, false), (99, false)] {
        it_is(&world, now).await;
        assert_eq!(is_fresh().await, fresh, "second {now}");
    }
}
