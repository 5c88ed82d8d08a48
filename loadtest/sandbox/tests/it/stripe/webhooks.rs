//! Events on their way to a webhook endpoint.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::HeaderMap;
use sandbox::{FakeStripe, FakeStripeOptions, Mode, Webhook, WebhookFault, sign_webhook};
use serde_json::json;

use super::seller::{PRICE, Seller};
use crate::web::Receiver;

const SECRET: &str = "whsec_sandbox";
const WAIT_MAX: Duration = Duration::from_secs(20);
const HAPPENED: [&str; 3] = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"];

async fn start(refused: u32, options: FakeStripeOptions) -> (FakeStripe, Seller, Receiver) {
    let receiver = Receiver::start(refused).await;
    let webhook = Some(Webhook { url: receiver.url(), secret: SECRET.to_owned() });
    let stripe = FakeStripe::start(FakeStripeOptions { webhook, ..options }).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller, receiver)
}

async fn pay(seller: &Seller) {
    assert!(seller.pays("pm_card_visa", "automatic", Some("pay:1")).await.status.is_success());
}

fn signed_at(headers: &HeaderMap) -> i64 {
    let signature = headers["stripe-signature"].to_str().unwrap();
    signature.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap()
}

#[test]
fn the_signature_is_stripes() {
    // Computed by `printf '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test_secret`.
    let expected = "t=1492774577,v1=799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f";
    assert_eq!(sign_webhook("whsec_test_secret", 1_492_774_577, br#"{"id":"evt_1"}"#), expected);
}

#[tokio::test]
async fn every_event_arrives_signed_and_whole() {
    let (stripe, seller, receiver) = start(0, FakeStripeOptions::default()).await;
    pay(&seller).await;
    assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    let kinds: BTreeSet<String> = receiver.kinds().into_iter().collect();
    assert_eq!(kinds, HAPPENED.map(String::from).into());
    for (headers, body) in receiver.received() {
        let signature = headers["stripe-signature"].to_str().unwrap();
        assert_eq!(signature, sign_webhook(SECRET, signed_at(&headers), &body));
    }
    let events = receiver.events();
    let paid = events.iter().find(|event| event["type"] == "payment_intent.succeeded").unwrap();
    let intent = &paid["data"]["object"];
    assert_eq!((&intent["object"], &intent["amount_received"]), (&"payment_intent".into(), &PRICE.into()));
    assert_eq!((&paid["object"], &paid["livemode"]), (&"event".into(), &false.into()));
    assert_eq!(paid["request"]["idempotency_key"], "pay:1");
    assert!(paid["api_version"].is_string() && paid["created"].is_i64() && paid.get("account").is_none());
}

#[tokio::test]
async fn an_event_is_as_its_object_was_at_that_moment() {
    let (stripe, seller, _receiver) = start(0, FakeStripeOptions::default()).await;
    pay(&seller).await;
    let created = stripe.events().remove(0);
    let body: serde_json::Value = serde_json::from_slice(&stripe.event_body(&created.id).unwrap()).unwrap();
    assert_eq!(body["data"]["object"]["status"], "requires_payment_method");
}

#[tokio::test]
async fn refused_deliveries_come_again_with_the_same_bytes() {
    let (stripe, seller, receiver) = start(5, FakeStripeOptions::default()).await;
    pay(&seller).await;
    assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    assert_eq!(receiver.received().len(), 3 + 5);
    let bodies: BTreeSet<_> = receiver.received().into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 3);
    assert!(stripe.events().iter().all(|event| event.acknowledged == 1));
    assert_eq!(stripe.events().iter().map(|event| event.attempts).sum::<u32>(), 8);
}

/// Four pauses of 100, 200, 400 and 800 ms lie between five attempts, so they cannot all be of one second.
#[tokio::test]
async fn every_attempt_is_signed_anew_with_its_own_time() {
    let (stripe, _seller, receiver) = start(4, FakeStripeOptions::default()).await;
    stripe.deliver("charge.updated", &json!({ "id": "ch_1", "object": "charge" }));
    assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    let received = receiver.received();
    assert_eq!(received.len(), 5);
    for (headers, body) in &received {
        assert_eq!(headers["stripe-signature"], sign_webhook(SECRET, signed_at(headers), body));
    }
    assert!(signed_at(&received[4].0) > signed_at(&received[0].0));
    assert_eq!(received[0].1, received[4].1);
}

#[tokio::test]
async fn a_wrong_clock_signs_with_its_own_time() {
    let (stripe, _seller, receiver) = start(0, FakeStripeOptions::default()).await;
    let object = json!({ "id": "ch_1", "object": "charge" });
    for by_s in [0, -600, 600] {
        stripe.set_webhook_faults(vec![WebhookFault::ClockSkew { by_s }]);
        stripe.deliver("charge.updated", &object);
        assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    }
    let times: Vec<i64> = receiver.received().iter().map(|(headers, _)| signed_at(headers)).collect();
    // The waits between them are what the machine adds.
    assert!((-600..-540).contains(&(times[1] - times[0])) && (600..660).contains(&(times[2] - times[0])), "{times:?}");
    let (headers, body) = receiver.received().remove(1);
    assert_eq!(headers["stripe-signature"], sign_webhook(SECRET, times[1], &body));
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_yet_gets_its_events_later() {
    let (stripe, seller, receiver) = start(0, FakeStripeOptions::default()).await;
    stripe.set_webhook(Webhook { url: "http://127.0.0.1:1/".to_owned(), secret: SECRET.to_owned() });
    pay(&seller).await;
    assert!(!stripe.wait_until_delivered(Duration::from_millis(150)).await);
    stripe.set_webhook(Webhook { url: receiver.url(), secret: SECRET.to_owned() });
    assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn duplicates_delays_and_drops_are_as_asked_for() {
    let (stripe, seller, receiver) = start(0, FakeStripeOptions::default()).await;
    let delay = Duration::from_millis(200);
    stripe.set_webhook_faults(vec![
        WebhookFault::Duplicate { extra: 2 },
        WebhookFault::Delay { by: delay },
        WebhookFault::Drop { every_nth: 2 },
    ]);
    let before = Instant::now();
    pay(&seller).await;
    assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    assert!(before.elapsed() >= delay);
    let mut kinds = receiver.kinds();
    kinds.sort_unstable();
    let created = ["payment_intent.created"; 3];
    assert_eq!(kinds, [&created[..], &["payment_intent.succeeded"; 3]].concat(), "the second event is dropped");

    let dropped = seller.get("/v1/events?delivery_success=false").await.json();
    assert_eq!(dropped["data"].as_array().unwrap().len(), 1);
    stripe.set_webhook_faults(Vec::new());
    stripe.redeliver(dropped["data"][0]["id"].as_str().unwrap()).unwrap();
    assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    assert_eq!(receiver.kinds().last().unwrap(), "charge.succeeded");
    assert!(stripe.redeliver("evt_none").is_err());
}

#[tokio::test]
async fn deliveries_overtake_each_other_when_asked_to() {
    let (stripe, seller, receiver) = start(0, FakeStripeOptions { seed: 3, ..FakeStripeOptions::default() }).await;
    stripe.set_webhook_faults(vec![WebhookFault::Reorder { window: Duration::from_millis(400) }]);
    for _ in 0..4 {
        seller.pays("pm_card_visa", "automatic", None).await;
    }
    assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    let made: Vec<String> = stripe.events().into_iter().map(|event| event.id).collect();
    let came: Vec<String> = receiver.events().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(made.len(), came.len());
    assert_ne!(made, came);
}

#[tokio::test]
async fn an_event_can_be_made_by_hand_and_be_from_another_world() {
    let options =
        FakeStripeOptions { mode: Mode::Live, account: Some("acct_other".into()), ..FakeStripeOptions::default() };
    let (stripe, _seller, receiver) = start(0, options).await;
    let id = stripe.deliver("charge.dispute.created", &json!({ "id": "dp_1", "object": "dispute" }));
    assert!(stripe.wait_until_delivered(WAIT_MAX).await);
    let event = receiver.events().remove(0);
    assert_eq!((&event["id"], &event["type"]), (&id.into(), &"charge.dispute.created".into()));
    assert_eq!((&event["livemode"], &event["account"]), (&true.into(), &"acct_other".into()));
}

#[tokio::test]
async fn events_are_listed_newest_first_and_by_page() {
    let (_stripe, seller, _receiver) = start(0, FakeStripeOptions::default()).await;
    pay(&seller).await;
    let first = seller.get("/v1/events?limit=2").await.json();
    assert_eq!((&first["data"][0]["type"], &first["has_more"]), (&HAPPENED[2].into(), &true.into()));
    let last = first["data"][1]["id"].as_str().unwrap();
    let rest = seller.get(&format!("/v1/events?limit=2&starting_after={last}")).await.json();
    assert_eq!((&rest["data"][0]["type"], &rest["has_more"]), (&HAPPENED[0].into(), &false.into()));
    let charges = seller.get("/v1/events?type=charge.succeeded").await.json();
    assert_eq!(charges["data"].as_array().unwrap().len(), 1);
    let event = charges["data"][0].clone();
    assert_eq!(seller.get(&format!("/v1/events/{}", event["id"].as_str().unwrap())).await.json(), event);
}
