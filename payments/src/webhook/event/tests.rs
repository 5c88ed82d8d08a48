use domain::payment::IntentStatus;

use super::*;

const SALE: &str = "sale_0192f0a1b2c37d4e8f90a1b2c3d4e5f6";

fn intent() -> serde_json::Value {
    serde_json::json!({
        "id": "pi_1", "object": "payment_intent", "amount": 500, "amount_capturable": 500, "amount_received": 0,
        "capture_method": "automatic", "confirmation_method": "automatic", "created": 1_790_000_000,
        "currency": "eur", "latest_charge": "ch_1", "livemode": false,
        "metadata": { "sale": SALE, "order": "not an order" },
        "payment_method_types": ["card"], "status": "requires_capture",
    })
}

fn event(object: &serde_json::Value) -> Vec<u8> {
    serde_json::json!({
        "id": "evt_1", "object": "event", "type": "payment_intent.amount_capturable_updated",
        "created": 1_790_000_001, "livemode": false, "api_version": "2026-09-30.endive", "pending_webhooks": 1,
        "data": { "object": object, "previous_attributes": {} },
    })
    .to_string()
    .into_bytes()
}

fn read(object: &serde_json::Value) -> Intent {
    Intent::read(&object.to_string()).expect("a good intent")
}

fn charge() -> serde_json::Value {
    serde_json::json!({
        "id": "ch_1", "object": "charge", "amount": 500, "amount_captured": 0, "amount_refunded": 0,
        "billing_details": {}, "captured": false, "created": 1_790_000_000, "currency": "eur", "disputed": false,
        "livemode": false, "metadata": {}, "paid": true, "refunded": false, "status": "succeeded",
        "payment_method_details": { "type": "card", "card": { "capture_before": 1_790_500_000, "exp_month": 8, "exp_year": 2030 } },
    })
}

#[test]
fn an_intent_is_read_with_what_decides() {
    let event = parse(&event(&intent())).expect("a good event");
    assert_eq!((event.id.as_str(), event.created.as_second()), ("evt_1", 1_790_000_001));
    let EventObject::Intent(intent) = event.object else { panic!("{:?}", event.object) };
    assert_eq!((intent.status, intent.amount_capturable), (IntentStatus::RequiresCapture, 500));
    assert_eq!(intent.sale.map(|sale| sale.to_string()).as_deref(), Some(SALE));
    assert_eq!(intent.order, None, "metadata that is no id is no order");
    assert_eq!(intent.latest_charge.as_deref(), Some("ch_1"));
}

#[test]
fn the_client_secret_is_in_no_log() {
    let mut object = intent();
    object["client_secret"] = "pi_1_secret_of_the_buyer".into();
    let intent = read(&object);
    assert_eq!(intent.client_secret.as_deref(), Some("pi_1_secret_of_the_buyer"));
    assert!(!format!("{intent:?}").contains("secret_of_the_buyer"));
}

#[test]
fn a_failed_try_says_why() {
    let mut object = intent();
    assert_eq!(read(&object).failure, None);
    object["last_payment_error"] = serde_json::json!({ "type": "card_error", "code": "card_declined" });
    assert_eq!(read(&object).failure.as_deref(), Some("card_declined"));
    object["last_payment_error"]["decline_code"] = "insufficient_funds".into();
    assert_eq!(read(&object).failure.as_deref(), Some("insufficient_funds"));
}

#[test]
fn an_authorisation_says_when_it_lapses_if_its_charge_came_along() {
    let mut object = intent();
    assert_eq!(read(&object).capture_before, None);
    object["latest_charge"] = charge();
    let intent = read(&object);
    assert_eq!(intent.capture_before.map(Timestamp::as_second), Some(1_790_500_000));
    assert_eq!(intent.latest_charge.as_deref(), Some("ch_1"));
}

#[test]
fn an_intent_that_lacks_what_decides_is_unreadable() {
    for field in ["id", "amount", "amount_capturable", "amount_received", "created", "currency", "livemode", "status"] {
        let mut object = intent();
        object.as_object_mut().expect("an object").remove(field);
        let error = parse(&event(&object)).expect_err(field);
        assert!(matches!(&error, Unreadable::Object { object, .. } if object == "payment_intent"), "{field}: {error}");
    }
}

#[test]
fn a_status_of_the_future_is_unreadable_but_can_be_stored() {
    let mut object = intent();
    object["status"] = "requires_a_miracle".into();
    let raw = event(&object);
    assert!(matches!(parse(&raw), Err(Unreadable::Object { .. })));
    assert_eq!(envelope(&raw).expect("stored").id, "evt_1");
}

#[test]
fn a_refund_is_read_also_when_someone_else_made_it() {
    let refund = serde_json::json!({
        "id": "re_1", "object": "refund", "amount": 100, "currency": "eur", "created": 1_790_000_000,
        "payment_intent": "pi_1", "status": "succeeded",
    });
    let EventObject::Refund(refund) = parse(&event(&refund)).expect("a good event").object else { panic!("no refund") };
    assert_eq!((refund.id.as_str(), refund.payment_intent.as_deref()), ("re_1", Some("pi_1")));
    assert_eq!((refund.amount.minor, refund.refund), (100, None));
}

#[test]
fn a_kind_we_do_not_act_on_is_named_and_left_alone() {
    let customer = serde_json::json!({ "id": "cus_1", "object": "customer" });
    let event = parse(&event(&customer)).expect("a good event");
    assert!(matches!(event.object, EventObject::Other { object } if object == "customer"));
}

#[test]
fn what_is_no_event_is_refused() {
    for raw in [&b""[..], b"{}", b"[]", b"\xff\xfe", br#"{"id":"evt_1","type":"x","created":"soon","livemode":false}"#]
    {
        assert!(matches!(envelope(raw), Err(Unreadable::NotAnEvent(_))), "{raw:?}");
        assert!(matches!(parse(raw), Err(Unreadable::NotAnEvent(_))), "{raw:?}");
    }
}

#[test]
fn a_dispute_is_read_with_what_moved_for_it() {
    let dispute = serde_json::json!({
        "id": "du_1", "object": "dispute", "amount": 5891, "currency": "eur", "status": "needs_response",
        "payment_intent": "pi_1", "evidence": {}, "balance_transactions": [
            { "id": "txn_1", "object": "balance_transaction", "amount": -5891, "fee": 1500, "net": -7391, "currency": "eur" },
        ],
    });
    let EventObject::Dispute(read) = parse(&event(&dispute)).expect("a good event").object else {
        panic!("no dispute")
    };
    assert_eq!((read.id.as_str(), read.status.as_str(), read.amount.minor), ("du_1", "needs_response", 5891));
    assert_eq!(read.payment_intent.as_deref(), Some("pi_1"));
    assert_eq!((read.movements[0].amount, read.movements[0].fee), (-5891, 1500));
    let mut broken = dispute;
    broken["balance_transactions"][0]["amount"] = "much".into();
    assert!(parse(&event(&broken)).is_err(), "half of it would be guessing");
}

/// An intent as another version may write it: without what its types demand, and what decides as it always was.
fn intent_of_another_version() -> serde_json::Value {
    let mut object = intent();
    for field in ["capture_method", "confirmation_method", "payment_method_types"] {
        object.as_object_mut().expect("an object").remove(field);
    }
    object["next_action"] = "of another shape".into();
    object["metadata"]["attempt"] = "2".into();
    object["last_payment_error"] = serde_json::json!({ "type": "card_error", "code": "card_declined", "doc": {} });
    object["latest_charge"] = serde_json::json!({ "id": "ch_1", "object": "charge" });
    object
}

fn of_version(version: &str, object: &serde_json::Value) -> Vec<u8> {
    let mut event: serde_json::Value = serde_json::from_slice(&event(object)).expect("JSON");
    event["api_version"] = version.into();
    event.to_string().into_bytes()
}

#[test]
fn an_event_of_another_version_is_read_by_what_decides() {
    let object = intent_of_another_version();
    assert!(matches!(parse(&event(&object)), Err(Unreadable::Object { .. })), "ours is read strictly");
    let body = of_version("2024-06-20", &object);
    assert_eq!(envelope(&body).expect("an event").version(), Version::Another);
    let EventObject::Intent(read) = parse(&body).expect("a good event").object else { panic!("an intent") };
    assert_eq!((read.id.as_str(), read.status), ("pi_1", IntentStatus::RequiresCapture));
    assert_eq!((read.amount.minor, read.amount_capturable, read.amount_received), (500, 500, 0));
    assert_eq!((read.sale.map(|sale| sale.to_string()).as_deref(), read.attempt), (Some(SALE), Some(2)));
    assert_eq!((read.failure.as_deref(), read.latest_charge.as_deref()), (Some("card_declined"), Some("ch_1")));
}

#[test]
fn an_event_of_another_version_that_lacks_what_decides_is_unreadable() {
    for field in [
        "id",
        "status",
        "amount",
        "amount_capturable",
        "amount_received",
        "currency",
        "livemode",
        "metadata",
        "created",
    ] {
        let mut object = intent_of_another_version();
        object.as_object_mut().expect("an object").remove(field);
        assert!(matches!(parse(&of_version("2024-06-20", &object)), Err(Unreadable::Object { .. })), "{field}");
    }
}

#[test]
fn a_refund_of_another_version_is_read_by_what_decides() {
    let refund = serde_json::json!({ "id": "re_1", "object": "refund", "status": "pending", "amount": 200, "currency": "eur",
        "payment_intent": { "id": "pi_1" }, "created": 1_790_000_000, "destination_details": "of another shape",
        "metadata": { "refund": "ref_0192f0a1b2c37d4e8f90a1b2c3d4e5f8" } });
    assert!(matches!(parse(&event(&refund)), Err(Unreadable::Object { .. })), "ours is read strictly");
    let EventObject::Refund(read) = parse(&of_version("2024-06-20", &refund)).expect("a good event").object else {
        panic!("a refund")
    };
    assert_eq!((read.id.as_str(), read.status.word(), read.amount.minor), ("re_1", "pending", 200));
    assert_eq!(read.payment_intent.as_deref(), Some("pi_1"));
    assert!(read.refund.is_some());
}
