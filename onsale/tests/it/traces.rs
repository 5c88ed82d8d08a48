//! A request is found in the log by its trace, and so is what workers do because of it; what opens doors or names people is not.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use sandbox::actors::Edge;
use serde_json::{Value, json};

use crate::world::World;

const BOUND: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// Every line of the log, which are all JSON.
fn lines(path: &Path) -> Vec<Value> {
    let log = fs::read_to_string(path).unwrap();
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Waits for a line of that module which says that, in a span with these fields.
pub(crate) async fn is_logged(path: &Path, target: &str, message: &str, span: &Value) {
    let started = Instant::now();
    let fits = |line: &Value| {
        let has = |(name, wanted): (&String, &Value)| line["span"][name] == *wanted;
        line["target"] == target && line["fields"]["message"] == message && span.as_object().unwrap().iter().all(has)
    };
    while !lines(path).iter().any(fits) {
        assert!(started.elapsed() < BOUND, "{target} never said {message} in {span}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What the page gives for a card that pays.
pub(crate) async fn confirmation_token(stripe: &str) -> String {
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("authorization", "Bearer sk_test_of_an_actor")];
    let path = "/v1/test_helpers/confirmation_tokens";
    let form = Bytes::from("payment_method=pm_card_visa");
    let token = Edge::new(stripe).send(Method::POST, path, &headers, form).await.unwrap();
    token.expect(StatusCode::OK).unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_press_of_pay_leads_to_is_logged_in_its_trace_past_a_crash_and_tells_no_secret() {
    let path = std::env::temp_dir().join(format!("onsale-traces-{}.log", uuid::Uuid::new_v4()));
    let mut world = World::start_and_log_as_json(File::create(&path).unwrap(), &[]).await;
    let sale = world.sells(2).await;
    let buyer = world.has_turn(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    let order = buyer.orders(&hold, "zenobia.quill@example.com", "Zenobia Quillfeather").await.unwrap();

    // Whoever was to do the work is gone before there is any.
    world.workers.is_killed();
    let card = confirmation_token(&world.stripe.base_url()).await;
    let authorization = format!("Bearer {}", order.token);
    let headers =
        [("authorization", authorization.as_str()), ("idempotency-key", "press"), ("traceparent", TRACEPARENT)];
    let press = format!("/v1/sales/{sale}/orders/{}/pay", order.id);
    let paid = world.edge.ask(Method::POST, &press, &headers, &json!({ "confirmation_token": card })).await.unwrap();
    let client_secret = paid.expect(StatusCode::OK).unwrap()["payment"]["client_secret"].as_str().unwrap().to_owned();
    let refused = world.edge.ask(Method::POST, &press, &headers[1..2], &Value::Null).await.unwrap();
    let refused_in = &refused.body["trace_id"];
    world.restarts_workers().await;
    buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
    world.waits_for_mails(1).await;

    let about = json!({ "sale": sale, "order": order.id });
    let within = |more: Value| {
        let mut span = about.clone();
        span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        span
    };
    let route = "/v1/sales/{sale}/orders/{order}/pay";
    let request = within(json!({ "trace_id": TRACE, "name": "request", "method": "POST", "route": route }));
    is_logged(&path, "gateway::server", "answered", &request).await;
    is_logged(&path, "gateway::problem", "refused", &within(json!({ "trace_id": refused_in, "route": route }))).await;
    for (queue, kind) in [("stripe", "payment_capture"), ("mail", "mail_order_paid")] {
        let job = within(json!({ "trace_id": TRACE, "name": "job", "queue": queue, "kind": kind }));
        is_logged(&path, "workers::runner", "done", &job).await;
    }

    let log = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let secrets = [
        buyer.pass(),
        &order.token,
        &card,
        &client_secret,
        world.organizer_key(),
        "zenobia",
        "Quillfeather",
        "sk_test_",
        "%40example.com",
    ];
    for line in log.lines() {
        assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line}");
    }
    world.holds_every_invariant();
}
