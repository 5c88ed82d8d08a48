//! Every request we make, against Stripe's own schema: the official `stripe-mock`, which refuses what its API does not know.
//!
//! `make contract` starts it and sets `STRIPE_MOCK` to its base URL; without that nothing is asked. What it answers are
//! fixtures without any state, so only the requests are judged here: an answer may be one that we cannot read, a refusal may
//! not be.

use std::time::Duration;

use bytes::Bytes;
use domain::Money;
use domain::sale::CaptureMode;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use payments::{CreateIntent, RefundIntent, Stripe, StripeError, UnknownOutcome};

use crate::till::{client, order, price, sale};

/// The first call makes the mock read its schema.
const TIMEOUT: Duration = Duration::from_secs(20);

fn mock() -> Option<String> {
    std::env::var_os("STRIPE_MOCK").map(|base| base.into_string().expect("a URL"))
}

fn stripe() -> Option<Stripe> {
    mock().map(|base| client(&base, TIMEOUT))
}

pub(crate) fn is_accepted<T>(call: &str, outcome: Result<T, StripeError>) {
    match outcome {
        Ok(_) | Err(StripeError::Unknown(UnknownOutcome::Unreadable(_))) => {}
        Err(error) => panic!("{call}: {error:?}"),
    }
}

fn payment(capture: CaptureMode) -> CreateIntent {
    CreateIntent {
        sale: sale(),
        order: order(),
        attempt: 3,
        amount: price(),
        confirmation_token: "ctoken_1".to_owned(),
        return_url: "https://tickets.example/s/night/orders/x?y=1&z=%20".to_owned(),
        capture,
        description: "2 tickets & a fee, 100 %".to_owned(),
        memo: Vec::new(),
    }
}

#[tokio::test]
async fn stripes_schema_takes_every_payment_we_start() {
    let Some(stripe) = stripe() else { return };
    for capture in [CaptureMode::Manual, CaptureMode::Automatic] {
        let key = format!("create:{capture:?}");
        is_accepted(&key, stripe.create_and_confirm(&payment(capture), &key).await);
    }
}

#[tokio::test]
async fn stripes_schema_takes_what_we_do_with_a_payment() {
    let Some(stripe) = stripe() else { return };
    is_accepted("fetch", stripe.fetch("pi_123").await);
    is_accepted("capture", stripe.capture("pi_123", "capture:1").await);
    is_accepted("cancel", stripe.cancel("pi_123", "cancel:1").await);
    let refund = RefundIntent {
        id: "ref_0192f0a1b2c37d4e8f90a1b2c3d4e5f8".parse().expect("an id"),
        intent: "pi_123".to_owned(),
        sale: sale(),
        order: order(),
        amount: Money::new(1_000, price().currency),
        memo: Vec::new(),
    };
    is_accepted("refund", stripe.refund(&refund, "refund:1").await);
    is_accepted("refunds", stripe.refunds_of("pi_123").await);
    is_accepted("find", stripe.find(order(), 3).await);
    is_accepted("account", stripe.account().await);
    is_accepted("country", stripe.payment_currencies("DE").await);
    is_accepted("methods", stripe.payment_methods().await);
    is_accepted("endpoints", stripe.endpoints().await);
    is_accepted("endpoint", stripe.create_endpoint("https://tickets.example/x", &payments::webhook::NEEDED).await);
    is_accepted("endpoint again", stripe.update_endpoint("we_1", &payments::webhook::NEEDED).await);
    let at = |second| jiff::Timestamp::from_second(second).expect("a time");
    is_accepted("list", stripe.made_between(at(1_790_000_000), at(1_790_000_100)).await);
}

/// The negative control: the schema is looked at.
#[tokio::test]
async fn stripes_schema_refuses_what_stripe_does_not_know() {
    let Some(base) = mock() else { return };
    let asks = async |form: &'static str| {
        let request = Request::post(format!("{base}/v1/payment_intents"))
            .header("authorization", "Bearer sk_test_onsale")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .expect("a request");
        Client::builder(TokioExecutor::new()).build_http().request(request).await.expect("it answers").status()
    };
    assert_eq!(asks("amount=4350&currency=eur").await, StatusCode::OK);
    assert_eq!(asks("amount=4350&currency=eur&colour=red").await, StatusCode::BAD_REQUEST);
    assert_eq!(asks("amount=much&currency=eur").await, StatusCode::BAD_REQUEST);
}
