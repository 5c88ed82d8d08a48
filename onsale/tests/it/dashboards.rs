//! What `grafana/` and the runbook rely on is there: every metric that a panel, a rule or the runbook names is exported by real
//! processes, and the runbook's statements, and the commands of every page, are ones that exist.
//!
//! What comes out of the alerts, and what the dashboards look like, is `grafana/tests`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use sandbox::actors::Visitor;
use tokio::time::Instant;

use crate::door::Door;
use crate::metrics::scrape;
use crate::waitlist::ticket_of;
use crate::world::{World, command};

const BOUND: Duration = Duration::from_secs(60);

/// What k6 writes, as its remote write names it: no process of ours exports it, so a name that is read has to be in this list.
const OF_K6: [&str; 23] = [
    "k6_audit_held_rate",
    "k6_bought_within_p50",
    "k6_bought_within_p99",
    "k6_checks_rate",
    "k6_data_received_total",
    "k6_data_sent_total",
    "k6_dropped_iterations_total",
    "k6_errors_rate",
    "k6_fans_total",
    "k6_http_req_duration_p50",
    "k6_http_req_duration_p99",
    "k6_http_reqs_total",
    "k6_iterations_total",
    "k6_overloads_total",
    "k6_socket_drops_total",
    "k6_socket_frame_lag_p50",
    "k6_socket_frame_lag_p99",
    "k6_vus",
    "k6_vus_max",
    "k6_waited_for_turn_p50",
    "k6_waited_for_turn_p99",
    "k6_ws_msgs_received_total",
    "k6_ws_sessions_total",
];
/// Holds whose units Postgres did not have free: what makes one is `disagreement.rs`, which reads the counter, too.
const ELSEWHERE: &str = "onsale_seat_disagreements_total";
/// The role that the runbook's statements are for: its name is no metric's.
const READER: &str = "onsale_readonly";
/// What a name begins with that is exported.
const OURS: [&str; 3] = ["onsale_", "process_", "http_server_"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn runbook() -> String {
    fs::read_to_string(root().join("docs/runbook.md")).unwrap()
}

/// Everything that is written in dashboards, rules, their cases, and the runbook.
fn texts() -> Vec<String> {
    let folders = ["grafana/dashboards", "grafana/prometheus/rules", "grafana/prometheus/tests"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let texts: Vec<_> =
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).chain([runbook()]).collect();
    assert!(texts.len() > 15, "{}", texts.len());
    texts
}

fn words(texts: &[String]) -> BTreeSet<&str> {
    let is_word = |sign: char| sign.is_ascii_alphanumeric() || "_:".contains(sign);
    texts.iter().flat_map(|text| text.split(move |sign: char| !is_word(sign))).collect()
}

/// The blocks of a kind in the runbook, without what is around them.
fn blocks(kind: &str) -> Vec<String> {
    let text = runbook();
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix(kind)).map(str::to_owned);
    blocks.collect()
}

/// What a name that is read may be, of one that is exported.
fn is_of(read: &str, exported: &BTreeSet<String>) -> bool {
    let of_histogram = ["_bucket", "_count", "_sum"].into_iter().filter_map(|end| read.strip_suffix(end));
    exported.contains(read) || of_histogram.into_iter().any(|name| exported.contains(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dashboards_alerts_and_the_runbook_rely_on_is_there() {
    let world = World::start().await;
    let sale = world.sells(5).await;
    let (buyer, order) = world.has_bought(&sale).await;
    assert_eq!(Door::of(&world, &sale).scans(&ticket_of(&buyer, &order).await).await, "valid");
    leaves_the_line(&world).await;
    // The age of a round is known from the first one on, which comes after a minute.
    let round = "INSERT INTO reconciliations (name, lease_until, ended_at, result)
                 VALUES ('stock', onsale_now(), onsale_now(), 'done')";
    world.database.execute(round).await.unwrap();

    every_statement_can_be_run(&world).await;
    every_metric_is_exported(&world).await;
}

/// Whoever leaves is an event of the queue, which is counted when the next tick writes it down.
async fn leaves_the_line(world: &World) {
    let sale = world.lets_one_in(5).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    visitor.leaves().await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
}

async fn every_metric_is_exported(world: &World) {
    let texts = texts();
    let words = words(&texts);
    let is_ours = |word: &&&str| OURS.iter().any(|prefix| word.starts_with(prefix)) && **word != READER;
    let read: Vec<_> = words.iter().filter(is_ours).collect();
    assert!(read.len() > 80, "{read:?}");
    let started = Instant::now();
    loop {
        let scrapes = scrape(&world.gateway).await + &scrape(&world.workers).await;
        let types = scrapes.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let exported: BTreeSet<String> = types.map(str::to_owned).chain([ELSEWHERE.to_owned()]).collect();
        assert!(!is_of("onsale_shoppers_total", &exported), "a name must be whole");
        let missing: Vec<_> = read.iter().filter(|name| !is_of(name, &exported)).collect();
        if missing.is_empty() {
            break;
        }
        assert!(started.elapsed() < BOUND, "{missing:?} are read and not exported");
        // Gauges follow within a sweep or two.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let of_k6: BTreeSet<_> = words.into_iter().filter(|word| word.starts_with("k6_")).collect();
    assert_eq!(of_k6, BTreeSet::from(OF_K6));
}

/// Asked for a plan as the role that reads: what is not there, or may not be read, is refused.
async fn every_statement_can_be_run(world: &World) {
    let blocks = blocks("sql\n");
    let statements = blocks.iter().flat_map(|block| block.split(';')).map(str::trim).filter(|one| !one.is_empty());
    let mut asked = 0;
    for statement in statements {
        assert!(statement.starts_with("SELECT "), "{statement}");
        let plan = format!("SET ROLE {READER}; EXPLAIN {statement}");
        world.database.execute(&plan).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        asked += 1;
    }
    assert!(asked >= 10, "{asked}");
}

/// With `--help` instead of what it would do: subcommands and options are ones that the command knows.
#[test]
fn every_command_of_every_page_is_one() {
    let targets = fs::read_to_string(root().join("Makefile")).unwrap();
    let lines: BTreeSet<_> = pages().iter().flat_map(|page| typed(page)).collect();
    let of = |program: &str| lines.iter().filter_map(move |line| line.strip_prefix(program)).collect::<Vec<_>>();
    assert!(of("onsale ").len() >= 40 && of("make ").len() >= 8, "{lines:?}");
    for line in of("make ") {
        for target in line.split_whitespace().take_while(|word| is_name(word)) {
            assert!(targets.contains(&format!("\n{target}:")), "make {line}");
        }
    }
    for line in of("onsale ").into_iter().filter(|line| !line.starts_with('…')) {
        let words: Vec<_> = line.split_whitespace().collect();
        let path: Vec<_> = words.iter().copied().take_while(|word| is_name(word)).collect();
        let output = command(&[&path[..], &["--help"]].concat(), &[]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let usage = help.lines().find_map(|line| line.strip_prefix("Usage: onsale "));
        let usage = usage.unwrap_or_else(|| panic!("{line}: {}", String::from_utf8_lossy(&output.stderr)));
        let known: Vec<_> = usage.split_whitespace().take_while(|word| is_name(word)).collect();
        assert!(words.starts_with(&known), "{line} is not {usage}");
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{line} has no {option}");
        }
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|sign: char| sign.is_ascii_lowercase()) && !word.contains('.')
}

/// README and what is in `docs/`.
fn pages() -> Vec<String> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|file| file.unwrap().path());
    let paths = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    paths.chain([root().join("README.md")]).map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// What a page has somebody type: lines of its blocks, and what stands between backticks. What has a backslash is a format.
fn typed(page: &str) -> Vec<String> {
    let (blocks, text): (Vec<_>, Vec<_>) = page.split("```").enumerate().partition(|(at, _)| at % 2 == 1);
    let lines = blocks.into_iter().flat_map(|(_, block)| block.lines()).filter_map(|line| line.split('#').next());
    let quoted = text.into_iter().flat_map(|(_, text)| text.split('`').skip(1).step_by(2));
    let commands = lines.chain(quoted).flat_map(|line| line.split([';', '|', '>', '&'])).map(str::trim);
    commands.filter(|command| !command.contains('\\')).map(str::to_owned).collect()
}
