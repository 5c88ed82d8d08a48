//! Money that goes back while answers are lost and events come twice: once, and the unit is somebody else's then.

use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::{Buyer, Order};
use sandbox::{CallFault, Operation, WebhookFault};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::totals;
use crate::world::World;

const BACK_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl World {
    pub(crate) async fn gives_back(&self, sale: &str, order: &Order, body: &Value) -> Value {
        let path = format!("sales/{sale}/orders/{}/refunds", order.id);
        let asked = self.organizer.asks(Method::POST, &path, body).await.unwrap();
        asked.expect(StatusCode::CREATED).unwrap()
    }

    /// Waits until the first tier has so many units on sale.
    pub(crate) async fn waits_until_on_sale(&self, sale: &str, units: u64) {
        let started = Instant::now();
        loop {
            let shown = self.edge.ask(Method::GET, &format!("/v1/sales/{sale}"), &[], &Value::Null).await.unwrap();
            if shown.body["tiers"][0]["availability"]["remaining"].as_u64() == Some(units) {
                return;
            }
            assert!(started.elapsed() < BACK_WITHIN, "{:?}", shown.body);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

pub(crate) async fn only_ticket(buyer: &Buyer, order: &Order) -> Value {
    let seen = buyer.looks_at_order(order).await.unwrap().expect(StatusCode::OK).unwrap();
    seen["tickets"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_given_back_is_somebody_else_s_and_its_money_goes_back_once() {
    let world = World::start().await;
    world.stripe.set_webhook_faults(vec![WebhookFault::Duplicate { extra: 1 }]);
    let sale = world.sells(1).await;
    let (buyer, order) = world.has_bought(&sale).await;
    let ticket = only_ticket(&buyer, &order).await;
    world.stripe.fail_next_of(Operation::CreateRefund, 1, CallFault::AnswerLost);
    world.gives_back(&sale, &order, &json!({ "tickets": [ticket["id"]], "reason": "cannot come" })).await;
    world.waits_until_on_sale(&sale, 1).await;
    let (next, theirs) = world.has_bought(&sale).await;

    buyer.waits_until_order_is(&order, "refunded", BACK_WITHIN).await.unwrap();
    let (void, valid) = (only_ticket(&buyer, &order).await, only_ticket(&next, &theirs).await);
    assert_eq!((&void["state"], &valid["state"]), (&json!("void"), &json!("valid")));
    assert_eq!((&void["unit"], &valid["unit"]), (&json!(0), &json!(0)), "the same unit");
    nothing_is_left_to_do(&world).await;
    assert_eq!(world.stripe.refunded_total("eur"), PRICE);
    money_is_where_it_belongs(&world, PRICE).await;
    totals::agree_with_stripe(&world, &sale).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amount_goes_back_and_the_ticket_stays() {
    let world = World::start().await;
    let sale = world.sells(2).await;
    let (buyer, order) = world.has_bought(&sale).await;
    world.gives_back(&sale, &order, &json!({ "amount": 1_000, "reason": "the view is blocked" })).await;
    buyer.waits_until_order_is(&order, "partially_refunded", BACK_WITHIN).await.unwrap();
    assert_eq!(only_ticket(&buyer, &order).await["state"], "valid");
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, PRICE - 1_000).await;
    totals::agree_with_stripe(&world, &sale).await;
    world.holds_every_invariant();
}
