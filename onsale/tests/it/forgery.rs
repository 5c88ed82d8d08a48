//! What nobody honest sends: events that do not fit, tokens of somebody else, bodies that make no sense. Each is refused
//! under its own name, and nothing changes.

use std::time::Duration;

use bytes::Bytes;
use domain::clock::Clock;
use http::{Method, StatusCode};
use sandbox::actors::{Answer, Card, Edge, Visitor};
use sandbox::{WebhookFault, sign_webhook};
use serde_json::{Value, json};

use crate::faults::{PRICE, money_is_where_it_belongs};
use crate::shopper::text;
use crate::world::{WEBHOOK_SECRET, World};

const BOUND: Duration = Duration::from_secs(60);
const BODY_MAX_BYTES: usize = 64 * 1024;
/// Everything that a request could have changed.
const FOOTPRINT: &str = "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM payments)
                              + (SELECT count(*) FROM transfers) + (SELECT count(*) FROM tickets)
                              + (SELECT count(*) FROM outbox) + (SELECT count(*) FROM sales)
                              + (SELECT count(*) FROM units WHERE state <> 'free')";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_does_not_fit_its_order_is_quarantined_and_issues_nothing() {
    let world = World::start().await;
    let sale = world.sells(3).await;
    let (buyer, order) = world.has_order(&sale).await;
    // The true events of the payment stay away, so that only the forged ones speak.
    world.stripe.set_webhook_faults(vec![WebhookFault::Drop { every_nth: 1 }]);
    let paid = buyer.pays(&order, Card::AuthenticationRequired, &world.stripe.base_url()).await.unwrap();
    let intent = text(&paid.expect(StatusCode::OK).unwrap()["payment"], "payment_intent");
    world.stripe.set_webhook_faults(Vec::new());
    let event = world.stripe.events().into_iter().find(|event| event.object == intent).unwrap();
    let truth: Value = serde_json::from_slice(&world.stripe.event_body(&event.id).unwrap()).unwrap();
    let mut object = truth["data"]["object"].clone();
    object["status"] = "succeeded".into();
    object["amount_received"] = object["amount"].clone();
    object["next_action"] = Value::Null;

    let before = world.counts(FOOTPRINT).await;
    for (number, (at, forged_value)) in (1_i64..).zip([
        ("/livemode", json!(true)),
        ("/amount", json!(1)),
        ("/amount_received", json!(1)),
        ("/currency", json!("usd")),
        ("/metadata/order", json!("ord_0190c5a0b0c07abc8def0123456789ab")),
        ("/metadata/sale", json!("sale_0190c5a0b0c07abc8def0123456789ab")),
        ("/id", json!("pi_of_somebody_else")),
    ]) {
        let mut forged = object.clone();
        *forged.pointer_mut(at).unwrap() = forged_value;
        world.stripe.deliver("payment_intent.succeeded", &forged);
        let quarantined = "SELECT count(*) FROM inbox WHERE state = 'quarantined'";
        world.waits_until_counted(quarantined, |events| events == number).await;
    }
    assert_eq!(world.counts("SELECT count(*) FROM inbox WHERE state = 'done'").await, 0);
    assert_eq!(world.counts(FOOTPRINT).await, before);
    assert_eq!(buyer.looks_at_order(&order).await.unwrap().body["state"], "awaiting_payment");
    money_is_where_it_belongs(&world, 0).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_not_signed_for_us_is_refused_and_one_that_says_nonsense_is_set_aside() {
    let world = World::start().await;
    let body = br#"{"id":"evt_1","object":"event"}"#;
    let now = Clock::system().now().as_second();
    for signature in [
        String::new(),
        "t=1,v1=00".to_owned(),
        sign_webhook("whsec_of_somebody_else", now, body),
        sign_webhook(WEBHOOK_SECRET, now - 3_600, body),
        sign_webhook(WEBHOOK_SECRET, now, b"another body"),
    ] {
        is_refused(&posts_webhook(&world.edge, &signature, body).await, StatusCode::BAD_REQUEST, "signature_invalid");
    }
    assert_eq!(world.counts("SELECT count(*) FROM inbox").await, 0);

    let stored = posts_webhook(&world.edge, &sign_webhook(WEBHOOK_SECRET, now, body), body).await;
    assert_eq!(stored.status, StatusCode::OK, "{stored:?}");
    let quarantined = "SELECT count(*) FROM inbox WHERE state = 'quarantined'";
    world.waits_until_counted(quarantined, |events| events == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_sale_another_order_or_nobody_open_nothing() {
    let world = World::start().await;
    let (sale, other_sale) = (world.sells(3).await, world.sells(3).await);
    let (buyer, order) = world.has_order(&sale).await;
    let (other, other_order) = world.has_order(&sale).await;
    let (foreign, _) = world.has_order(&other_sale).await;
    let mut visitor = Visitor::new(&world.edge, &other_sale);
    visitor.joins().await.unwrap();
    let place = visitor.place().unwrap();
    buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
    let paid = buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
    let qr = text(&paid["tickets"][0], "qr_url").split('?').next().unwrap().to_owned();

    let hold = json!({ "items": [{ "tier": "ga", "quantity": 1 }] });
    let confirmation = json!({ "confirmation_token": "ctoken_1" });
    let pay = format!("/v1/sales/{sale}/orders/{}/pay", other_order.id);
    let (queue, holds) = (format!("/v1/sales/{sale}/queue/place"), format!("/v1/sales/{sale}/holds"));
    let shown = format!("/v1/sales/{sale}/orders/{}", order.id);
    let truncated = &buyer.pass()[..buyer.pass().len() - 1];
    let mut forged = buyer.pass().to_owned();
    let last = if forged.ends_with('A') { 'B' } else { 'A' };
    forged.replace_range(forged.len() - 8..forged.len() - 7, &last.to_string());
    let before = world.counts(FOOTPRINT).await;
    for (method, path, token, body, code) in [
        (Method::GET, &queue, place, &Value::Null, "place_invalid"),
        (Method::GET, &queue, buyer.pass(), &Value::Null, "place_invalid"),
        (Method::POST, &holds, foreign.pass(), &hold, "pass_invalid"),
        (Method::POST, &holds, truncated, &hold, "pass_invalid"),
        (Method::POST, &holds, &forged, &hold, "pass_invalid"),
        (Method::POST, &holds, place, &hold, "pass_invalid"),
        (Method::POST, &holds, "", &hold, "unauthorized"),
        (Method::POST, &pay, &order.token, &confirmation, "token_invalid"),
        (Method::POST, &pay, other.pass(), &confirmation, "token_invalid"),
        (Method::GET, &shown, &other_order.token, &Value::Null, "token_invalid"),
        (Method::GET, &qr, &other_order.token, &Value::Null, "token_invalid"),
        (Method::GET, &format!("{qr}?token={}", order.token), "", &Value::Null, "token_invalid"),
        (Method::GET, &format!("{qr}?token=art_AAAA"), &order.token, &Value::Null, "token_invalid"),
    ] {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", "k")];
        let answer = world.edge.ask(method, path, &headers, body).await.unwrap();
        is_refused(&answer, StatusCode::UNAUTHORIZED, code);
    }
    assert_eq!(world.counts(FOOTPRINT).await, before);
    money_is_where_it_belongs(&world, PRICE).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_make_no_sense_are_refused_by_name_and_change_nothing() {
    let world = World::start().await;
    let sale = world.sells(3).await;
    let buyer = world.has_turn(&sale).await;
    let holds = format!("/v1/sales/{sale}/holds");
    let of = |quantity: &str| format!(r#"{{"items":[{{"tier":"ga","quantity":{quantity}}}]}}"#);
    let long = format!(r#"{{"items":[],"x":"{}"}}"#, "x".repeat(BODY_MAX_BYTES));
    let before = world.counts(FOOTPRINT).await;
    for (path, body, status, code) in [
        (&holds, of("0"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("-1"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("1000000000"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("99999999999999999999"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("\"2\""), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("1.5"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("null"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("1,\"price\":0"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("1").replace("ga", "vip"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("1").replace("ga", "ga=0;ga"), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, of("1") + "x", StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, "{\"items\":[".to_owned(), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, "[".repeat(60_000), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, "\u{0}".to_owned(), StatusCode::BAD_REQUEST, "validation_failed"),
        (&holds, long, StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        (&holds.replace(&sale, "sale_0190c5a0b0c07abc8def0123456789ab"), of("1"), StatusCode::NOT_FOUND, "not_found"),
        (&holds.replace(&sale, "night-of-nothing"), of("1"), StatusCode::NOT_FOUND, "not_found"),
        (&holds.replace(&sale, "%00"), of("1"), StatusCode::NOT_FOUND, "not_found"),
    ] {
        let authorization = format!("Bearer {}", buyer.pass());
        let headers =
            [("authorization", authorization.as_str()), ("idempotency-key", "k"), ("content-type", "application/json")];
        let answer = world.edge.send(Method::POST, path, &headers, Bytes::from(body)).await.unwrap();
        is_refused(&answer, status, code);
    }
    assert_eq!(world.counts(FOOTPRINT).await, before);
    // The pass has held nothing, so it can.
    buyer.holds("ga", 1).await.unwrap();
    world.holds_every_invariant();
}

async fn posts_webhook(edge: &Edge, signature: &str, body: &'static [u8]) -> Answer {
    let headers = [("stripe-signature", signature), ("content-type", "application/json")];
    edge.send(Method::POST, "/v1/stripe/webhook", &headers, Bytes::from_static(body)).await.unwrap()
}

fn is_refused(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, Some(code)), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.body["status"], status.as_u16());
}
