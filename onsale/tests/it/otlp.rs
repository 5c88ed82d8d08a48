//! Spans reach a collector under the ids of the log, and a collector that fails costs nobody anything but spans.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::metrics::scrape;
use crate::traces::{confirmation_token, is_logged};
use crate::world::{Process, World};

mod collector;

use collector::{Collector, Mood, Taken};

const BOUND: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// What a span may say of a request or a job.
const ATTRIBUTES: [&str; 9] = ["method", "route", "sale", "order", "status", "queue", "kind", "job", "outcome"];
/// How long a call to the collector takes that nobody answers: whoever waited for it would take as long.
const CALL_MAX: Duration = Duration::from_secs(5);
/// What a process takes to end, and what it gives the collector.
const END_MAX: Duration = Duration::from_secs(15);

/// Somebody buys one unit, as a caller who records; gives what must stay among us.
async fn buys(world: &World, sale: &str) -> Vec<String> {
    let (buyer, order) = world.has_order(sale).await;
    let card = confirmation_token(&world.stripe.base_url()).await;
    let authorization = format!("Bearer {}", order.token);
    let headers = [
        ("authorization", authorization.as_str()),
        ("idempotency-key", order.id.as_str()),
        ("traceparent", TRACEPARENT),
    ];
    let press = format!("/v1/sales/{sale}/orders/{}/pay", order.id);
    let paid = world.edge.ask(Method::POST, &press, &headers, &json!({ "confirmation_token": card })).await.unwrap();
    let client_secret = paid.expect(StatusCode::OK).unwrap()["payment"]["client_secret"].as_str().unwrap().to_owned();
    buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
    vec![buyer.pass().to_owned(), order.token, card, client_secret, world.organizer_key().to_owned()]
}

/// Waits until a process has counted so many spans, or more.
async fn has_counted(process: &Process, outcome: &str, wanted: u64) {
    let (started, name) = (Instant::now(), format!("onsale_spans_total{{outcome=\"{outcome}\"}} "));
    loop {
        let scraped = scrape(process).await;
        let count = scraped.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse::<u64>().unwrap();
        if count >= wanted {
            return;
        }
        assert!(started.elapsed() < BOUND, "{count} spans are {outcome}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// So many look at a sale, as callers who record.
async fn look(world: &World, sale: &str, many: u32) {
    let path = format!("/v1/sales/{sale}");
    for _ in 0..many {
        let seen = world.edge.ask(Method::GET, &path, &[("traceparent", TRACEPARENT)], &Value::Null);
        seen.await.unwrap().expect(StatusCode::OK).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_press_of_pay_leads_to_is_one_trace_of_spans_and_the_collector_holds_nobody_up() {
    let mut collector = Collector::start().await;
    let path = std::env::temp_dir().join(format!("onsale-otlp-{}.log", uuid::Uuid::new_v4()));
    let variables = [("ONSALE_OTLP_ENDPOINT", &*collector.url()), ("ONSALE_OTLP_ONE_IN", "0")];
    let mut world = World::start_and_log_as_json(File::create(&path).unwrap(), &variables).await;
    let sale = world.sells(3).await;

    let secrets = buys(&world, &sale).await;
    world.waits_for_mails(1).await;
    let press = is_one_trace(&collector, &sale).await;
    let span = hex::encode(&press.span.span_id);
    let logged = json!({ "trace_id": TRACE, "span_id": span, "parent_span_id": CALLER, "order": press.says("order") });
    is_logged(&path, "gateway::server", "answered", &logged).await;
    fs::remove_file(&path).unwrap();
    let kept = format!("SELECT count(*) FROM payments WHERE trace = '00-{TRACE}-{span}-01'");
    assert_eq!(world.counts(&kept).await, 1);
    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    for secret in secrets.iter().map(String::as_str).chain(["sk_test_", "@example.com", "%40example.com", "127.0.0.1"])
    {
        assert!(!sent.contains(secret), "{secret}");
    }

    // What may be sent again is, what may not is lost; what comes after an outage is taken.
    collector.is(Mood::Answers(StatusCode::SERVICE_UNAVAILABLE));
    let calls = collector.calls();
    look(&world, &sale, 1).await;
    collector.is_called_after(calls).await;
    let before = collector.spans().len();
    collector.is(Mood::Takes);
    collector.has("a batch sent again", |_| collector.spans().len() > before).await;
    collector.is(Mood::Answers(StatusCode::INTERNAL_SERVER_ERROR));
    look(&world, &sale, 3).await;
    has_counted(&world.gateway, "lost", 3).await;

    collector.is(Mood::Hangs);
    let calls = collector.calls();
    look(&world, &sale, 1).await;
    collector.is_called_after(calls).await;
    timeout(CALL_MAX, look(&world, &sale, 50)).await.expect("50 looks take less than a call that nobody answers");
    timeout(BOUND, buys(&world, &sale)).await.expect("whoever buys is not held up");
    world.waits_for_mails(2).await;
    let started = Instant::now();
    world.gateway.is_asked_to_end();
    assert!(world.gateway.ends().await.success());
    collector.is_gone();
    world.workers.is_asked_to_end();
    assert!(world.workers.ends().await.success());
    assert!(started.elapsed() < END_MAX, "the end took {:?}", started.elapsed());
    world.holds_every_invariant();
}

/// The press, and below it what workers did; nothing of others, and nothing that a span is not to say.
async fn is_one_trace(collector: &Collector, sale: &str) -> Taken {
    let press = collector.has("the press", |taken| taken.span.kind() == SpanKind::Server).await;
    assert_eq!(press.service, "onsale-gateway");
    assert_eq!(hex::encode(&press.span.parent_span_id), CALLER);
    assert_eq!(press.span.name, "POST /v1/sales/{sale}/orders/{order}/pay");
    assert_eq!((press.says("sale"), press.says("status")), (sale.to_owned(), "200".to_owned()));
    for kind in ["payment_capture", "mail_order_paid"] {
        let done = |taken: &Taken| taken.span.name == kind && taken.says("outcome") == "done";
        let job = collector.has(kind, done).await;
        assert_eq!((job.service.as_str(), job.span.kind()), ("onsale-workers", SpanKind::Consumer));
        assert_eq!(job.span.parent_span_id, press.span.span_id, "{job:?}");
        assert_eq!((job.says("sale"), job.says("order")), (sale.to_owned(), press.says("order")));
        assert!(job.span.start_time_unix_nano >= press.span.start_time_unix_nano, "{job:?}");
        assert!(job.span.end_time_unix_nano >= job.span.start_time_unix_nano, "{job:?}");
    }
    let spans = collector.spans();
    let ids: BTreeSet<_> = spans.iter().map(|taken| &taken.span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "{spans:?}");
    for taken in spans {
        assert_eq!(hex::encode(&taken.span.trace_id), TRACE, "{taken:?}");
        assert!(taken.span.attributes.iter().all(|said| ATTRIBUTES.contains(&said.key.as_str())), "{taken:?}");
    }
    press
}
