//! `/v1/organizer/sales`

use http::{Method, StatusCode};
use ledger::organizers::KeyRole;
use serde_json::{Value, json};

use crate::world::{World, jazz, jazz_with};

#[tokio::test]
async fn a_draft_is_made_shown_and_published_once() {
    let world = World::new().await;
    let made = world.organizer.asks(Method::POST, "sales", &jazz(5)).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED);
    let location = made.header("location").unwrap().replace("/v1/organizer/", "");
    assert_eq!((&made.body["state"], &made.body["per_buyer_limit"]), (&json!("draft"), &json!(4)));
    let shown = world.organizer.asks(Method::GET, &location, &Value::Null).await.unwrap();
    assert_eq!((shown.header("etag"), &shown.body), (made.header("etag"), &made.body));
    let publish = format!("{location}/publish");
    for _ in 0..2 {
        let published = world.organizer.asks(Method::POST, &publish, &Value::Null).await.unwrap();
        let published = published.expect(StatusCode::OK).unwrap();
        assert_eq!(published["state"], "published");
        assert!(published["published_at"].is_string());
    }
    assert_eq!(world.database.number("SELECT count(*) FROM units").await.unwrap(), 5);
    world.stop().await;
}

#[tokio::test]
async fn everything_wrong_with_a_configuration_is_told_at_once() {
    let world = World::new().await;
    let wrong = jazz_with(1, json!({ "time_zone": "Mars/Olympus", "per_buyer_limit": 0, "name": "" }));
    let refused = world.organizer.asks(Method::POST, "sales", &wrong).await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, Some("validation_failed")));
    let pointers: Vec<_> =
        refused.body["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/name", "/time_zone", "/per_buyer_limit"]);
    let unknown = world.organizer.asks(Method::POST, "sales", &jazz_with(1, json!({ "colour": "red" }))).await.unwrap();
    assert_eq!(unknown.body["errors"][0]["pointer"], "/colour");
    assert_eq!(world.database.number("SELECT count(*) FROM sales").await.unwrap(), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_slug_names_one_sale() {
    let world = World::new().await;
    let sale = jazz(1);
    world.organizer.asks(Method::POST, "sales", &sale).await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(world.organizer.asks(Method::POST, "sales", &sale).await.unwrap().code(), Some("slug_taken"));
    world.stop().await;
}

#[tokio::test]
async fn a_key_opens_its_own_organizers_sales_as_far_as_its_role_goes() {
    let world = World::new().await;
    let sale = world.sale(&jazz(1)).await;
    let path = format!("sales/{sale}");
    let close = format!("{path}/close");
    let stranger = world.somebody(KeyRole::Organizer, "Red Note").await;
    assert_eq!(stranger.asks(Method::GET, &path, &Value::Null).await.unwrap().code(), Some("not_found"));
    assert_eq!(stranger.asks(Method::POST, &close, &Value::Null).await.unwrap().code(), Some("not_found"));
    for role in [KeyRole::Door, KeyRole::Support] {
        let somebody = world.somebody(role, "Blue Note").await;
        assert_eq!(somebody.asks(Method::POST, &close, &Value::Null).await.unwrap().code(), Some("forbidden"));
    }
    let unknown = sandbox::actors::Organizer::new(&world.edge, "osk_unknown");
    assert_eq!(unknown.asks(Method::GET, &path, &Value::Null).await.unwrap().code(), Some("unauthorized"));
    let admin = world.somebody(KeyRole::Admin, "House").await;
    let closed = admin.asks(Method::POST, &close, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(closed["state"], "closed");
    let again = world.organizer.asks(Method::POST, &format!("{path}/pause"), &Value::Null).await.unwrap();
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, Some("sale_state_conflict")));
    world.stop().await;
}
