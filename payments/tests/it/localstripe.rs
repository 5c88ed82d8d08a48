//! What we do with a payment, at somebody else's Stripe that remembers: `localstripe`.
//!
//! `make contract` starts it and sets `LOCALSTRIPE` to its base URL; without that nothing is asked. It knows no confirmation
//! tokens, so the payment is started by hand, and its objects lack fields that Stripe always sends, so an answer may be one that
//! we cannot read. What came of each call is read from it by hand.

use bytes::Bytes;
use domain::Money;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use payments::RefundIntent;
use serde_json::Value;

use crate::contract::is_accepted;
use crate::till::{TIMEOUT, client, order, price, sale};

fn base() -> Option<String> {
    std::env::var_os("LOCALSTRIPE").map(|base| base.into_string().expect("a URL"))
}

/// Asks by hand.
async fn asks(base: &str, method: Method, path: &str, form: &'static str) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(format!("{base}/v1/{path}"))
        .header("authorization", "Bearer sk_test_onsale")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from_static(form.as_bytes())))
        .expect("a request");
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.expect("it answers");
    let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

/// A payment of 43.50 € that waits for its capture.
async fn authorised(base: &str) -> String {
    let card = "type=card&card[number]=4242424242424242&card[exp_month]=12&card[exp_year]=2099&card[cvc]=123";
    let card = asks(base, Method::POST, "payment_methods", card).await;
    let form = "amount=4350&currency=eur&capture_method=manual&confirm=true&payment_method=";
    let form = format!("{form}{}", card["id"].as_str().expect("an id"));
    let intent = asks(base, Method::POST, "payment_intents", form.leak()).await;
    assert_eq!(intent["status"], "requires_capture");
    intent["id"].as_str().expect("an id").to_owned()
}

async fn now(base: &str, intent: &str) -> Value {
    asks(base, Method::GET, &format!("payment_intents/{intent}"), "").await
}

#[tokio::test]
async fn what_we_do_with_a_payment_happens_also_at_localstripe() {
    let Some(base) = base() else { return };
    let stripe = client(&base, TIMEOUT);

    let sold = authorised(&base).await;
    is_accepted("fetch", stripe.fetch(&sold).await);
    is_accepted("capture", stripe.capture(&sold, "capture:1").await);
    let intent = now(&base, &sold).await;
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(intent["charges"]["data"][0]["captured"], true);

    let refund = RefundIntent {
        id: "ref_0192f0a1b2c37d4e8f90a1b2c3d4e5f8".parse().expect("an id"),
        intent: sold.clone(),
        sale: sale(),
        order: order(),
        amount: Money::new(1_000, price().currency),
        memo: Vec::new(),
    };
    is_accepted("refund", stripe.refund(&refund, "refund:1").await);
    is_accepted("refunds", stripe.refunds_of(&sold).await);
    assert_eq!(now(&base, &sold).await["charges"]["data"][0]["amount_refunded"], 1_000);

    let let_go = authorised(&base).await;
    is_accepted("cancel", stripe.cancel(&let_go, "cancel:1").await);
    assert_eq!(now(&base, &let_go).await["status"], "canceled");
    // What it refuses is a refusal to us, too.
    stripe.capture(&let_go, "capture:2").await.expect_err("it is cancelled");
}
