//! `…/orders/{order}/pay`

use http::StatusCode;
use sandbox::actors::Card;
use sandbox::{Availability, CallFault, Operation};
use serde_json::json;

use crate::world::{World, jazz};

#[tokio::test]
async fn a_good_card_is_authorised_and_nothing_is_charged_yet() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let paid = buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap();
    let paid = paid.expect(StatusCode::OK).unwrap();
    assert_eq!(paid["payment"]["status"], "requires_capture");
    assert!(paid["payment"]["client_secret"].is_string() && paid["payment"]["next_action"].is_null());
    let intents = world.stripe.payment_intents();
    assert_eq!((intents.len(), world.stripe.captured_total("eur")), (1, 0));
    let again = buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap();
    assert!(matches!(again.status, StatusCode::OK | StatusCode::CONFLICT), "{again:?}");
    assert_eq!(world.stripe.payment_intents().len(), 1, "one order, one payment");
    world.stop().await;
}

#[tokio::test]
async fn a_declined_card_is_told_why_and_another_may_be_tried() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let declined = buyer.pays(&order, Card::Declined, &world.stripe.base_url()).await.unwrap();
    assert_eq!((declined.status, declined.code()), (StatusCode::PAYMENT_REQUIRED, Some("payment_declined")));
    assert_eq!(declined.body["decline_code"], "generic_decline");
    let paid = buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap();
    assert_eq!(paid.expect(StatusCode::OK).unwrap()["payment"]["status"], "requires_capture");
    world.stop().await;
}

#[tokio::test]
async fn a_card_that_needs_its_holder_says_so() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let paid = buyer.pays(&order, Card::AuthenticationRequired, &world.stripe.base_url()).await.unwrap();
    let paid = paid.expect(StatusCode::OK).unwrap();
    assert_eq!((&paid["state"], &paid["payment"]["status"]), (&json!("awaiting_payment"), &json!("requires_action")));
    assert!(paid["payment"]["next_action"]["type"].is_string());
    world.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nobody_pays_twice() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::AnswerLost);
    let paid = buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap();
    assert_eq!(paid.expect(StatusCode::OK).unwrap()["payment"]["status"], "requires_capture");
    assert_eq!(world.stripe.payment_intents().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn while_stripe_is_away_the_attempt_waits_and_is_taken_up_again() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let token = {
        let answer = sandbox::actors::Edge::new(&world.stripe.base_url())
            .send(
                http::Method::POST,
                "/v1/test_helpers/confirmation_tokens",
                &[("content-type", "application/x-www-form-urlencoded"), ("authorization", "Bearer sk_test_x")],
                "payment_method=pm_card_visa".into(),
            )
            .await
            .unwrap();
        answer.body["id"].as_str().unwrap().to_owned()
    };
    let path = format!("/v1/sales/{sale}/orders/{}/pay", order.id);
    let authorization = format!("Bearer {}", order.token);
    let press = async || {
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", "press-1")];
        world.post(&path, &headers, &json!({ "confirmation_token": token })).await
    };
    world.stripe.set_availability(Availability::Answering503).await.unwrap();
    let away = press().await;
    assert_eq!((away.status, away.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable")));
    assert!(away.header("retry-after").is_some());
    world.stripe.set_availability(Availability::Available).await.unwrap();
    let paid = press().await.expect(StatusCode::OK).unwrap();
    assert_eq!(paid["payment"]["status"], "requires_capture");
    let replayed = press().await;
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    assert_eq!(replayed.body, paid, "the same answer, secret and all");
    assert_eq!(world.stripe.payment_intents().len(), 1);
    let stored = "SELECT count(*) FROM idempotency WHERE position('_secret_' in encode(body, 'escape')) > 0";
    assert_eq!(world.database.number(stored).await.unwrap(), 0, "the secret is stored nowhere");
    drop(buyer);
    world.stop().await;
}
