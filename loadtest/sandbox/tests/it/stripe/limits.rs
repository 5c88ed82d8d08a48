//! Limits of rate and of calls at once.

use std::time::Duration;

use http::StatusCode;
use sandbox::{CallFault, FakeStripe, FakeStripeOptions, Latency, Limits, Operation};

use super::seller::{PRICE, Seller};
use crate::eventually::eventually;
use crate::tasks::beside;

async fn start(limits: Limits) -> (FakeStripe, Seller) {
    let stripe = FakeStripe::start(FakeStripeOptions { limits, ..FakeStripeOptions::default() }).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller)
}

#[tokio::test]
async fn too_many_writes_are_told_so_and_leave_nothing_behind() {
    let (stripe, seller) = start(Limits::default()).await;
    let token = seller.token("pm_card_visa").await;
    stripe.set_limits(Limits { writes_per_s: Some(0), ..Limits::default() });
    stripe.fail_next(1, CallFault::AnswerLost);
    let refused = seller.pays_with(&token, "automatic", Some("pay:1")).await.expect("a limit uses no fault up");
    let error = &refused.json()["error"];
    assert_eq!((refused.status, &error["code"]), (StatusCode::TOO_MANY_REQUESTS, &"rate_limit".into()));
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(refused.header("stripe-rate-limited-reason"), Some("global-rate"));
    assert_eq!((stripe.payment_intents().len(), stripe.peak_writes()), (0, 0));

    stripe.set_limits(Limits::default());
    assert!(seller.pays_with(&token, "automatic", Some("pay:1")).await.is_none(), "the fault waited for it");
    let paid = seller.pays_with(&token, "automatic", Some("pay:1")).await.unwrap();
    assert_eq!((paid.status, paid.header("idempotent-replayed")), (StatusCode::OK, Some("true")));
    assert_eq!((stripe.captured_total("eur"), stripe.peak_writes()), (PRICE, 2));
}

#[tokio::test]
async fn writes_reads_and_buyers_are_limited_apart() {
    let (stripe, seller) = start(Limits { writes_per_s: Some(0), ..Limits::default() }).await;
    seller.token("pm_card_visa").await;
    assert_eq!(seller.get("/v1/events").await.status, StatusCode::OK);
    assert_eq!(seller.is_refused("/v1/payment_intents/pi_1/capture", &[]).await, (429, "rate_limit".into()));
    stripe.set_limits(Limits { reads_per_s: Some(0), ..Limits::default() });
    assert_eq!(seller.get("/v1/events").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(seller.is_refused("/v1/payment_intents/pi_1/capture", &[]).await, (404, "resource_missing".into()));
    let expected = [
        ((Operation::CreateConfirmationToken, 200), 1),
        ((Operation::CaptureIntent, 404), 1),
        ((Operation::CaptureIntent, 429), 1),
        ((Operation::ListEvents, 200), 1),
        ((Operation::ListEvents, 429), 1),
    ];
    assert_eq!(stripe.answers(), expected.into_iter().collect());
}

#[tokio::test]
async fn a_burst_gets_through_as_far_as_the_limit() {
    let (stripe, seller) = start(Limits { writes_per_s: Some(3), ..Limits::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(seller.post("/v1/payment_intents/pi_1/capture", &[], None).await.status.as_u16());
    }
    let let_in = statuses.iter().filter(|status| **status == 404).count();
    assert_eq!(statuses[..3], [404, 404, 404]);
    assert_eq!(stripe.answers()[&(Operation::CaptureIntent, 429)], (20 - let_in) as u64);
    // How long twenty calls take is the machine's affair; within any second no more than a burst and what came back.
    assert!((3..=6).contains(&stripe.peak_writes()), "{}", stripe.peak_writes());
}

#[tokio::test]
async fn no_more_than_so_many_calls_are_under_way() {
    let (stripe, seller) = start(Limits { concurrent: Some(1), ..Limits::default() }).await;
    let intent = seller.authorised().await;
    stripe.set_latency(Latency::Fixed(Duration::from_millis(400)));
    let (slow, path) = (seller.clone(), format!("/v1/payment_intents/{intent}/capture"));
    let capture = beside(async move { slow.post(&path, &[], Some("capture:1")).await });
    eventually("the capture has begun", async || stripe.calls().contains_key(&Operation::CaptureIntent)).await;
    let read = seller.get(&format!("/v1/payment_intents/{intent}")).await;
    assert_eq!(read.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(read.header("stripe-rate-limited-reason"), Some("global-concurrency"));
    assert_eq!(capture.await.unwrap().status, StatusCode::OK);
    assert_eq!(seller.get(&format!("/v1/payment_intents/{intent}")).await.status, StatusCode::OK);
}
