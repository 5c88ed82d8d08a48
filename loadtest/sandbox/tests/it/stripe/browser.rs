//! What a page may do with a publishable key, and 3-D Secure by redirect.

use http::{Method, StatusCode};
use sandbox::{FakeStripe, FakeStripeOptions, IntentStatus};

use super::seller::Seller;
use crate::web::{Answer, client, get, send};

const KEY: &str = "key=pk_test_sandbox";

async fn start() -> (FakeStripe, Seller) {
    let stripe = FakeStripe::start(FakeStripeOptions::default()).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller)
}

async fn post(stripe: &FakeStripe, path: &str, form: &str) -> Answer {
    let url = format!("{}{path}", stripe.base_url());
    send(&client(), Method::POST, &url, &[], form.to_owned()).await.unwrap()
}

#[tokio::test]
async fn the_stand_in_is_served_to_pages_of_any_origin() {
    let (stripe, _seller) = start().await;
    let script = get(&format!("{}/stripe.js", stripe.base_url())).await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("access-control-allow-origin"), Some("*"));
    for name in ["window.Stripe", "createConfirmationToken", "handleNextAction", "retrievePaymentIntent"] {
        assert!(script.text().contains(name), "{name}");
    }
    assert_eq!(
        get(&format!("{}/stripe.css", stripe.base_url())).await.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    let url = format!("{}/v1/confirmation_tokens", stripe.base_url());
    let preflight = send(&client(), Method::OPTIONS, &url, &[], String::new()).await.unwrap();
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, POST"));
}

#[tokio::test]
async fn a_typed_card_becomes_a_token_that_pays() {
    let (stripe, seller) = start().await;
    let form = format!("{KEY}&card[number]=4242+4242+4242+4242&card[exp_month]=12&card[exp_year]=2034&card[cvc]=123");
    let token = post(&stripe, "/v1/confirmation_tokens", &form).await.json();
    assert_eq!(token["payment_method_preview"]["card"]["last4"], "4242");
    let paid = seller.pays_with(token["id"].as_str().unwrap(), "manual", None).await.unwrap();
    assert_eq!(paid.json()["status"], "requires_capture");
    let unknown = post(&stripe, "/v1/confirmation_tokens", &format!("{KEY}&card[number]=4111111111111111")).await;
    assert_eq!(unknown.json()["error"]["code"], "incorrect_number");
}

#[tokio::test]
async fn a_page_sees_and_authenticates_only_with_the_client_secret() {
    let (stripe, seller) = start().await;
    let intent = seller.pays("pm_card_authenticationRequired", "manual", None).await.json();
    let (id, secret) = (intent["id"].as_str().unwrap(), intent["client_secret"].as_str().unwrap());
    let url = format!("{}/v1/payment_intents/{id}?{KEY}", stripe.base_url());
    assert_eq!(get(&url).await.status, StatusCode::FORBIDDEN);
    assert_eq!(get(&format!("{url}&client_secret={secret}")).await.json()["id"], id);

    let path = format!("/v1/payment_intents/{id}/authenticate");
    let forged = post(&stripe, &path, &format!("{KEY}&client_secret={secret}x&outcome=complete")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(stripe.payment_intent(id).unwrap().status, IntentStatus::RequiresAction);
    let done = post(&stripe, &path, &format!("{KEY}&client_secret={secret}&outcome=complete")).await;
    assert_eq!(done.json()["status"], "requires_capture");
}

#[tokio::test]
async fn a_page_may_not_do_what_a_server_does() {
    let (stripe, seller) = start().await;
    let intent = seller.authorised().await;
    let capture = format!("/v1/payment_intents/{intent}/capture");
    assert_eq!(post(&stripe, &capture, KEY).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&stripe, &capture, "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&stripe, &capture, "key=hello").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stripe.payment_intent(&intent).unwrap().status, IntentStatus::RequiresCapture);
}

#[tokio::test]
async fn a_redirect_leads_back_to_the_seller() {
    let (stripe, seller) = start().await;
    for (outcome, told, status) in
        [("complete", "succeeded", IntentStatus::Succeeded), ("fail", "failed", IntentStatus::RequiresPaymentMethod)]
    {
        let form = [
            ("amount", "4500"),
            ("currency", "eur"),
            ("confirm", "true"),
            ("payment_method", "pm_card_threeDSecure2Required"),
            ("return_url", "http://localhost/s/rock/orders/ord_1#seat"),
        ];
        let intent = seller.posts("/v1/payment_intents", &form).await;
        let (id, secret) = (intent["id"].as_str().unwrap(), intent["client_secret"].as_str().unwrap());
        let action = &intent["next_action"]["redirect_to_url"];
        let url = action["url"].as_str().unwrap();
        assert!(get(url).await.text().contains("stripe-3ds-complete"));
        let path = url.strip_prefix(&stripe.base_url()).unwrap();
        let answer = post(&stripe, path, &format!("outcome={outcome}")).await;
        let back = format!(
            "http://localhost/s/rock/orders/ord_1?payment_intent={id}&payment_intent_client_secret={secret}&redirect_status={told}#seat"
        );
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some(back.as_str())));
        assert_eq!(stripe.payment_intent(id).unwrap().status, status);
    }
}
