//! `/v1/stripe/webhook`

use bytes::Bytes;
use domain::clock::Clock;
use http::{Method, StatusCode};
use sandbox::actors::Answer;
use sandbox::sign_webhook;

use crate::world::{WEBHOOK_SECRET, World};

const EVENT: &str = r#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1700000000,
    "livemode":false,"api_version":"2026-09-30","data":{"object":{"object":"payment_intent","id":"pi_1"}}}"#;

async fn deliver(world: &World, body: &'static str, secret: &str, age_s: i64) -> Answer {
    let at = Clock::system().now().as_second() - age_s;
    let signature = sign_webhook(secret, at, body.as_bytes());
    let headers = [("stripe-signature", signature.as_str())];
    world.edge.send(Method::POST, "/v1/stripe/webhook", &headers, Bytes::from(body)).await.unwrap()
}

#[tokio::test]
async fn a_signed_event_is_stored_once() {
    let world = World::new().await;
    assert_eq!(deliver(&world, EVENT, WEBHOOK_SECRET, 0).await.body["stored"], "new");
    let again = deliver(&world, EVENT, WEBHOOK_SECRET, 0).await;
    assert_eq!((again.status, &again.body["stored"]), (StatusCode::OK, &"duplicate".into()));
    assert_eq!(world.database.number("SELECT count(*) FROM inbox").await.unwrap(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_wrong_or_old_signature_is_refused_and_nothing_stored() {
    let world = World::new().await;
    for (secret, age_s) in [("whsec_of_somebody_else", 0), (WEBHOOK_SECRET, 3_600)] {
        let refused = deliver(&world, EVENT, secret, age_s).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, Some("signature_invalid")));
    }
    let unsigned = world.edge.send(Method::POST, "/v1/stripe/webhook", &[], Bytes::from(EVENT)).await.unwrap();
    assert_eq!(unsigned.code(), Some("signature_invalid"));
    assert_eq!(world.database.number("SELECT count(*) FROM inbox").await.unwrap(), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_signed_body_that_cannot_be_read_is_kept_for_people() {
    let world = World::new().await;
    assert_eq!(deliver(&world, "not json", WEBHOOK_SECRET, 0).await.status, StatusCode::OK);
    let kept = "SELECT count(*) FROM inbox WHERE kind = 'unreadable'";
    assert_eq!(world.database.number(kept).await.unwrap(), 1);
    world.stop().await;
}

#[tokio::test]
async fn the_webhook_takes_a_megabyte_and_no_more() {
    let world = World::new().await;
    let large = Bytes::from(vec![b' '; 1024 * 1024 + 1]);
    let refused = world.edge.send(Method::POST, "/v1/stripe/webhook", &[], large).await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::PAYLOAD_TOO_LARGE, Some("body_too_large")));
    world.stop().await;
}
