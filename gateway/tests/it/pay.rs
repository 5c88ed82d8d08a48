//! `…/orders/{order}/pay`

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use ledger::payments::{attempts_look, payment_never_made};
use sandbox::actors::{Answer, Card};
use sandbox::{Availability, CallFault, Latency, Operation};
use serde_json::json;

use crate::world::{World, jazz};

#[tokio::test]
async fn a_good_card_is_authorised_and_nothing_is_charged_yet() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let paid = world.pays(&buyer, &order, Card::Visa).await;
    let paid = paid.expect(StatusCode::OK).unwrap();
    assert_eq!(paid["payment"]["status"], "requires_capture");
    assert!(paid["payment"]["client_secret"].is_string() && paid["payment"]["next_action"].is_null());
    let intents = world.stripe.payment_intents();
    assert_eq!((intents.len(), world.stripe.captured_total("eur")), (1, 0));
    let again = world.pays(&buyer, &order, Card::Visa).await;
    assert!(matches!(again.status, StatusCode::OK | StatusCode::CONFLICT), "{again:?}");
    assert_eq!(world.stripe.payment_intents().len(), 1, "one order, one payment");
    world.stop().await;
}

#[tokio::test]
async fn a_declined_card_is_told_why_and_another_may_be_tried() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let declined = world.pays(&buyer, &order, Card::Declined).await;
    assert_eq!((declined.status, declined.code()), (StatusCode::PAYMENT_REQUIRED, Some("payment_declined")));
    assert_eq!(declined.body["decline_code"], "generic_decline");
    let paid = world.pays(&buyer, &order, Card::Visa).await;
    assert_eq!(paid.expect(StatusCode::OK).unwrap()["payment"]["status"], "requires_capture");
    world.stop().await;
}

/// One buyer may have four of this sale; these are two addresses and passes, and one card.
#[tokio::test]
async fn a_card_that_paid_for_as_many_as_one_buyer_may_have_is_told_so_and_not_charged() {
    let world = World::new().await;
    let sale = world.sale(&jazz(9)).await;
    let (first, _, in_time) = world.order(&sale, 3).await;
    let paid = world.pays(&first, &in_time, Card::AdasVisa).await;
    assert_eq!(paid.expect(StatusCode::OK).unwrap()["state"], "processing");

    let (second, _, order) = world.order(&sale, 2).await;
    let refused = world.pays(&second, &order, Card::AdasVisa).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("card_limit_reached")), "{refused:?}");
    let told = second.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&told["state"], &told["final"]), (&json!("cancelled"), &json!(true)));
    assert_eq!((&told["attempt"]["reason"], &told["attempt"]["captured"]["amount"]), (&json!("card_limit"), &json!(0)));
    let again = world.pays(&second, &order, Card::Visa).await;
    assert_eq!(again.code(), Some("order_not_payable"));

    let (third, _, order) = world.order(&sale, 1).await;
    let paid = world.pays(&third, &order, Card::AdasVisa).await;
    assert_eq!(paid.expect(StatusCode::OK).unwrap()["state"], "processing", "one more fits");
    world.stop().await;
}

#[tokio::test]
async fn a_card_that_needs_its_holder_says_so() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let paid = world.pays(&buyer, &order, Card::AuthenticationRequired).await;
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
    let paid = world.pays(&buyer, &order, Card::Visa).await;
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

fn is_looked_for(answer: &Answer) -> bool {
    (answer.status, answer.code()) == (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable"))
        && answer.header("retry-after").is_some()
        && answer.body["detail"].as_str().is_some_and(|detail| detail.contains("whether your payment was made"))
}

/// Stripe made the payment and repeats its failure for good: the call is made once more, and then no more.
#[tokio::test]
async fn a_key_that_is_spent_is_sent_no_more_and_its_payment_goes_on_once_it_is_found() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::ServerErrorAfterwards);
    for _ in 0..3 {
        let answer = world.pays(&buyer, &order, Card::Visa).await;
        assert!(is_looked_for(&answer), "{answer:?}");
        assert_eq!(world.stripe.calls()[&Operation::CreateIntent], 2);
    }
    world.money_comes().await;
    let seen = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&seen["state"], world.stripe.payment_intents().len()), (&json!("paid"), 1));
    world.stop().await;
}

/// Nothing was made: once that is sure, whoever presses Pay pays by another attempt.
#[tokio::test]
async fn a_payment_that_was_never_made_is_followed_by_another() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::ServerErrorRemembered);
    assert!(is_looked_for(&world.pays(&buyer, &order, Card::Visa).await));
    world.database.advance_clock(61_000).await.unwrap();
    let absent = attempts_look(&world.workers, 10).await.unwrap();
    assert!(payment_never_made(&world.workers, &absent[0]).await.unwrap());
    let paid = world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    assert_eq!(paid["payment"]["status"], "requires_capture");
    assert_eq!(world.stripe.payment_intents().len(), 1);
    world.stop().await;
}

/// Two tabs, a double click and a back button: whoever presses while a call is under way gets the same payment.
#[tokio::test(flavor = "multi_thread")]
async fn presses_at_once_are_one_payment_for_all_of_them() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.stripe.set_latency(Latency::Fixed(Duration::from_millis(200)));
    let pressed = join_all((0..6).map(|_| world.pays(&buyer, &order, Card::AuthenticationRequired))).await;
    let seen: BTreeSet<_> =
        pressed.into_iter().map(|answer| answer.expect(StatusCode::OK).unwrap()["payment"].to_string()).collect();
    assert_eq!(seen.len(), 1, "one intent, one secret, one next action: {seen:?}");
    assert_eq!(world.stripe.payment_intents().len(), 1);
    world.stop().await;
}

/// Back from the bank without an answer: the same payment goes on where it was.
#[tokio::test]
async fn a_press_while_the_bank_is_waited_for_says_the_same_again() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let first = world.pays(&buyer, &order, Card::AuthenticationRequired).await.expect(StatusCode::OK).unwrap();
    assert!(first["payment"]["next_action"].is_object() && first["payment"]["client_secret"].is_string());
    for card in [Card::AuthenticationRequired, Card::Visa] {
        assert_eq!(world.pays(&buyer, &order, card).await.expect(StatusCode::OK).unwrap(), first);
    }
    assert_eq!(world.stripe.calls()[&Operation::CreateIntent], 1);
    world.stop().await;
}

/// Many who press again after a decline: one of them begins the next attempt, the others get it.
#[tokio::test(flavor = "multi_thread")]
async fn presses_after_a_decline_are_one_more_attempt() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    assert_eq!(world.pays(&buyer, &order, Card::Declined).await.status, StatusCode::PAYMENT_REQUIRED);
    let pressed = join_all((0..4).map(|_| world.pays(&buyer, &order, Card::Visa))).await;
    let seen: BTreeSet<_> = pressed
        .into_iter()
        .map(|answer| answer.expect(StatusCode::OK).unwrap()["payment"]["payment_intent"].to_string())
        .collect();
    assert_eq!((seen.len(), world.stripe.payment_intents().len()), (1, 2), "{seen:?}");
    let live = "SELECT count(*) FROM payments WHERE NOT superseded AND state <> 'failed'";
    assert_eq!(world.database.number(live).await.unwrap(), 1);
    world.stop().await;
}
