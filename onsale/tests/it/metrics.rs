//! What both admin addresses export.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use crate::world::{Process, World};

const BOUND: Duration = Duration::from_secs(60);

/// What dashboards, alerts and tests rely on, by process.
const GATEWAY: [&str; 9] = [
    "http_server_request_duration_seconds",
    "onsale_queue_waiting",
    "onsale_queue_admitted_total",
    "onsale_shoppers",
    "onsale_sockets",
    "onsale_holds_total",
    "onsale_hold_ttl_seconds",
    "onsale_stripe_budget_remaining",
    "onsale_stripe_budget_total",
];
const WORKERS: [&str; 13] = [
    "onsale_units",
    "onsale_orders_total",
    "onsale_payment_latency_seconds",
    "onsale_payment_p99_seconds",
    "onsale_inbox_pending",
    "onsale_inbox_oldest_age_seconds",
    "onsale_jobs_pending",
    "onsale_dead_letters",
    "onsale_tickets_issued_total",
    "onsale_redis_epoch",
    "onsale_seal_lag_seconds",
    "onsale_stripe_budget_remaining",
    "onsale_stripe_budget_total",
];

#[tokio::test(flavor = "multi_thread")]
async fn both_scrapes_are_clean_and_have_every_promised_name() {
    let world = World::start().await;
    let sale = world.sells(5).await;
    world.has_bought(&sale).await;

    exports(&world.gateway, &GATEWAY).await;
    exports(&world.workers, &WORKERS).await;
}

async fn exports(process: &Process, names: &[&str]) {
    let mut scraped = scrape(process).await;
    let started = tokio::time::Instant::now();
    // Gauges follow within a sweep or two.
    while let Some(missing) = names.iter().find(|name| !has(&scraped, name)) {
        assert!(started.elapsed() < BOUND, "{missing} is missing in\n{scraped}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        scraped = scrape(process).await;
    }
    is_clean(&scraped);
}

fn has(scraped: &str, name: &str) -> bool {
    scraped.lines().any(|line| line.strip_prefix("# TYPE ").is_some_and(|rest| rest.split(' ').next() == Some(name)))
}

pub(crate) async fn scrape(process: &Process) -> String {
    let answer = process.admin.ask(Method::GET, "/metrics", &[], &Value::Null).await.unwrap();
    answer.expect(StatusCode::OK).unwrap().as_str().unwrap().to_owned()
}

fn is_clean(scraped: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(scraped.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{scraped}");
}
