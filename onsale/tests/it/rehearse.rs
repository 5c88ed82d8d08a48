//! `onsale rehearse`: the same seed, the same counts; a report that says what the JSON says; an end in every case.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::world::command;

const FANS: &str = "300";
const UNITS: u64 = 60;

/// A directory that goes with what is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("rehearsal-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn file(&self, name: &str, content: &Value) -> String {
        let path = self.0.join(name);
        fs::write(&path, content.to_string()).unwrap();
        path.display().to_string()
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Two tiers, one of them with seats; as `GET /v1/organizer/sales/{sale}` would answer it.
fn sale() -> Value {
    json!({
        "id": "sale_01", "organizer": "org_01", "state": "draft", "version": 1, "published_at": null, "notice": null,
        "name": "Night <&> Day", "slug": "night-and-day", "currency": "eur", "opens_at": "2030-12-01T10:00:00Z",
        "prequeue_opens_at": "2030-12-01T10:00:00Z", "per_buyer_limit": 4,
        "tiers": [
            { "id": "floor", "name": "Floor", "price": 4500, "capacity": 40 },
            { "id": "balcony", "name": "Balcony", "price": 3000, "rows": [{ "row": "A", "seats": 20 }] },
        ],
    })
}

/// Everybody hurries, and nobody keeps a turn or units without a use for them: the rehearsal is short.
fn crowd() -> Value {
    json!({
        "arrivals": { "before_s": 20, "after_s": 10, "second_wave_at_s": 30, "second_wave_s": 10 },
        "patience": { "vanishes_share": 0 },
        "thinking": { "choosing_s": 2, "form_s": 4, "paying_s": 2 },
        "abandons": { "form_share": 0.05, "paying_share": 0, "gives_back_share": 1 },
        "payments": { "tries_again_share": 1, "three_ds_s": 2, "three_ds_failed_share": 0 },
    })
}

fn report(directory: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(Path::new(directory).join("report.json")).unwrap()).unwrap()
}

fn rehearses(scratch: &Scratch, out: &str, more: &[&str]) -> Child {
    let (sale, crowd, out) = (scratch.at("sale.json"), scratch.at("crowd.json"), scratch.at(out));
    let fixed = ["rehearse", &sale, "--crowd", &crowd, "--out", &out];
    command(&[&fixed, more].concat(), &[]).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_counts_and_another_seed_other_fans() {
    let scratch = Scratch::new();
    scratch.file("sale.json", &sale());
    scratch.file("crowd.json", &crowd());
    let of_seed_7 = ["--fans", FANS, "--seed", "7", "--speed", "10"];
    let runs = ["one", "two"].map(|out| (out, rehearses(&scratch, out, &of_seed_7)));
    let [one, two] = runs.map(|(out, child)| {
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stdout).unwrap();
        assert!(ended.status.success(), "{said}");
        (report(&scratch.at(out)), said)
    });
    assert_eq!(one.0["counts"], two.0["counts"]);
    let (report, said) = one;
    assert_eq!(report["counts"]["outcome"]["units_sold"], UNITS);
    assert_eq!(report["counts"]["plan"]["fans"], 300);
    assert_eq!(report["verdict"]["sold_out"], true);
    assert_eq!(report["invariants"]["hold"], true);
    assert!(said.contains("I1 ") && said.contains("I12 "), "{said}");
    everything_is_told(&report);
    the_page_has_the_figures(&scratch, &report);

    let plan = |seed| {
        let child = rehearses(&scratch, "none", &["--fans", FANS, "--seed", seed, "--plan"]);
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success());
        serde_json::from_slice::<Value>(&ended.stdout).unwrap()
    };
    assert_eq!(plan("7"), report["counts"]["plan"]);
    let other = plan("8");
    assert_ne!(other["fingerprint"], report["counts"]["plan"]["fingerprint"]);
    assert_ne!(other["units_wanted"], report["counts"]["plan"]["units_wanted"]);
}

/// Every fan has one ending, and no part of the report is empty.
fn everything_is_told(report: &Value) {
    let measured = &report["measured"];
    let endings: u64 = measured["endings"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(endings + measured["cut_off"].as_u64().unwrap(), 300, "{measured}");
    assert_eq!(measured["endings"]["only_looked"], report["counts"]["plan"]["only_look"]);
    for part in [
        "/verdict/sold_out_after_s",
        "/measured/waiting/p99_s",
        "/measured/waiting/turns",
        "/measured/sockets_peak",
        "/measured/requests_per_s_peak_here",
        "/measured/paid_orders",
        "/processor/gateway",
        "/processor/postgres",
        "/suggestion/rate_per_s",
        "/suggestion/max_shoppers",
        "/forecast/sold_out_after_s",
        "/forecast/fans_served_per_s",
    ] {
        assert!(report.pointer(part).and_then(Value::as_f64).is_some_and(|figure| figure > 0.0), "{part}: {report:#}");
    }
    let units = report["forecast"]["paid_units_at"].as_array().unwrap();
    assert_eq!(units.last().unwrap()["units"], UNITS);
    // Another load test plays the sale in its own time, whatever the speed.
    assert_eq!(report["rehearsed"]["in_real_time"]["admission"]["rate_per_s"], 50);
    let bars = measured["waiting"]["histogram"].as_array().unwrap();
    let drawn: u64 = bars.iter().map(|bar| bar["fans"].as_u64().unwrap()).sum();
    assert_eq!(Some(drawn), measured["waiting"]["turns"].as_u64());
}

/// What the page shows of a figure that was measured.
fn three_digits(figure: f64) -> String {
    let decimals = if figure >= 100.0 {
        0
    } else if figure >= 10.0 {
        1
    } else if figure >= 1.0 {
        2
    } else {
        3
    };
    format!("{figure:.decimals$}").parse::<f64>().unwrap().to_string()
}

fn the_page_has_the_figures(scratch: &Scratch, report: &Value) {
    let page = fs::read_to_string(scratch.0.join("one/report.html")).unwrap();
    for part in [
        "/verdict/sold_out_after_s",
        "/counts/outcome/units_sold",
        "/counts/plan/fingerprint",
        "/counts/plan/units_wanted",
        "/measured/waiting/p90_s",
        "/measured/requests_per_s_peak_here",
        "/suggestion/max_shoppers",
        "/forecast/fans_served_per_s",
        "/processor/postgres",
    ] {
        let figure = report.pointer(part).unwrap();
        let figure = match figure {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_f64() => three_digits(number.as_f64().unwrap()),
            other => other.to_string(),
        };
        assert!(page.contains(&format!(">{figure}<")) || page.contains(&format!(" {figure} ")), "{part} {figure}");
    }
    assert!(page.contains("Night &lt;&amp;&gt; Day") && !page.contains("<&>"));
    assert_eq!(page.matches("<svg class=\"chart\"").count(), 6);
    for foreign in ["<script", "http://", "https://", "url(", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn whatever_is_wrong_with_the_files_is_named_at_once() {
    let scratch = Scratch::new();
    let mut wrong = sale();
    wrong["tiers"][0]["price"] = json!(-1);
    wrong["per_buyer_limit"] = json!(0);
    let crowd = json!({ "arivals": {}, "devices": { "poll_share": 2 }, "wishes": { "tiers": { "pit": 1 } }, "faults": [{ "kind": "flood" }] });
    let (good, bad) = (scratch.file("good.json", &sale()), scratch.file("bad.json", &wrong));
    let crowd = scratch.file("crowd.json", &crowd);
    let refused = |arguments: &[&str]| {
        let ended = command(&[&["rehearse"], arguments].concat(), &[]).output().unwrap();
        assert_eq!(ended.status.code(), Some(64), "{ended:?}");
        String::from_utf8(ended.stderr).unwrap()
    };
    let said = refused(&[&good, "--crowd", &crowd]);
    for fault in ["/arivals: ", "/devices/poll_share: ", "/wishes/tiers/pit: ", "/faults/0/kind: ", "/faults/0/at_s: "]
    {
        assert!(said.contains(fault), "{fault} in {said}");
    }
    let said = refused(&[&bad]);
    assert!(said.contains("/tiers/0/price") && said.contains("/per_buyer_limit"), "{said}");
    assert!(refused(&[&good, "--speed", "0"]).contains("--speed"));
}

#[test]
fn ctrl_c_ends_all_servers_and_writes_what_there_is() {
    let scratch = Scratch::new();
    scratch.file("sale.json", &sale());
    scratch.file("crowd.json", &json!({ "arrivals": { "before_s": 600 } }));
    let mut child = rehearses(&scratch, "out", &["--fans", "50", "--speed", "1"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        Some(line.split_once("http://")?.1.split(';').next()?.to_owned())
    });
    let address = address.unwrap();
    TcpStream::connect(&address).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest:?}");
    TcpStream::connect(&address).unwrap_err();
    let report = report(&scratch.at("out"));
    assert_eq!(report["verdict"]["ended"], "interrupted");
    assert_eq!(report["verdict"]["complete"], false);
    assert_eq!(report["counts"]["plan"]["fans"], 50);
    assert!(scratch.0.join("out/report.html").exists());
}
