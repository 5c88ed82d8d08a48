//! `…/orders/{order}/pay` without a card: going on with the payment that is under way.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use ledger::payments::Applied;
use sandbox::actors::{Answer, Buyer, Card, Order};
use sandbox::{Authentication, CallFault, Latency, Operation};
use serde_json::json;

use crate::world::{World, jazz};

/// As often as one press of Pay makes its call.
const TRIES_OF_A_PRESS: u32 = 4;

async fn goes_on(buyer: &Buyer, order: &Order) -> Answer {
    buyer.goes_on_paying(order).await.unwrap()
}

/// The page shows the form for a card when it hears this.
fn asks_for_a_card(answer: &Answer) -> bool {
    (answer.status, answer.code()) == (StatusCode::BAD_REQUEST, Some("validation_failed"))
        && answer.body["errors"][0]["pointer"] == "/confirmation_token"
}

/// Presses Pay while Stripe fails: nobody knows what came of it, and the page that had the card is gone.
async fn pays_without_an_answer(world: &World, buyer: &Buyer, order: &Order, card: Card) {
    world.stripe.fail_next_of(Operation::CreateIntent, TRIES_OF_A_PRESS, CallFault::ServerError);
    let failed = world.pays(buyer, order, card).await;
    assert_eq!(
        (failed.status, failed.code()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable")),
        "{failed:?}"
    );
}

fn creations(world: &World) -> u64 {
    world.stripe.calls().get(&Operation::CreateIntent).copied().unwrap_or(0)
}

/// The tab was closed while the bank asked: everything the browser needs comes again, and no card with it.
#[tokio::test]
async fn what_the_bank_asks_about_goes_on_without_a_card() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let first = world.pays(&buyer, &order, Card::AuthenticationRequired).await.expect(StatusCode::OK).unwrap();
    assert_eq!(first["payment"]["status"], "requires_action");
    assert!(first["payment"]["client_secret"].is_string() && first["payment"]["next_action"].is_object());
    assert_eq!(goes_on(&buyer, &order).await.expect(StatusCode::OK).unwrap(), first);
    assert_eq!((creations(&world), world.stripe.payment_intents().len()), (1, 1), "a look is no write");
    world.stop().await;
}

#[tokio::test]
async fn with_no_payment_under_way_a_card_is_asked_for_and_nothing_begins() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let before = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    let answer = goes_on(&buyer, &order).await;
    assert!(asks_for_a_card(&answer), "never begun: {answer:?}");
    let after = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&after["attempt"], &after["expires_at"]), (&json!(null), &before["expires_at"]));
    assert_eq!(creations(&world), 0);

    assert_eq!(world.pays(&buyer, &order, Card::Declined).await.code(), Some("payment_declined"));
    let answer = goes_on(&buyer, &order).await;
    assert!(asks_for_a_card(&answer), "declined: {answer:?}");
    assert_eq!(creations(&world), 1);
    let paid = world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    assert_eq!(paid["payment"]["status"], "requires_capture");
    world.stop().await;
}

#[tokio::test]
async fn a_payment_that_nobody_knows_of_is_taken_up_with_its_own_card() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    pays_without_an_answer(&world, &buyer, &order, Card::Visa).await;
    let found = goes_on(&buyer, &order).await.expect(StatusCode::OK).unwrap();
    assert_eq!((&found["state"], &found["payment"]["status"]), (&json!("processing"), &json!("requires_capture")));
    assert_eq!(world.stripe.payment_intents().len(), 1, "one order, one payment");
    world.stop().await;
}

#[tokio::test]
async fn what_is_looked_for_is_not_sent_again() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::ServerErrorAfterwards);
    let spent = world.pays(&buyer, &order, Card::Visa).await;
    let sent = creations(&world);
    let again = goes_on(&buyer, &order).await;
    assert_eq!((again.status, &again.body["detail"]), (StatusCode::SERVICE_UNAVAILABLE, &spent.body["detail"]));
    assert!(again.header("retry-after").is_some());
    assert_eq!(creations(&world), sent);
    world.money_comes().await;
    assert_eq!(goes_on(&buyer, &order).await.code(), Some("order_not_payable"), "it was found, and is paid");
    world.stop().await;
}

#[tokio::test]
async fn an_order_that_moved_on_meanwhile_says_where_it_is() {
    let world = World::new().await;
    let sale = world.sale(&jazz(4)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    let promised = goes_on(&buyer, &order).await.expect(StatusCode::OK).unwrap();
    assert_eq!(
        (&promised["state"], &promised["payment"]["status"]),
        (&json!("processing"), &json!("requires_capture"))
    );
    world.money_comes().await;
    let paid = goes_on(&buyer, &order).await;
    assert_eq!((paid.code(), &paid.body["detail"]), (Some("order_not_payable"), &json!("The order is paid.")));

    let (late, _, order) = world.order(&sale, 1).await;
    world.pays(&late, &order, Card::AuthenticationRequired).await.expect(StatusCode::OK).unwrap();
    world.database.advance_clock(3_600_000).await.unwrap();
    assert_eq!(goes_on(&late, &order).await.code(), Some("order_expired"));
    world.stop().await;
}

/// Two tabs and an impatient person, before the bank was asked about anything: all of them get one intent.
#[tokio::test(flavor = "multi_thread")]
async fn tabs_that_go_on_at_once_get_one_intent() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    pays_without_an_answer(&world, &buyer, &order, Card::AuthenticationRequired).await;
    world.stripe.set_latency(Latency::Fixed(Duration::from_millis(100)));
    for round in ["taken up", "looked at"] {
        let tabs = join_all((0..5).map(|_| goes_on(&buyer, &order))).await;
        let seen: BTreeSet<_> =
            tabs.into_iter().map(|tab| tab.expect(StatusCode::OK).unwrap()["payment"].to_string()).collect();
        assert_eq!(seen.len(), 1, "{round}: one intent, one secret, one next action: {seen:?}");
    }
    assert_eq!(world.stripe.payment_intents().len(), 1);
    let live = "SELECT count(*) FROM payments WHERE NOT superseded AND state <> 'failed'";
    assert_eq!(world.database.number(live).await.unwrap(), 1);
    world.stop().await;
}

/// A repeated press is the same press; with another body it is another.
#[tokio::test]
async fn going_on_has_a_key_as_paying_has() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.pays(&buyer, &order, Card::AuthenticationRequired).await.expect(StatusCode::OK).unwrap();
    let path = format!("/v1/sales/{sale}/orders/{}/pay", order.id);
    let authorization = format!("Bearer {}", order.token);
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "tab-1")];
    let keyless = world.post(&path, &headers[..1], &json!({})).await;
    assert_eq!(keyless.code(), Some("idempotency_key_missing"));
    let first = world.post(&path, &headers, &json!({})).await.expect(StatusCode::OK).unwrap();
    let again = world.post(&path, &headers, &json!({})).await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &first));
    let other = world.post(&path, &headers, &json!({ "confirmation_token": "ctoken_1" })).await;
    assert_eq!(other.code(), Some("idempotency_key_reused"));
    let bad =
        world.post(&path, &[headers[0], ("idempotency-key", "tab-2")], &json!({ "confirmation_token": "" })).await;
    assert!(asks_for_a_card(&bad), "an empty token is none of Stripe's: {bad:?}");
    world.stop().await;
}

/// Whoever asks again under the key of a press learns how its payment stands now, not how it stood then.
#[tokio::test]
async fn a_repeated_press_says_how_the_payment_stands_now() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.pays(&buyer, &order, Card::AuthenticationRequired).await.expect(StatusCode::OK).unwrap();
    let path = format!("/v1/sales/{sale}/orders/{}/pay", order.id);
    let authorization = format!("Bearer {}", order.token);
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "tab-1")];
    let first = world.post(&path, &headers, &json!({})).await.expect(StatusCode::OK).unwrap();
    let intent = first["payment"]["payment_intent"].as_str().unwrap();
    world.stripe.authenticate(intent, Authentication::Failed).unwrap();
    let again = world.post(&path, &headers, &json!({})).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::OK, Some("true")));
    let now = (&again.body["payment"]["status"], &again.body["payment"]["next_action"]);
    assert_eq!(now, (&json!("requires_payment_method"), &json!(null)), "{again:?}");
    world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    assert_eq!(world.money_comes().await, Applied::Captured);
    let again = world.post(&path, &headers, &json!({})).await.expect(StatusCode::OK).unwrap();
    assert_eq!(again["state"], "paid");
    world.stop().await;
}
