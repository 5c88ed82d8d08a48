//! Idempotency keys: the same request, the same answer, once.

use http::StatusCode;
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{World, jazz};

#[tokio::test]
async fn a_repeated_hold_is_the_same_hold_and_a_reused_key_is_refused() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    let authorization = format!("Bearer {}", buyer.pass());
    let path = format!("/v1/sales/{sale}/holds");
    let ask = async |key: &str, quantity: u32| {
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", key)];
        world.post(&path, &headers, &json!({ "items": [{ "tier": "ga", "quantity": quantity }] })).await
    };
    let first = ask("k-1", 2).await;
    let again = ask("\"k-1\"", 2).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!(first.body, again.body);
    let reused = ask("k-1", 1).await;
    assert_eq!((reused.status, reused.code()), (StatusCode::UNPROCESSABLE_ENTITY, Some("idempotency_key_reused")));
    world.stop().await;
}

#[tokio::test]
async fn a_repeated_order_is_the_same_answer_also_when_asked_for_at_once() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    let authorization = format!("Bearer {}", buyer.pass());
    let path = format!("/v1/sales/{sale}/orders");
    let ask = async |name: &str| {
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", "o-1")];
        world.post(&path, &headers, &json!({ "hold": hold.id, "email": "ada@example.org", "name": name })).await
    };
    let (first, second) = tokio::join!(ask("Ada"), ask("Ada"));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert!(
        statuses == [StatusCode::CREATED, StatusCode::CREATED]
            || statuses == [StatusCode::CREATED, StatusCode::CONFLICT],
        "{statuses:?}"
    );
    let again = ask("Ada").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, Some("true")));
    assert_eq!(ask("Grace").await.code(), Some("idempotency_key_reused"));
    assert_eq!(world.database.number("SELECT count(*) FROM orders").await.unwrap(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    world.database.execute("UPDATE sales SET state = 'closed'").await.unwrap();
    let authorization = format!("Bearer {}", buyer.pass());
    let ask = async || {
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", "o-1")];
        let body = json!({ "hold": hold.id, "email": "ada@example.org", "name": "Ada" });
        world.post(&format!("/v1/sales/{sale}/orders"), &headers, &body).await
    };
    let refused = ask().await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    world.database.execute("UPDATE sales SET state = 'published'").await.unwrap();
    // The gateway may have looked at the sale in between.
    eventually("an order", async || ask().await.status == StatusCode::CREATED).await;
    world.stop().await;
}

#[tokio::test]
async fn a_repeated_draft_is_one_sale() {
    let world = World::new().await;
    let (draft, authorization) = (jazz(1), format!("Bearer {}", world.api_key));
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "d-1")];
    let made = world.post("/v1/organizer/sales", &headers, &draft).await;
    let again = world.post("/v1/organizer/sales", &headers, &draft).await;
    assert_eq!((made.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!((made.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!(made.body, again.body);
    let other = world.post("/v1/organizer/sales", &headers, &jazz(2)).await;
    assert_eq!(other.code(), Some("idempotency_key_reused"));
    assert_eq!(world.database.number("SELECT count(*) FROM sales").await.unwrap(), 1);
    world.stop().await;
}
