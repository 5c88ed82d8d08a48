//! Payments from the first call to the last.

use http::StatusCode;
use sandbox::{Authentication, BankAnswer, FakeStripe, FakeStripeOptions, IntentStatus};
use serde_json::Value;

use super::seller::{PRICE, Seller};

async fn start() -> (FakeStripe, Seller) {
    let stripe = FakeStripe::start(FakeStripeOptions::default()).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller)
}

fn kinds(stripe: &FakeStripe) -> Vec<String> {
    stripe.events().into_iter().map(|event| event.kind).collect()
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_card_is_authorised_and_captured_later() {
    let (stripe, seller) = start().await;
    let answer = seller.pays("pm_card_visa", "manual", None).await;
    let intent = answer.json();
    assert_eq!((&intent["status"], &intent["amount_capturable"]), (&"requires_capture".into(), &PRICE.into()));
    assert_eq!((&intent["amount_received"], &intent["metadata"]["order"]), (&0.into(), &"ord_1".into()));
    assert!(answer.header("request-id").unwrap().starts_with("req_"));
    assert_eq!(stripe.captured_total("eur"), 0);

    let path = format!("/v1/payment_intents/{}", id(&intent));
    let expanded = seller.get(&format!("{path}?expand[]=latest_charge")).await.json();
    let card = &expanded["latest_charge"]["payment_method_details"]["card"];
    assert_eq!(card["capture_before"].as_i64().unwrap() - intent["created"].as_i64().unwrap(), 7 * 24 * 3_600);

    let captured = seller.posts(&format!("{path}/capture"), &[]).await;
    assert_eq!((&captured["status"], &captured["amount_received"]), (&"succeeded".into(), &PRICE.into()));
    assert_eq!(stripe.captured_total("eur"), PRICE);
    assert_eq!(stripe.captured_total("usd"), 0);
    let happened = [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
    ];
    assert_eq!(kinds(&stripe), happened);
    let snapshot = stripe.payment_intent(&id(&intent)).unwrap();
    assert_eq!((snapshot.status, snapshot.captured, snapshot.refunded), (IntentStatus::Succeeded, PRICE, 0));
}

#[tokio::test]
async fn an_automatic_capture_needs_one_call() {
    let (stripe, seller) = start().await;
    let intent = seller.pays("pm_card_mastercard", "automatic", None).await.json();
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(stripe.captured_total("eur"), PRICE);
    assert_eq!(kinds(&stripe), ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]);
}

#[tokio::test]
async fn the_card_alone_can_be_captured_by_hand() {
    let (_stripe, seller) = start().await;
    let token = seller.token("pm_card_visa").await;
    let form = [
        ("amount", "4500"),
        ("currency", "EUR"),
        ("confirm", "true"),
        ("confirmation_token", token.as_str()),
        ("payment_method_types[]", "card"),
        ("payment_method_options[card][capture_method]", "manual"),
    ];
    let intent = seller.posts("/v1/payment_intents", &form).await;
    assert_eq!((&intent["status"], &intent["capture_method"]), (&"requires_capture".into(), &"automatic_async".into()));
    assert_eq!(intent["payment_method_options"]["card"]["capture_method"], "manual");
    assert_eq!((&intent["currency"], &intent["automatic_payment_methods"]), (&"eur".into(), &Value::Null));
}

#[tokio::test]
async fn an_intent_can_wait_for_its_confirmation() {
    let (stripe, seller) = start().await;
    let form = [("amount", "4500"), ("currency", "eur"), ("payment_method", "pm_card_visa")];
    let intent = seller.posts("/v1/payment_intents", &form).await;
    assert_eq!((&intent["status"], &intent["latest_charge"]), (&"requires_confirmation".into(), &Value::Null));
    assert_eq!(stripe.captured_total("eur"), 0);
    let confirmed = seller.posts(&format!("/v1/payment_intents/{}/confirm", id(&intent)), &[]).await;
    assert_eq!(confirmed["status"], "succeeded");
    assert_eq!(stripe.captured_total("eur"), PRICE);
}

#[tokio::test]
async fn a_declined_card_can_be_followed_by_another() {
    let (stripe, seller) = start().await;
    let answer = seller.pays("pm_card_chargeDeclined", "manual", None).await;
    let error = &answer.json()["error"];
    assert_eq!(answer.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!((&error["type"], &error["code"]), (&"card_error".into(), &"card_declined".into()));
    assert_eq!(error["decline_code"], "generic_decline");
    let intent = &error["payment_intent"];
    assert_eq!((&intent["status"], &intent["payment_method"]), (&"requires_payment_method".into(), &Value::Null));
    assert_eq!(intent["last_payment_error"]["code"], "card_declined");

    let token = seller.token("pm_card_visa").await;
    let path = format!("/v1/payment_intents/{}/confirm", id(intent));
    let confirmed = seller.posts(&path, &[("confirmation_token", &token)]).await;
    assert_eq!((&confirmed["status"], &confirmed["last_payment_error"]), (&"requires_capture".into(), &Value::Null));
    assert_eq!(kinds(&stripe)[..2], ["payment_intent.created", "payment_intent.payment_failed"]);
}

#[tokio::test]
async fn a_confirmation_token_is_good_for_one_payment() {
    let (_stripe, seller) = start().await;
    let token = seller.token("pm_card_visa").await;
    assert_eq!(seller.pays_with(&token, "manual", None).await.unwrap().status, StatusCode::OK);
    let again = seller.pays_with(&token, "manual", None).await.unwrap();
    assert_eq!(again.json()["error"]["code"], "token_already_used");
}

#[tokio::test]
async fn three_d_secure_ends_either_way() {
    let (stripe, seller) = start().await;
    for (outcome, status) in [
        (Authentication::Passed, IntentStatus::RequiresCapture),
        (Authentication::Failed, IntentStatus::RequiresPaymentMethod),
    ] {
        let intent = seller.pays("pm_card_authenticationRequired", "manual", None).await.json();
        assert_eq!(
            (&intent["status"], &intent["next_action"]["type"]),
            (&"requires_action".into(), &"use_stripe_sdk".into())
        );
        stripe.authenticate(&id(&intent), outcome).unwrap();
        assert_eq!(stripe.payment_intent(&id(&intent)).unwrap().status, status);
        assert!(stripe.authenticate(&id(&intent), outcome).is_err(), "it waits no longer");
    }
    let last = seller.get(&format!("/v1/payment_intents/{}", stripe.payment_intents()[1].id)).await.json();
    assert_eq!(last["last_payment_error"]["code"], "payment_intent_authentication_failure");
    assert_eq!(kinds(&stripe).iter().filter(|kind| *kind == "payment_intent.requires_action").count(), 2);
}

#[tokio::test]
async fn a_bank_may_answer_later() {
    let (stripe, seller) = start().await;
    let intent = seller.pays("pm_card_processing", "automatic", None).await.json();
    assert_eq!(intent["status"], "processing");
    stripe.bank_answers(&id(&intent), BankAnswer::Yes).unwrap();
    assert_eq!(stripe.captured_total("eur"), PRICE);
    let other = seller.pays("pm_card_processing", "automatic", None).await.json();
    stripe.bank_answers(&id(&other), BankAnswer::No).unwrap();
    assert_eq!(stripe.payment_intent(&id(&other)).unwrap().status, IntentStatus::RequiresPaymentMethod);
    assert_eq!(stripe.captured_total("eur"), PRICE);
}

#[tokio::test]
async fn a_cancelled_authorisation_moves_no_money() {
    let (stripe, seller) = start().await;
    let intent = seller.authorised().await;
    let path = format!("/v1/payment_intents/{intent}/cancel");
    let canceled = seller.posts(&path, &[("cancellation_reason", "abandoned")]).await;
    assert_eq!((&canceled["status"], &canceled["cancellation_reason"]), (&"canceled".into(), &"abandoned".into()));
    let charge = seller.get(&format!("/v1/charges/{}", canceled["latest_charge"].as_str().unwrap())).await.json();
    assert_eq!((&charge["captured"], &charge["amount_refunded"]), (&false.into(), &PRICE.into()));
    assert_eq!((stripe.captured_total("eur"), stripe.refunded_total("eur")), (0, 0));
    assert_eq!(kinds(&stripe)[3..], ["charge.refunded", "payment_intent.canceled"]);
}

#[tokio::test]
async fn an_authorisation_lapses_into_cancelled() {
    let (stripe, seller) = start().await;
    let intent = seller.authorised().await;
    stripe.lapse(&intent).unwrap();
    let lapsed = seller.get(&format!("/v1/payment_intents/{intent}")).await.json();
    assert_eq!((&lapsed["status"], &lapsed["cancellation_reason"]), (&"canceled".into(), &"automatic".into()));
    assert!(stripe.lapse(&intent).is_err());
}

#[tokio::test]
async fn what_a_state_does_not_allow_is_refused_with_the_intent() {
    let (stripe, seller) = start().await;
    let intent = seller.authorised().await;
    let path = |verb: &str| format!("/v1/payment_intents/{intent}/{verb}");
    seller.posts(&path("capture"), &[]).await;
    for verb in ["capture", "cancel", "confirm"] {
        let answer = seller.post(&path(verb), &[], None).await;
        let error = &answer.json()["error"];
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(error["code"], "payment_intent_unexpected_state", "{verb}");
        assert_eq!(error["payment_intent"]["status"], "succeeded");
    }
    assert_eq!(stripe.captured_total("eur"), PRICE);
}

#[tokio::test]
async fn refunds_add_up_to_what_was_captured_and_no_further() {
    let (stripe, seller) = start().await;
    let intent = seller.authorised().await;
    let early = seller.is_refused("/v1/refunds", &[("payment_intent", &intent)]).await;
    assert_eq!(early, (400, "charge_not_captured".into()));
    seller.posts(&format!("/v1/payment_intents/{intent}/capture"), &[("amount_to_capture", "4000")]).await;
    let refund = seller.posts("/v1/refunds", &[("payment_intent", &intent), ("amount", "1500")]).await;
    assert_eq!((&refund["status"], &refund["amount"]), (&"succeeded".into(), &1_500.into()));
    assert_eq!(seller.get(&format!("/v1/refunds/{}", id(&refund))).await.json(), refund);
    let over = seller.is_refused("/v1/refunds", &[("payment_intent", &intent), ("amount", "2501")]).await;
    assert_eq!(over, (400, "parameter_invalid_integer".into()));
    let rest = seller.posts("/v1/refunds", &[("payment_intent", &intent)]).await;
    assert_eq!(rest["amount"], 2_500);
    let none = seller.is_refused("/v1/refunds", &[("payment_intent", &intent)]).await;
    assert_eq!(none, (400, "charge_already_refunded".into()));
    assert_eq!((stripe.captured_total("eur"), stripe.refunded_total("eur")), (4_000, 4_000));
    assert_eq!(kinds(&stripe)[4..6], ["refund.created", "charge.refunded"]);
}

#[tokio::test]
async fn what_stripe_would_not_understand_is_refused() {
    let (_stripe, seller) = start().await;
    let create = "/v1/payment_intents";
    let with = |amount, more: (&'static str, &'static str)| [("amount", amount), ("currency", "eur"), more];
    for (form, code) in [
        (with("4500", ("colour", "red")), "parameter_unknown"),
        (with("45.00", ("description", "x")), "parameter_invalid_integer"),
        (with("0", ("description", "x")), "parameter_invalid_integer"),
        (with("49", ("description", "x")), "amount_too_small"),
        (with("100000000", ("description", "x")), "amount_too_large"),
        (with("4500", ("confirm", "true")), "parameter_missing"),
        (with("4500", ("confirm", "yes")), "parameter_invalid_integer"),
        (with("4500", ("capture_method", "never")), "parameter_invalid_integer"),
    ] {
        assert_eq!(seller.is_refused(create, &form).await, (400, code.to_owned()), "{form:?}");
    }
    let no_return = [("amount", "4500"), ("currency", "eur"), ("confirm", "true"), ("payment_method", "pm_card_visa")];
    assert_eq!(seller.is_refused(create, &no_return).await, (400, "parameter_missing".into()));
    assert_eq!(seller.is_refused("/v1/payment_intents/pi_none/capture", &[]).await, (404, "resource_missing".into()));
    assert_eq!(seller.is_refused("/v1/subscriptions", &[]).await.0, 404);
    let nobody = [("payment_method", "pm_card_of_nobody")];
    assert_eq!(
        seller.is_refused("/v1/test_helpers/confirmation_tokens", &nobody).await,
        (404, "resource_missing".into())
    );
}
