//! What both admin addresses export: what `docs/metrics.md` says, with figures that can be true.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use domain::clock::Clock;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::metrics::scraped::Scraped;
use crate::world::{Process, World};

mod scraped;

const BOUND: Duration = Duration::from_secs(60);

const PAGE: &str = include_str!("../../../docs/metrics.md");

/// Names that others were promised: whoever takes one away breaks dashboards that are not ours.
const PROMISED: [&str; 18] = [
    "onsale_queue_waiting",
    "onsale_queue_admitted_total",
    "onsale_shoppers",
    "onsale_sockets",
    "onsale_units",
    "onsale_holds_total",
    "onsale_hold_ttl_seconds",
    "onsale_payment_latency_seconds",
    "onsale_orders_total",
    "onsale_inbox_pending",
    "onsale_inbox_oldest_age_seconds",
    "onsale_jobs_pending",
    "onsale_dead_letters",
    "onsale_tickets_issued_total",
    "onsale_oversold_units",
    "onsale_ledger_imbalance",
    "onsale_stripe_budget_remaining",
    "onsale_redis_epoch",
];
/// What is counted by sale and does not happen where one buyer buys one ticket.
const NOT_HAPPENED: [&str; 3] =
    ["onsale_checkins_total", "onsale_queue_events_total", "onsale_seat_disagreements_total"];

/// A row of the page.
struct Row {
    name: &'static str,
    kind: &'static str,
    labels: BTreeSet<&'static str>,
    by: &'static str,
}

fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let [name, kind, labels, by] = line.splitn(5, " | ").take(4).collect::<Vec<_>>().try_into().unwrap();
        let name = name.trim_matches(['|', ' ', '`']);
        Row { name, kind, labels: labels.split('`').skip(1).step_by(2).collect(), by }
    };
    PAGE.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_scrapes_are_clean_and_as_the_page_says() {
    let world = World::start_behind_proxies(&[]).await;
    let sale = world.sells(5).await;
    world.has_bought(&sale).await;
    // The age of a round is known from the first one on, which comes after a minute.
    let round = "INSERT INTO reconciliations (name, lease_until, ended_at, result)
                 VALUES ('stock', onsale_now(), onsale_now(), 'done')";
    world.database.execute(round).await.unwrap();
    let forged = [("stripe-signature", "t=1,v1=00")];
    let refused = world.edge.ask(Method::POST, "/v1/stripe/webhook", &forged, &json!({})).await.unwrap();
    assert!(refused.status.is_client_error(), "{refused:?}");

    let rows = rows();
    assert!(PROMISED.iter().all(|name| rows.iter().any(|row| row.name == *name)));
    exports(&world.gateway, "gateway", &rows).await;
    exports(&world.workers, "workers", &rows).await;
    for process in [&world.gateway, &world.workers] {
        shows_itself(process).await;
    }
    gateways_show_the_sale(&world, &sale).await;
    workers_show_the_books(&world, &sale).await;
    what_ended_is_zero(&world, &sale).await;
    who_is_away_is_down(&world).await;
}

/// Everything that the page says of it is there, clean, of that type and with those labels, and nothing else is.
async fn exports(process: &Process, by: &str, rows: &[Row]) {
    let wanted = |row: &&Row| (row.by == by || row.by == "both") && !NOT_HAPPENED.contains(&row.name);
    // Gauges follow within a sweep or two.
    for row in rows.iter().filter(wanted) {
        shows(process, row.name, |scraped| scraped.types.contains_key(row.name)).await;
    }
    let text = scrape(process).await;
    is_clean(&text);
    let scraped = Scraped::of(&text);
    for (name, kind) in &scraped.types {
        let row = rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name} is on no page"));
        assert!(row.by == by || row.by == "both", "{name} of {by}");
        assert_eq!(row.kind, kind, "{name}");
    }
    for sample in &scraped.samples {
        let row = rows.iter().find(|row| row.name == sample.metric).unwrap();
        assert_eq!(row.labels, sample.label_names(), "{}", row.name);
        assert!(sample.value.is_finite() && sample.value >= 0.0, "{sample:?}");
    }
}

/// What is true of any process.
async fn shows_itself(process: &Process) {
    let is = async |name, labels: &[(&str, &str)], is_true: &dyn Fn(f64) -> bool| {
        shows(process, name, |scraped| scraped.sum(name, labels).is_some_and(is_true)).await;
    };
    is("onsale_build_info", &[("version", env!("CARGO_PKG_VERSION"))], &|one| one == 1.0).await;
    let now = Clock::system().now().as_duration().as_secs_f64();
    is("process_start_time_seconds", &[], &|started| started <= now && started > now - 600.0).await;
    let resident = f64::from(u32::try_from(process.memory_bytes()).unwrap());
    is("process_resident_memory_bytes", &[], &|bytes| bytes > resident / 2.0 && bytes < resident * 2.0).await;
    let fds = f64::from(u32::try_from(process.open_files()).unwrap());
    is("process_open_fds", &[], &|open| open > fds / 2.0 && open < fds * 2.0).await;
    is("process_max_fds", &[], &|max| max > fds).await;
    let cores = f64::from(u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap());
    is("onsale_runtime_threads", &[], &|threads| threads == cores).await;
    is("process_threads", &[], &|threads| threads > cores).await;
    is("onsale_runtime_busy_ratio", &[], &|ratio| ratio > 0.0 && ratio <= 1.0).await;
    is("onsale_runtime_queue_depth", &[], &|tasks| tasks < 1_000.0).await;
    let before = Scraped::of(&scrape(process).await).sum("process_cpu_seconds_total", &[]).unwrap();
    is("process_cpu_seconds_total", &[], &|spent| spent > before && spent < before + 60.0).await;

    let connections = f64::from(u32::try_from(ledger::PoolConfig::default().connections_max).unwrap());
    is("onsale_postgres_pool_connections_max", &[], &|max| max == connections).await;
    is("onsale_postgres_pool_connections", &[], &|made| made >= 1.0 && made <= connections).await;
    is("onsale_postgres_pool_connections", &[("state", "idle")], &|idle| idle >= 1.0).await;
    is("onsale_postgres_pool_waiting", &[], &|waiting| waiting == 0.0).await;
    is("onsale_postgres_wait_duration_seconds_count", &[], &|waits| waits > 10.0).await;
    is("onsale_postgres_up", &[], &|up| up == 1.0).await;
    is("onsale_redis_up", &[], &|up| up == 1.0).await;
}

async fn gateways_show_the_sale(world: &World, sale: &str) {
    let is = async |name, labels: &[(&str, &str)], is_true: &dyn Fn(f64) -> bool| {
        shows(&world.gateway, name, |scraped| scraped.sum(name, labels).is_some_and(is_true)).await;
    };
    is("onsale_sale_state", &[("sale", sale), ("state", "open")], &|open| open == 1.0).await;
    is("onsale_sale_state", &[("sale", sale)], &|states| states == 1.0).await;
    let opens = "SELECT extract(epoch FROM opens_at)::bigint FROM sales";
    let opens = f64::from(u32::try_from(world.counts(opens).await).unwrap());
    is("onsale_sale_opens_timestamp_seconds", &[("sale", sale)], &|at| at == opens).await;
    is("onsale_admission_rate", &[("sale", sale)], &|rate| rate == 500.0).await;
    is("onsale_hold_ttl_min_seconds", &[("sale", sale)], &|ttl| ttl == 60.0).await;
    is("onsale_hold_ttl_max_seconds", &[("sale", sale)], &|ttl| ttl == 900.0).await;
    is("onsale_sockets_max", &[], &|most| most == 100_000.0).await;
    let ticks = "onsale_admission_ticks_total";
    let ticked = Scraped::of(&scrape(&world.gateway).await).sum(ticks, &[("sale", sale)]).unwrap();
    is(ticks, &[("sale", sale)], &|now| now >= ticked + 2.0).await;
    is("onsale_queue_admitted_total", &[("sale", sale)], &|turns| turns == 1.0).await;
    is("onsale_webhook_events_total", &[("outcome", "stored")], &|events| events >= 1.0).await;
    is("onsale_webhook_events_total", &[("outcome", "refused")], &|events| events == 1.0).await;
    is("onsale_webhook_events_total", &[("outcome", "failed")], &|events| events == 0.0).await;
}

async fn workers_show_the_books(world: &World, sale: &str) {
    let is = async |name, labels: &[(&str, &str)], is_true: &dyn Fn(f64) -> bool| {
        shows(&world.workers, name, |scraped| scraped.sum(name, labels).is_some_and(is_true)).await;
    };
    let captured = f64::from(u32::try_from(world.stripe.captured_total("eur")).unwrap());
    assert!(captured > 0.0);
    is("onsale_sales_amount_minor_units", &[("sale", sale), ("currency", "eur")], &|sold| sold == captured).await;
    is("onsale_units", &[("sale", sale), ("state", "sold")], &|sold| sold == 1.0).await;
    is("onsale_invariant_breaches", &[], &|breaches| breaches == 0.0).await;
    is("onsale_audit_good_age_seconds", &[], &|age| age < 120.0).await;
    is("onsale_jobs_total", &[("queue", "stripe"), ("outcome", "parked")], &|parked| parked == 0.0).await;
    let scraped = Scraped::of(&scrape(&world.workers).await);
    let audited = scraped.samples.iter().filter(|sample| sample.metric == "onsale_invariant_breaches");
    let audited: BTreeSet<_> = audited.map(|sample| sample.label("invariant")).collect();
    assert_eq!(audited, BTreeSet::from(["I1", "I2", "I3", "I4", "I5", "I6", "I11", "I12"]));
}

/// A sale that is over leaves nothing in gauges.
async fn what_ended_is_zero(world: &World, sale: &str) {
    let closed = world.organizer.asks(Method::POST, &format!("sales/{sale}/close"), &Value::Null).await.unwrap();
    closed.expect(StatusCode::OK).unwrap();
    let of = |process, name| shows(process, name, move |scraped| scraped.sum(name, &[("sale", sale)]) == Some(0.0));
    for name in ["onsale_sale_state", "onsale_sale_opens_timestamp_seconds", "onsale_admission_rate"] {
        of(&world.gateway, name).await;
    }
    for name in ["onsale_units", "onsale_sales_amount_minor_units", "onsale_payment_p99_seconds", "onsale_redis_epoch"]
    {
        of(&world.workers, name).await;
    }
}

/// A store that is away is down, and only that one.
async fn who_is_away_is_down(world: &World) {
    let is = |name, up| shows(&world.gateway, name, move |scraped| scraped.sum(name, &[]) == Some(up));
    let proxies = world.proxies.as_ref().unwrap();
    proxies.redis.cut().await;
    is("onsale_redis_up", 0.0).await;
    is("onsale_postgres_up", 1.0).await;
    proxies.redis.restore().await.unwrap();
    proxies.postgres.cut().await;
    is("onsale_postgres_up", 0.0).await;
    is("onsale_redis_up", 1.0).await;
}

/// Every metric that a page names is in the table, so that nobody alerts on what is not there.
#[test]
fn every_metric_of_the_documentation_is_one_that_is_exported() {
    let declared: BTreeSet<_> = rows().iter().map(|row| row.name).collect();
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

/// Waits until a scrape is as wanted.
async fn shows(process: &Process, what: &str, is_wanted: impl Fn(&Scraped) -> bool) {
    let started = tokio::time::Instant::now();
    loop {
        let text = scrape(process).await;
        if is_wanted(&Scraped::of(&text)) {
            return;
        }
        assert!(started.elapsed() < BOUND, "{what} in\n{text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
