//! What both admin addresses export.

use std::collections::BTreeSet;
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
/// What workers share with gateways; theirs are the catalogue of `workers/src/metrics.rs`, all of it.
const OF_BOTH: [&str; 5] = [
    "onsale_redis_script_duration_seconds",
    "onsale_stripe_budget_factor",
    "onsale_stripe_budget_remaining",
    "onsale_stripe_budget_total",
    "onsale_stripe_call_duration_seconds",
];

/// The names in the table of a module's page.
fn catalogue(module: &str) -> Vec<&str> {
    module.lines().filter_map(|line| line.strip_prefix("//! | `")?.split('`').next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_scrapes_are_clean_and_have_every_promised_name() {
    let world = World::start().await;
    let sale = world.sells(5).await;
    world.has_bought(&sale).await;
    // The age of a round is known from the first one on, which comes after a minute.
    let round = "INSERT INTO reconciliations (name, lease_until, ended_at, result)
                 VALUES ('stock', onsale_now(), onsale_now(), 'done')";
    world.database.execute(round).await.unwrap();

    exports(&world.gateway, &[&GATEWAY[..], &OF_BOTH].concat()).await;
    let workers = catalogue(include_str!("../../../workers/src/metrics.rs"));
    assert!(workers.len() > 20, "{workers:?}");
    exports(&world.workers, &[&workers[..], &OF_BOTH].concat()).await;
}

/// Every metric that a page names is in a catalogue, so that nobody alerts on what is not there.
#[test]
fn every_metric_of_the_documentation_is_one_that_is_exported() {
    let catalogues = [
        include_str!("../../../admission/src/metrics.rs"),
        include_str!("../../../gateway/src/metrics.rs"),
        include_str!("../../../gateway/src/metrics/line.rs"),
        include_str!("../../../gateway/src/metrics/log.rs"),
        include_str!("../../../payments/src/metrics.rs"),
        include_str!("../../../workers/src/metrics.rs"),
    ];
    let declared: BTreeSet<_> = catalogues
        .iter()
        .flat_map(|module| module.lines())
        .filter(|line| line.contains("const ") && line.contains(": &str = \""))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let pages = [
        include_str!("../../../README.md"),
        include_str!("../../../ARCHITECTURE.md"),
        include_str!("../../../docs/holds.md"),
        include_str!("../../../docs/money.md"),
        include_str!("../../../docs/operations.md"),
        include_str!("../../../docs/waiting-room.md"),
        include_str!("../../../docs/waitlist.md"),
    ];
    let is_metric = |word: &str| word.starts_with("onsale_") && UNITS.iter().any(|unit| word.ends_with(unit));
    let mut named = 0;
    for page in pages {
        for word in
            page.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_')).filter(|word| is_metric(word))
        {
            assert!(declared.contains(word), "{word} is no metric");
            named += 1;
        }
    }
    assert!(named >= 10, "{named}");
    assert!(!declared.contains("onsale_reconciler_findings"), "a name must be whole");
}

/// What makes a word of a page the name of a metric.
const UNITS: [&str; 7] = ["_total", "_seconds", "_letters", "_epoch", "_remaining", "_factor", "_pending"];

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
