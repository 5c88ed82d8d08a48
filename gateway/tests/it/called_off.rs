//! `POST /v1/organizer/sales/{sale}/cancel`, and what everybody is told afterwards.

use http::{Method, StatusCode};
use ledger::organizers::KeyRole;
use ledger::sales::cancelling::{WindUp, sale_wind_up_next};
use sandbox::actors::Visitor;
use serde_json::{Value, json};

use crate::world::{SOON, World, jazz, jazz_with};

impl World {
    /// What the workers do.
    async fn winds_up(&self) {
        while let Some(WindUp::Met { .. }) = sale_wind_up_next(&self.workers).await.unwrap() {}
    }
}

#[tokio::test]
async fn who_may_decide_calls_a_sale_off_once() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let cancel = format!("sales/{sale}/cancel");
    for role in [KeyRole::Door, KeyRole::Support] {
        let somebody = world.somebody(role, "Blue Note").await;
        assert_eq!(somebody.asks(Method::POST, &cancel, &Value::Null).await.unwrap().code(), Some("forbidden"));
    }
    let stranger = world.somebody(KeyRole::Organizer, "Red Note").await;
    assert_eq!(stranger.asks(Method::POST, &cancel, &Value::Null).await.unwrap().code(), Some("not_found"));
    let unknown = sandbox::actors::Organizer::new(&world.edge, "osk_unknown");
    assert_eq!(unknown.asks(Method::POST, &cancel, &Value::Null).await.unwrap().code(), Some("unauthorized"));
    let done = world.organizer.asks(Method::POST, &cancel, &Value::Null).await.unwrap();
    let again = world.organizer.asks(Method::POST, &cancel, &Value::Null).await.unwrap();
    assert_eq!((again.header("etag"), &again.body), (done.header("etag"), &done.body), "the same again");
    assert_eq!(done.expect(StatusCode::OK).unwrap()["state"], "cancelled");
    for other in ["pause", "resume", "close", "publish"] {
        let asked = world.organizer.asks(Method::POST, &format!("sales/{sale}/{other}"), &Value::Null).await.unwrap();
        if other == "publish" {
            assert_eq!(asked.body["state"], "cancelled", "it was published before");
        } else {
            assert_eq!((asked.status, asked.code()), (StatusCode::CONFLICT, Some("sale_state_conflict")), "{other}");
        }
    }
    let draft = world.organizer.asks(Method::POST, "sales", &jazz(1)).await.unwrap().body["id"].clone();
    let draft = format!("sales/{}", draft.as_str().unwrap());
    let called_off = world.organizer.asks(Method::POST, &format!("{draft}/cancel"), &Value::Null).await.unwrap();
    assert_eq!(called_off.expect(StatusCode::OK).unwrap()["state"], "cancelled");
    let published = world.organizer.asks(Method::POST, &format!("{draft}/publish"), &Value::Null).await.unwrap();
    assert_eq!(published.code(), Some("sale_state_conflict"));
    world.stop().await;
}

#[tokio::test]
async fn everybody_is_told_that_it_is_off() {
    let world = World::new().await;
    let performances = json!({ "performances": [{ "starts_at": "2030-06-01T18:00:00Z" }] });
    let sale = world.sale(&jazz_with(4, performances)).await;
    let (buyer, paid) = world.paid_order(&sale, 1).await;
    let (other, _, unpaid) = world.order(&sale, 1).await;
    let (_, mut socket) = world.watcher(&sale).await;
    let calendar = buyer.looks_at_order(&paid).await.unwrap().body["calendar_url"].as_str().unwrap().to_owned();
    assert!(world.get(&calendar).await.body.as_str().unwrap().contains("STATUS:CONFIRMED"));
    let cancel = format!("sales/{sale}/cancel");
    world.organizer.asks(Method::POST, &cancel, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();

    let is_off = |frame: &Value| frame["data"]["state"] == "cancelled";
    socket.waits_until("the end", SOON, is_off).await.unwrap();
    assert_eq!(world.get(&format!("/v1/sales/{sale}")).await.body["state"], "cancelled");
    let page = world.get(&format!("/s/{sale}?plain")).await;
    assert!(page.body.as_str().is_none_or(|page| !page.contains("Join the queue")), "{page:?}");
    let mut late = Visitor::new(&world.edge, &sale);
    assert_eq!(late.joins().await.unwrap().code(), Some("sale_closed"));
    assert!(world.get(&calendar).await.body.as_str().unwrap().contains("STATUS:CANCELLED"));

    world.winds_up().await;
    let mine = buyer.looks_at_order(&paid).await.unwrap().body;
    assert_eq!(mine["tickets"][0]["state"], "void");
    let theirs = other.looks_at_order(&unpaid).await.unwrap().body;
    assert_eq!((&theirs["state"], &theirs["final"]), (&json!("cancelled"), &json!(true)));
    let refunds = format!("sales/{sale}/orders/{}/refunds", paid.id);
    let refunds = world.organizer.asks(Method::GET, &refunds, &Value::Null).await.unwrap().body["data"].clone();
    assert_eq!((&refunds[0]["reason"], &refunds[0]["amount"]), (&json!("sale_cancelled"), &mine["total"]));
    assert!(world.get(&calendar).await.body.as_str().unwrap().contains("STATUS:CANCELLED"));
    world.stop().await;
}
