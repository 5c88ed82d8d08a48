//! Keys, replays, conflicts, and callers who hang up.

use std::time::Duration;

use http::StatusCode;
use sandbox::{FakeStripe, FakeStripeOptions, Latency, Operation};

use super::seller::{PRICE, Seller};
use crate::eventually::eventually;
use crate::tasks::beside;

async fn start(latency: Latency) -> (FakeStripe, Seller) {
    let stripe = FakeStripe::start(FakeStripeOptions { latency, ..FakeStripeOptions::default() }).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller)
}

#[tokio::test]
async fn the_same_key_gets_the_same_answer_and_one_payment() {
    let (stripe, seller) = start(Latency::None).await;
    let token = seller.token("pm_card_visa").await;
    let first = seller.pays_with(&token, "automatic", Some("pay:1")).await.unwrap();
    let again = seller.pays_with(&token, "automatic", Some("pay:1")).await.unwrap();
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    assert_eq!(first.header("request-id"), again.header("request-id"));
    assert_eq!((stripe.captured_total("eur"), stripe.payment_intents().len()), (PRICE, 1));
}

#[tokio::test]
async fn without_a_key_two_calls_are_two_payments() {
    let (stripe, seller) = start(Latency::None).await;
    for _ in 0..2 {
        seller.pays("pm_card_visa", "automatic", None).await;
    }
    assert_eq!(stripe.captured_total("eur"), 2 * PRICE);
}

#[tokio::test]
async fn a_key_with_other_parameters_is_refused() {
    let (_stripe, seller) = start(Latency::None).await;
    let token = seller.token("pm_card_visa").await;
    seller.pays_with(&token, "automatic", Some("pay:1")).await.unwrap();
    let other = seller.pays_with(&token, "manual", Some("pay:1")).await.unwrap();
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert_eq!(other.json()["error"]["type"], "idempotency_error");
}

#[tokio::test]
async fn a_decline_is_remembered_and_a_misunderstanding_is_not() {
    let (_stripe, seller) = start(Latency::None).await;
    let token = seller.token("pm_card_chargeDeclined").await;
    let declined = seller.pays_with(&token, "manual", Some("pay:1")).await.unwrap();
    let again = seller.pays_with(&token, "manual", Some("pay:1")).await.unwrap();
    assert_eq!((declined.status, &declined.body), (StatusCode::PAYMENT_REQUIRED, &again.body));
    let wrong = [("amount", "1"), ("currency", "eur")];
    assert_eq!(seller.post("/v1/payment_intents", &wrong, Some("pay:2")).await.status, StatusCode::BAD_REQUEST);
    let right = [("amount", "4500"), ("currency", "eur")];
    assert_eq!(seller.post("/v1/payment_intents", &right, Some("pay:2")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_is_still_running_is_in_use() {
    let (stripe, seller) = start(Latency::None).await;
    let token = seller.token("pm_card_visa").await;
    stripe.set_latency(Latency::Fixed(Duration::from_millis(300)));
    let one = seller.pays_with(&token, "automatic", Some("pay:1"));
    let other = seller.pays_with(&token, "automatic", Some("pay:1"));
    let (one, other) = tokio::join!(one, other);
    let mut statuses = [one.unwrap().status.as_u16(), other.unwrap().status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(stripe.captured_total("eur"), PRICE);
}

#[tokio::test]
async fn one_call_at_a_time_changes_an_intent() {
    let (stripe, seller) = start(Latency::None).await;
    let intent = seller.authorised().await;
    stripe.set_latency(Latency::Fixed(Duration::from_millis(300)));
    let (capture, cancel) =
        (format!("/v1/payment_intents/{intent}/capture"), format!("/v1/payment_intents/{intent}/cancel"));
    let (one, other) = tokio::join!(seller.post(&capture, &[], Some("c")), seller.post(&cancel, &[], Some("x")));
    let answers = [one, other];
    let locked: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).collect();
    assert_eq!(locked.len(), 1);
    assert_eq!(locked[0].json()["error"]["code"], "lock_timeout");
    stripe.set_latency(Latency::None);
    let late = seller.post(&cancel, &[], Some("x")).await;
    assert_ne!(late.status, StatusCode::CONFLICT, "the refused call has freed its key");
}

#[tokio::test]
async fn a_call_goes_on_when_its_caller_hangs_up() {
    let (stripe, seller) = start(Latency::None).await;
    let token = seller.token("pm_card_visa").await;
    stripe.set_latency(Latency::Fixed(Duration::from_millis(200)));
    let (caller, of_caller) = (seller.clone(), token.clone());
    let call = beside(async move { caller.pays_with(&of_caller, "automatic", Some("pay:1")).await });
    eventually("the call has begun", async || stripe.calls().contains_key(&Operation::CreateIntent)).await;
    call.abort();
    eventually("the money is taken all the same", async || stripe.captured_total("eur") == PRICE).await;
    stripe.set_latency(Latency::None);
    let again = seller.pays_with(&token, "automatic", Some("pay:1")).await.unwrap();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(stripe.captured_total("eur"), PRICE);
}
