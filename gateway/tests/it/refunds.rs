//! `…/orders/{order}/refunds`

use domain::RefundId;
use http::{Method, StatusCode};
use ledger::audit::audit;
use ledger::orders::orders_expire_due;
use ledger::organizers::KeyRole;
use ledger::outbox::{Queue, claim};
use ledger::payments::Applied;
use ledger::refunds::refund_refused;
use sandbox::actors::{Answer, Buyer, Card, Order};
use serde_json::{Value, json};

use crate::world::{World, jazz, jazz_with};

/// Of one unit: 40.00 €, 2.50 € fee, 7 % tax on both.
const UNIT_PRICE: i64 = 4_000 + 250 + 298;
/// No refund has it.
const UNKNOWN: &str = "ref_0190c5a0b0c07abc8def0123456789ab";

impl World {
    async fn refunds(&self, sale: &str, order: &Order, key: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.api_key);
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", key)];
        self.post(&refunds_of(sale, &order.id), &headers, body).await
    }

    async fn refund_list(&self, sale: &str, order: &Order) -> Value {
        let path = format!("sales/{sale}/orders/{}/refunds", order.id);
        let answer = self.organizer.asks(Method::GET, &path, &Value::Null).await.unwrap();
        answer.expect(StatusCode::OK).unwrap()["data"].clone()
    }
}

#[tokio::test]
async fn refunds_are_listed_page_by_page() {
    let world = World::new().await;
    let sale = world.sale(&jazz(4)).await;
    let (_, order) = world.paid_order(&sale, 1).await;
    for key in ["1", "2", "3"] {
        let asked = world.refunds(&sale, &order, key, &json!({ "amount": 100, "reason": "the view" })).await;
        assert_eq!(asked.status, StatusCode::CREATED);
    }
    let all = world.refund_list(&sale, &order).await;
    let path = format!("sales/{sale}/orders/{}/refunds", order.id);
    let page =
        async |query: &str| world.organizer.asks(Method::GET, &format!("{path}?{query}"), &Value::Null).await.unwrap();
    let first = page("limit=2").await.body;
    let rest = page(&format!("limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await.body;
    assert_eq!((&first["data"][0], &first["data"][1], &rest["data"][0]), (&all[0], &all[1], &all[2]));
    assert!(rest["next_cursor"].is_null());
    for wrong in ["limit=0", "limit=101", "cursor=zz", "x=1"] {
        let refused = page(wrong).await;
        let pointer = format!("?{}", wrong.split('=').next().unwrap());
        assert_eq!(
            (refused.code(), &refused.body["errors"][0]["pointer"]),
            (Some("validation_failed"), &json!(pointer))
        );
    }
    world.stop().await;
}

fn refunds_of(sale: &str, order: &str) -> String {
    format!("/v1/organizer/sales/{sale}/orders/{order}/refunds")
}

async fn tickets(buyer: &Buyer, order: &Order) -> Vec<Value> {
    let seen = buyer.looks_at_order(order).await.unwrap().expect(StatusCode::OK).unwrap();
    seen["tickets"].as_array().unwrap().clone()
}

fn euros(minor: i64) -> Value {
    json!({ "amount": minor, "currency": "eur" })
}

#[tokio::test]
async fn a_refund_is_asked_for_once_and_its_answer_given_again() {
    let world = World::new().await;
    let sale = world.sale(&jazz(4)).await;
    let (buyer, order) = world.paid_order(&sale, 2).await;
    let ticket = tickets(&buyer, &order).await[0]["id"].clone();
    let body = json!({ "tickets": [ticket], "reason": " cannot come " });
    let asked = world.refunds(&sale, &order, "1", &body).await;
    assert_eq!(asked.status, StatusCode::CREATED, "{:?}", asked.body);
    assert_eq!((&asked.body["amount"], &asked.body["reason"]), (&euros(UNIT_PRICE), &json!("cannot come")));
    assert_eq!(asked.body["parts"], json!({ "base": euros(4_000), "fee": euros(250), "tax": euros(298) }));
    assert_eq!((&asked.body["state"], &asked.body["tickets"]), (&json!("planned"), &json!([ticket])));
    let states: Vec<_> = tickets(&buyer, &order).await.iter().map(|ticket| ticket["state"].clone()).collect();
    assert_eq!(states, ["void", "valid"]);

    for forgotten in ["", "DELETE FROM idempotency"] {
        world.database.execute(forgotten).await.unwrap();
        let again = world.refunds(&sale, &order, "1", &body).await;
        assert_eq!((again.status, &again.body), (StatusCode::CREATED, &asked.body), "{forgotten}");
    }
    world.database.execute("DELETE FROM idempotency").await.unwrap();
    let other = world.refunds(&sale, &order, "1", &json!({ "whole": true, "reason": "x" })).await;
    assert_eq!(other.code(), Some("idempotency_key_reused"), "also when the gateway forgot the key");

    let rest = world.refunds(&sale, &order, "2", &json!({ "whole": true, "reason": "called off" })).await;
    assert_eq!((rest.status, &rest.body["amount"]), (StatusCode::CREATED, &euros(UNIT_PRICE)));
    assert_eq!(world.refund_list(&sale, &order).await, json!([asked.body, rest.body]));
    assert!(audit(&world.workers, None).await.unwrap().holds());
    world.stop().await;
}

#[tokio::test]
async fn a_ticket_whose_refund_failed_is_asked_for_again() {
    let world = World::new().await;
    let sale = world.sale(&jazz(4)).await;
    let (buyer, order) = world.paid_order(&sale, 1).await;
    let ticket = tickets(&buyer, &order).await[0]["id"].clone();
    let body = json!({ "tickets": [ticket], "reason": "cannot come" });
    let first = world.refunds(&sale, &order, "1", &body).await;
    assert_eq!(world.refunds(&sale, &order, "2", &body).await.code(), Some("ticket_void"));
    let failed = "SELECT refund_refused(sale_id, id) FROM refunds";
    world.database.execute(failed).await.unwrap();
    let again = world.refunds(&sale, &order, "3", &body).await;
    assert_eq!((again.status, &again.body["amount"]), (StatusCode::CREATED, &euros(UNIT_PRICE)), "{:?}", again.body);
    assert_ne!(again.body["id"], first.body["id"]);
    assert_eq!(world.refunds(&sale, &order, "4", &body).await.code(), Some("ticket_void"));
    let states: Vec<_> = world
        .refund_list(&sale, &order)
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|refund| refund["state"].clone())
        .collect();
    assert_eq!(states, ["failed", "planned"]);
    assert!(audit(&world.workers, None).await.unwrap().holds());
    world.stop().await;
}

/// The order expired, and nobody ever had a ticket for it; its money is owed until it went.
#[tokio::test]
async fn money_that_came_too_late_is_given_back_again_after_a_failure() {
    let world = World::new().await;
    let sale = world.sale(&jazz(1)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let base_url = world.stripe.base_url();
    buyer.pays(&order, Card::AuthenticationRequired, &base_url).await.unwrap().expect(StatusCode::OK).unwrap();
    world.database.advance_clock(3_600_000).await.unwrap();
    orders_expire_due(&world.workers, 10).await.unwrap();
    claim(&world.workers, Queue::Stock, 10, 60).await.unwrap();
    assert_eq!(world.money_comes().await, Applied::LateRefund);
    let planned = &world.refund_list(&sale, &order).await[0];
    assert_eq!((&planned["state"], &planned["reason"]), (&json!("planned"), &json!("late_payment")));
    let failed: RefundId = planned["id"].as_str().unwrap().parse().unwrap();
    assert!(refund_refused(&world.workers, sale.parse().unwrap(), failed).await.unwrap());

    let anew = world.refunds(&sale, &order, "anew", &json!({ "amount": 1, "reason": "x" })).await;
    assert_eq!((anew.status, anew.code()), (StatusCode::CONFLICT, Some("order_not_refundable")));
    let again = json!({ "again": failed, "reason": "the card was closed" });
    let made = world.refunds(&sale, &order, "again", &again).await.expect(StatusCode::CREATED).unwrap();
    assert_eq!((&made["state"], &made["amount"]), (&json!("planned"), &planned["amount"]));
    assert_eq!(world.refunds(&sale, &order, "again", &again).await.body, made);
    let twice = world.refunds(&sale, &order, "twice", &again).await;
    assert_eq!((twice.status, twice.code()), (StatusCode::CONFLICT, Some("refund_above_captured")));
    world.stop().await;
}

#[tokio::test]
async fn a_free_order_is_given_back_at_once() {
    let world = World::new().await;
    let mut free = jazz(4);
    free["tiers"][0]["price"] = json!(0);
    free["fees"] = json!([]);
    let sale = world.sale(&free).await;
    let (buyer, _, order) = world.order(&sale, 2).await;
    let whole = json!({ "whole": true, "reason": "called off" });
    let given = world.refunds(&sale, &order, "1", &whole).await;
    assert_eq!((given.status, &given.body["state"]), (StatusCode::CREATED, &json!("succeeded")), "{:?}", given.body);
    assert_eq!((&given.body["amount"], given.body["tickets"].as_array().unwrap().len()), (&euros(0), 2));
    let seen = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&seen["state"], &seen["tickets"][0]["state"]), (&json!("refunded"), &json!("void")));
    assert_eq!(world.refunds(&sale, &order, "2", &whole).await.code(), Some("refund_above_captured"));
    assert!(audit(&world.workers, None).await.unwrap().holds());
    let reports = async |report: &str| {
        let answer = world.organizer.asks(Method::GET, &format!("sales/{sale}/{report}"), &Value::Null).await.unwrap();
        answer.expect(StatusCode::OK).unwrap()
    };
    let statement = reports(&format!("orders/{}/statement", order.id)).await;
    assert_eq!(
        (&statement["refunds"][0]["state"], &statement["refunds"][0]["tickets"]),
        (&json!("succeeded"), &json!(2))
    );
    assert_eq!(
        statement["tickets"].as_array().unwrap().iter().map(|ticket| &ticket["id"]).collect::<Vec<_>>(),
        given.body["tickets"].as_array().unwrap().iter().collect::<Vec<_>>()
    );
    let export = reports("export.csv").await;
    assert!(
        export.as_str().unwrap().lines().any(|record| record.starts_with("refund,") && record.contains("called off"))
    );
    world.stop().await;
}

#[tokio::test]
async fn a_sale_may_keep_its_fees() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(4, json!({ "refunds": { "amount": "keep_fees" } }))).await;
    let (_, order) = world.paid_order(&sale, 1).await;
    // Of 2.98 € tax 0.18 € are on the fee.
    let above = world.refunds(&sale, &order, "1", &json!({ "amount": 4_281, "reason": "x" })).await;
    assert_eq!((above.status, above.code()), (StatusCode::CONFLICT, Some("refund_above_captured")));
    assert_eq!(above.body["detail"], "42.80 EUR are left to go back in this way.");
    let all = world.refunds(&sale, &order, "2", &json!({ "amount": 4_280, "reason": "x" })).await;
    assert_eq!(all.body["parts"], json!({ "base": euros(4_000), "fee": euros(0), "tax": euros(280) }));
    let odd = jazz_with(4, json!({ "refunds": { "amount": "some_fees" } }));
    let refused = world.organizer.asks(Method::POST, "sales", &odd).await.unwrap();
    assert_eq!(refused.body["errors"][0]["pointer"], "/refunds/amount", "{:?}", refused.body);
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_refunded_is_told_where_it_stands() {
    let world = World::new().await;
    let sale = world.sale(&jazz(8)).await;
    let (buyer, order) = world.paid_order(&sale, 2).await;
    let (stranger, others) = world.paid_order(&sale, 1).await;
    let (own, foreign) = (tickets(&buyer, &order).await, tickets(&stranger, &others).await);
    let (first, second, foreign) = (&own[0]["id"], &own[1]["id"], &foreign[0]["id"]);
    for (body, pointer) in [
        (json!({ "reason": "x" }), ""),
        (json!({ "amount": 1, "whole": true, "reason": "x" }), ""),
        (json!({ "amount": 0, "reason": "x" }), "/amount"),
        (json!({ "amount": -1, "reason": "x" }), "/amount"),
        (json!({ "amount": 1.5, "reason": "x" }), "/amount"),
        (json!({ "whole": false, "reason": "x" }), "/whole"),
        (json!({ "whole": true, "again": UNKNOWN, "reason": "x" }), ""),
        (json!({ "again": "1", "reason": "x" }), "/again"),
        (json!({ "again": UNKNOWN, "reason": "x" }), "/again"),
        (json!({ "tickets": [], "reason": "x" }), "/tickets"),
        (json!({ "tickets": vec![first; 21], "reason": "x" }), "/tickets"),
        (json!({ "tickets": [first, first], "reason": "x" }), "/tickets/1"),
        (json!({ "tickets": [first, "tkt_1"], "reason": "x" }), "/tickets/1"),
        (json!({ "tickets": [first, foreign], "reason": "x" }), "/tickets/1"),
        (json!({ "amount": 1, "reason": " " }), "/reason"),
        (json!({ "amount": 1, "reason": "x".repeat(501) }), "/reason"),
        (json!({ "amount": 1, "reason": "a\u{7}b" }), "/reason"),
        (json!({ "amount": 1, "reason": "x", "fast": true }), "/fast"),
    ] {
        let refused = world.refunds(&sale, &order, "bad", &body).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, Some("validation_failed")), "{body}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{body}: {}", refused.body);
    }
    let conflict = async |body: Value, code: &str| {
        let refused = world.refunds(&sale, &order, "conflict", &body).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some(code)), "{body}: {}", refused.body);
        refused.body
    };
    conflict(json!({ "amount": 2 * UNIT_PRICE + 1, "reason": "x" }), "refund_above_captured").await;
    world.refunds(&sale, &order, "first", &json!({ "tickets": [first], "reason": "x" })).await;
    let gone = conflict(json!({ "tickets": [second, first], "reason": "x" }), "ticket_void").await;
    assert_eq!(gone["errors"][0]["pointer"], "/tickets/1");
    world.database.execute("UPDATE tickets SET state = 'used' WHERE state = 'valid'").await.unwrap();
    conflict(json!({ "tickets": [second], "reason": "x" }), "ticket_used").await;
    let inside = conflict(json!({ "whole": true, "reason": "x" }), "ticket_used").await;
    assert!(inside["detail"].as_str().unwrap().contains(second.as_str().unwrap()), "{inside}");
    world.stop().await;
}

#[tokio::test]
async fn only_who_sells_refunds_and_only_what_is_paid() {
    let world = World::new().await;
    let sale = world.sale(&jazz(4)).await;
    let (_, order) = world.paid_order(&sale, 1).await;
    let (_, _, open) = world.order(&sale, 1).await;
    let whole = json!({ "whole": true, "reason": "x" });
    let unpaid = world.refunds(&sale, &open, "1", &whole).await;
    assert_eq!((unpaid.status, unpaid.code()), (StatusCode::CONFLICT, Some("order_not_refundable")));
    let nobodys = Order { id: "ord_0190c5a0b0c07abc8def0123456789ab".to_owned(), token: String::new() };
    assert_eq!(world.refunds(&sale, &nobodys, "1", &whole).await.code(), Some("not_found"));
    let misnamed = Order { id: "ord_1".to_owned(), token: String::new() };
    assert_eq!(world.refunds(&sale, &misnamed, "1", &whole).await.status, StatusCode::NOT_FOUND);

    let path = format!("sales/{sale}/orders/{}/refunds", order.id);
    let stranger = world.somebody(KeyRole::Organizer, "Red Note").await;
    let (door, support) =
        (world.somebody(KeyRole::Door, "Blue Note").await, world.somebody(KeyRole::Support, "Blue Note").await);
    for method in [Method::POST, Method::GET] {
        assert_eq!(stranger.asks(method.clone(), &path, &whole).await.unwrap().code(), Some("not_found"));
        assert_eq!(door.asks(method, &path, &whole).await.unwrap().code(), Some("forbidden"));
    }
    assert_eq!(support.asks(Method::POST, &path, &whole).await.unwrap().code(), Some("forbidden"));
    assert_eq!(support.asks(Method::GET, &path, &Value::Null).await.unwrap().status, StatusCode::OK);
    let authorization = format!("Bearer {}", world.api_key);
    let keyless = world.post(&refunds_of(&sale, &order.id), &[("authorization", &authorization)], &whole).await;
    assert_eq!(keyless.code(), Some("idempotency_key_missing"));
    assert_eq!(world.post(&refunds_of(&sale, &order.id), &[], &whole).await.code(), Some("unauthorized"));
    assert_eq!(world.refund_list(&sale, &order).await, json!([]));
    world.stop().await;
}
