//! What goes wrong on request.

use std::time::{Duration, Instant};

use http::StatusCode;
use sandbox::{Availability, CallFault, FakeStripe, FakeStripeOptions, Operation};

use super::seller::{PRICE, Seller};

async fn start() -> (FakeStripe, Seller) {
    let stripe = FakeStripe::start(FakeStripeOptions::default()).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller)
}

#[tokio::test]
async fn a_lost_answer_is_a_payment_the_caller_does_not_know_of() {
    let (stripe, seller) = start().await;
    stripe.fail_next(1, CallFault::AnswerLost);
    let token = seller.token("pm_card_visa").await;
    assert!(seller.pays_with(&token, "automatic", Some("pay:1")).await.is_none());
    assert_eq!(stripe.captured_total("eur"), PRICE);
    let again = seller.pays_with(&token, "automatic", Some("pay:1")).await.unwrap();
    assert_eq!((again.status, again.header("idempotent-replayed")), (StatusCode::OK, Some("true")));
    assert_eq!(stripe.captured_total("eur"), PRICE);
}

#[tokio::test]
async fn faults_before_the_work_leave_the_key_free() {
    let (stripe, seller) = start().await;
    for (fault, status) in [(CallFault::ServerError, 500), (CallFault::RateLimited, 429), (CallFault::LockTimeout, 429)]
    {
        let before = stripe.captured_total("eur");
        let token = seller.token("pm_card_visa").await;
        stripe.fail_next_of(Operation::CreateIntent, 2, fault);
        let key = format!("pay:{fault:?}");
        for _ in 0..2 {
            let failed = seller.pays_with(&token, "automatic", Some(&key)).await.unwrap();
            assert_eq!(failed.status.as_u16(), status);
        }
        assert_eq!(stripe.captured_total("eur"), before);
        assert_eq!(seller.pays_with(&token, "automatic", Some(&key)).await.unwrap().status, StatusCode::OK);
        assert_eq!(stripe.captured_total("eur"), before + PRICE);
    }
}

#[tokio::test]
async fn a_remembered_500_stays_with_its_key() {
    let (stripe, seller) = start().await;
    stripe.fail_next(1, CallFault::ServerErrorRemembered);
    let token = seller.token("pm_card_visa").await;
    for _ in 0..3 {
        let answer = seller.pays_with(&token, "automatic", Some("pay:1")).await.unwrap();
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(seller.pays_with(&token, "automatic", Some("pay:2")).await.unwrap().status, StatusCode::OK);
    assert_eq!(stripe.captured_total("eur"), PRICE);
}

#[tokio::test]
async fn a_500_may_hide_a_payment_for_as_long_as_its_key_lives() {
    let (stripe, seller) = start().await;
    let token = seller.token("pm_card_visa").await;
    stripe.fail_next(1, CallFault::ServerErrorAfterwards);
    for _ in 0..3 {
        let answer = seller.pays_with(&token, "automatic", Some("pay:1")).await.unwrap();
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(stripe.captured_total("eur"), PRICE);
    assert_eq!(seller.get("/v1/payment_intents").await.json()["data"][0]["status"], "succeeded");
}

#[tokio::test]
async fn the_call_that_is_meant_is_slow_and_no_other() {
    let (stripe, seller) = start().await;
    let by = Duration::from_millis(300);
    stripe.fail_after(Operation::CreateIntent, 1, 1, CallFault::Slow { by });
    let mut took = Vec::new();
    for _ in 0..3 {
        let token = seller.token("pm_card_visa").await;
        let begun = Instant::now();
        assert_eq!(seller.pays_with(&token, "automatic", None).await.unwrap().status, StatusCode::OK);
        took.push(begun.elapsed());
    }
    assert!(took[1] >= by && took[0].min(took[2]) < by, "{took:?}");
}

#[tokio::test]
async fn stripe_goes_away_and_comes_back_with_its_books() {
    let (stripe, seller) = start().await;
    let intent = seller.authorised().await;
    let capture = format!("/v1/payment_intents/{intent}/capture");
    stripe.set_availability(Availability::Answering503).await.unwrap();
    assert_eq!(seller.post(&capture, &[], None).await.status, StatusCode::SERVICE_UNAVAILABLE);
    stripe.set_availability(Availability::Unreachable).await.unwrap();
    assert!(seller.try_post(&capture, &[], None).await.is_none());
    assert_eq!(stripe.captured_total("eur"), 0);
    stripe.set_availability(Availability::Available).await.unwrap();
    seller.posts(&capture, &[]).await;
    assert_eq!(stripe.captured_total("eur"), PRICE);
}

#[tokio::test]
async fn calls_are_counted_by_operation() {
    let (stripe, seller) = start().await;
    seller.authorised().await;
    seller.get("/v1/events").await;
    let calls = stripe.calls();
    let expected = [(Operation::CreateConfirmationToken, 1), (Operation::CreateIntent, 1), (Operation::ListEvents, 1)];
    assert_eq!(calls, expected.into_iter().collect());
}

#[tokio::test]
async fn a_shut_down_fake_leaves_nothing_behind() {
    let (stripe, seller) = start().await;
    seller.authorised().await;
    let address = stripe.address();
    stripe.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
