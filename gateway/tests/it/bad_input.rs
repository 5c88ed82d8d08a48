//! Bad input: each its own problem, and nothing changed. What is wrong with a wish to hold is in `bad_holds`.

use bytes::Bytes;
use domain::token::{Allowance, Holder, PassToken};
use http::{Method, StatusCode};
use jiff::Timestamp;
use sandbox::actors::{Answer, Buyer};
use serde_json::{Value, json};

use crate::world::{World, jazz};

struct Table {
    world: World,
    sale: String,
    pass: String,
}

impl Table {
    async fn new() -> Self {
        let world = World::new().await;
        let sale = world.sale(&jazz(5)).await;
        let pass = world.buyer(&sale).await.pass().to_owned();
        Self { world, sale, pass }
    }

    async fn holds(&self, pass: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {pass}");
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", "k")];
        self.world.post(&format!("/v1/sales/{}/holds", self.sale), &headers, body).await
    }

    async fn sends(&self, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let authorization = format!("Bearer {}", self.pass);
        let headers =
            [("authorization", authorization.as_str()), ("idempotency-key", "k"), ("content-type", content_type)];
        self.world
            .edge
            .send(Method::POST, &format!("/v1/sales/{}/holds", self.sale), &headers, body.into())
            .await
            .unwrap()
    }
}

fn fault(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.code(), answer.body["errors"][0]["pointer"].as_str())
}

#[tokio::test]
async fn what_is_no_json_or_too_much_of_it_is_refused() {
    let table = Table::new().await;
    assert_eq!(table.sends("application/json", "{\"items\":").await.code(), Some("validation_failed"));
    let answer = table.sends("text/plain", "{}").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, Some("unsupported_media_type")));
    let answer = table.sends("application/json", vec![b' '; 64 * 1024 + 1]).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, Some("body_too_large")));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(table.sends("application/json", deep).await.code(), Some("validation_failed"));
    table.world.stop().await;
}

#[tokio::test]
async fn passes_of_others_forged_and_used_up_ones_open_nothing() {
    let table = Table::new().await;
    let one = json!({ "items": [{ "tier": "ga", "quantity": 1 }] });
    let elsewhere = table.world.sale(&jazz(5)).await;
    let of_elsewhere = table.world.buyer(&elsewhere).await;
    let answer = table.holds(of_elsewhere.pass(), &one).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, Some("pass_invalid")));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));

    let mut forged = table.pass.clone().into_bytes();
    let last = forged.len() - 2;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    assert_eq!(table.holds(&String::from_utf8(forged).unwrap(), &one).await.code(), Some("pass_invalid"));
    assert_eq!(table.holds("", &one).await.code(), Some("unauthorized"));

    let never = PassToken {
        sale: table.sale.parse().unwrap(),
        number: domain::PlaceNumber(999_999),
        allowance: Allowance::Usual,
        holder: Holder::of_secret(b"nobody"),
        granted_at: Timestamp::UNIX_EPOCH,
    };
    assert_eq!(table.holds(&table.world.signer.sign_pass(&never), &one).await.code(), Some("pass_invalid"));

    let mut visitor = sandbox::actors::Visitor::new(&table.world.edge, &table.sale);
    visitor.joins().await.unwrap();
    let over = visitor.waits_for_turn(crate::world::SOON).await.unwrap();
    visitor.leaves().await.unwrap();
    let answer = table.holds(over.pass(), &one).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, Some("pass_expired")));
    assert_eq!(table.world.remaining(&table.sale).await, 5);
    table.world.stop().await;
}

#[tokio::test]
async fn a_key_is_needed_and_names_one_request() {
    let table = Table::new().await;
    let authorization = format!("Bearer {}", table.pass);
    let path = format!("/v1/sales/{}/holds", table.sale);
    let one = json!({ "items": [{ "tier": "ga", "quantity": 1 }] });
    let answer = table.world.post(&path, &[("authorization", &authorization)], &one).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, Some("idempotency_key_missing")));
    table.world.stop().await;
}

#[tokio::test]
async fn buyers_must_be_reachable_and_have_a_name() {
    let table = Table::new().await;
    let buyer = Buyer::new(&table.world.edge, &table.sale, "10.9.9.9", &table.pass);
    let hold = buyer.holds("ga", 1).await.unwrap();
    for (email, name, pointer) in [
        ("ada", "Ada", "/email"),
        ("ada@example.org\r\nBcc: x@y.z", "Ada", "/email"),
        ("ada@example.org", "", "/name"),
        ("ada@example.org", "Ada\nLovelace", "/name"),
    ] {
        let answer = buyer.asks_to_order(&hold, email, name).await.unwrap();
        assert_eq!(fault(&answer), (Some("validation_failed"), Some(pointer)), "{email} {name}");
    }
    assert_eq!(buyer.looks_at_hold(&hold).await.unwrap().body["state"], "held");
    assert_eq!(table.world.database.number("SELECT count(*) FROM orders").await.unwrap(), 0);
    table.world.stop().await;
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_told_as_problems() {
    let world = World::new().await;
    let missing = world.get("/v1/nothing").await;
    assert_eq!((missing.status, missing.code()), (StatusCode::NOT_FOUND, Some("not_found")));
    assert_eq!(missing.header("content-type"), Some("application/problem+json"));
    let wrong = world.edge.ask(Method::PUT, "/v1/sales", &[], &Value::Null).await.unwrap();
    assert_eq!((wrong.status, wrong.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD, OPTIONS")));
    let kind = world.get(missing.body["type"].as_str().unwrap()).await.expect(StatusCode::OK).unwrap();
    assert_eq!(kind["code"], "not_found");
    let options = world.edge.ask(Method::OPTIONS, "/v1/sales", &[], &Value::Null).await.unwrap();
    assert_eq!((options.status, options.header("allow")), (StatusCode::NO_CONTENT, Some("GET, HEAD, OPTIONS")));
    let head = world.edge.ask(Method::HEAD, "/openapi.json", &[], &Value::Null).await.unwrap();
    assert!(head.status == StatusCode::OK && head.body.is_null());
    world.stop().await;
}
