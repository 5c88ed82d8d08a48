//! `/v1/sales/{sale}/queue`

use http::{Method, StatusCode};
use sandbox::actors::Visitor;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{SOON, World, jazz, jazz_with};

#[tokio::test]
async fn a_visitor_joins_once_however_often_they_ask() {
    let world = World::new().await;
    let sale = world.sale(&jazz(10)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    let first = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!((&first["place"]["number"], &first["position"]["sale_state"]), (&json!(1), &json!("open")));
    let again = visitor.joins().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(again["place"]["number"], 1);
    let mut other = Visitor::new(&world.edge, &sale);
    assert_eq!(other.joins().await.unwrap().body["place"]["number"], 2);
    world.stop().await;
}

#[tokio::test]
async fn a_browser_keeps_its_place_by_its_cookies() {
    let world = World::new().await;
    let sale = world.sale(&jazz(10)).await;
    let queue = format!("/v1/sales/{sale}/queue");
    let joined = world.post(&queue, &[], &Value::Null).await;
    let set: Vec<_> = joined.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(set.iter().all(|cookie| cookie.contains("HttpOnly; SameSite=Lax")), "{set:?}");
    let pairs: Vec<_> = set.iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
    let cookie = pairs.join("; ");
    let again = world.post(&queue, &[("cookie", &cookie), ("sec-fetch-site", "same-origin")], &Value::Null).await;
    assert_eq!((again.status, &again.body["place"]["number"]), (StatusCode::OK, &json!(1)));
    let place = format!("{queue}/place");
    assert_eq!(world.get_with(&place, &[("cookie", &cookie)]).await.status, StatusCode::OK);
    let from_elsewhere = [("cookie", cookie.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(world.post(&queue, &from_elsewhere, &Value::Null).await.code(), Some("forbidden"));
    assert_eq!(world.get_with(&place, &from_elsewhere).await.code(), Some("forbidden"));
    assert_eq!(world.get(&place).await.code(), Some("unauthorized"));
    world.stop().await;
}

#[tokio::test]
async fn turns_are_given_in_order_and_the_pass_is_the_same_each_time() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let (mut first, mut second) = (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale));
    first.joins().await.unwrap();
    second.joins().await.unwrap();
    let buyer = first.polls_for_turn(SOON).await.unwrap();
    let again = first.polls().await.unwrap();
    assert_eq!(again.body["pass"].as_str(), Some(buyer.pass()));
    assert!(again.body["pass_expires_at"].is_string() && again.body["ahead"].is_null());
    let waiting = second.polls().await.unwrap().body;
    assert_eq!((&waiting["state"], &waiting["ahead"], &waiting["pass"]), (&json!("waiting"), &json!(0), &json!(null)));
    assert_eq!(first.leaves().await.unwrap().status, StatusCode::NO_CONTENT);
    second.polls_for_turn(SOON).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn who_left_may_join_again_at_the_end() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut inside = Visitor::new(&world.edge, &sale);
    inside.joins().await.unwrap();
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    assert_eq!(visitor.leaves().await.unwrap().status, StatusCode::NO_CONTENT);
    eventually("left", async || visitor.polls().await.unwrap().body["state"] == "left").await;
    let again = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!((&again["place"]["number"], &again["place"]["state"]), (&json!(3), &json!("waiting")));
    world.stop().await;
}

#[tokio::test]
async fn a_sale_takes_nobody_before_it_opens_while_it_is_paused_and_after_it_closed() {
    let world = World::new().await;
    let later = world.sale(&jazz_with(1, json!({ "opens_at": "2099-01-01T00:00:00Z" }))).await;
    let refused = Visitor::new(&world.edge, &later).joins().await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("sale_not_open")));

    let sale = world.sale(&jazz(1)).await;
    let decide = async |decision: &str| {
        let path = format!("sales/{sale}/{decision}");
        world.organizer.asks(Method::POST, &path, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    };
    let code = async || {
        let answer = Visitor::new(&world.edge, &sale).joins().await.unwrap();
        answer.code().unwrap_or("joined").to_owned()
    };
    decide("pause").await;
    assert_eq!(code().await, "sale_paused");
    decide("resume").await;
    assert_eq!(code().await, "joined");
    decide("close").await;
    assert_eq!(code().await, "sale_closed");
    world.stop().await;
}

#[tokio::test]
async fn numbers_are_reserved_in_postgres_before_they_are_used() {
    let world = World::new().await;
    let sale = world.sale(&jazz(1)).await;
    let reserved = "SELECT coalesce(max(last_number), 0) FROM number_blocks";
    assert_eq!(world.database.number(reserved).await.unwrap(), 0);
    Visitor::new(&world.edge, &sale).joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert!(world.database.number(reserved).await.unwrap() >= 1);
    world.stop().await;
}
