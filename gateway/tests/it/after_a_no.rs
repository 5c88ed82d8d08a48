//! `…/orders/{order}/pay` after the bank said no, or the payment was cancelled, and before an event told us: nobody applies any here.

use futures_util::future::join_all;
use http::StatusCode;
use sandbox::Authentication;
use sandbox::actors::{Buyer, Card, Order};
use serde_json::json;

use crate::world::{World, jazz};

const PAYMENTS: &str = "SELECT count(*) FROM payments";
const LIVE: &str = "SELECT count(*) FROM payments WHERE NOT superseded AND state NOT IN ('failed', 'cancelled')";

/// Pays with a card whose bank asks; gives the intent.
async fn is_asked(world: &World, buyer: &Buyer, order: &Order) -> String {
    let asked = world.pays(buyer, order, Card::AuthenticationRequired).await.expect(StatusCode::OK).unwrap();
    asked["payment"]["payment_intent"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_next_card_is_tried_though_no_event_has_told_of_the_no() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let refused = is_asked(&world, &buyer, &order).await;
    world.stripe.authenticate(&refused, Authentication::Failed).unwrap();
    let paid = world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    assert_eq!((&paid["state"], &paid["payment"]["status"]), (&json!("processing"), &json!("requires_capture")));
    assert_ne!(paid["payment"]["payment_intent"], json!(refused), "another attempt");
    let kept = "SELECT count(*) FROM payments WHERE state = 'failed' AND superseded AND failure IS NOT NULL";
    assert_eq!(world.database.number(kept).await.unwrap(), 1, "why the first one failed is written down");
    assert_eq!((world.stripe.payment_intents().len(), world.database.number(LIVE).await.unwrap()), (2, 1));
    world.stop().await;
}

#[tokio::test]
async fn without_a_card_one_is_asked_for_and_the_order_says_why() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let refused = is_asked(&world, &buyer, &order).await;
    world.stripe.authenticate(&refused, Authentication::Failed).unwrap();
    let answer = buyer.goes_on_paying(&order).await.unwrap();
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, Some("validation_failed")), "{answer:?}");
    assert_eq!(answer.body["errors"][0]["pointer"], "/confirmation_token");
    let seen = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&seen["state"], &seen["attempt"]["state"]), (&json!("awaiting_payment"), &json!("failed")), "{seen}");
    assert_eq!(world.database.number(PAYMENTS).await.unwrap(), 1, "none was begun");
    world.stop().await;
}

/// Impatient, with the next card: all of them read the no, one attempt follows it.
#[tokio::test(flavor = "multi_thread")]
async fn presses_at_once_after_a_no_are_one_more_attempt() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let refused = is_asked(&world, &buyer, &order).await;
    world.stripe.authenticate(&refused, Authentication::Failed).unwrap();
    let pressed = join_all((0..4).map(|_| world.pays(&buyer, &order, Card::AuthenticationRequired))).await;
    for answer in pressed {
        let paid = answer.expect(StatusCode::OK).unwrap();
        assert_eq!(paid["payment"]["status"], "requires_action", "{paid}");
    }
    assert_eq!(world.stripe.payment_intents().len(), 2);
    assert_eq!(world.database.number(LIVE).await.unwrap(), 1);
    world.stop().await;
}

/// A promise that Stripe let go of: with the payment the order is over, and no other attempt begins.
#[tokio::test]
async fn what_was_promised_and_is_cancelled_ends_its_order() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let promised = world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    world.stripe.lapse(promised["payment"]["payment_intent"].as_str().unwrap()).unwrap();
    let answer = world.pays(&buyer, &order, Card::Visa).await;
    assert_eq!(
        (answer.code(), &answer.body["detail"]),
        (Some("order_not_payable"), &json!("The order is cancelled.")),
        "{answer:?}"
    );
    assert_eq!((world.stripe.payment_intents().len(), world.database.number(LIVE).await.unwrap()), (1, 0));
    world.stop().await;
}
