use std::collections::BTreeSet;
use std::sync::Mutex;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::{describe, process};

/// A recorder that only listens to what is declared.
#[derive(Default)]
struct Declared(Mutex<Vec<(String, &'static str)>>);

impl Declared {
    fn is(&self, name: &KeyName, kind: &'static str, help: &str) {
        assert!(!help.is_empty(), "{}", name.as_str());
        self.0.lock().unwrap().push((name.as_str().to_owned(), kind));
    }
}

impl Recorder for Declared {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.is(&name, "counter", &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.is(&name, "gauge", &help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.is(&name, "histogram", &help);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// The first two columns of the table.
fn table() -> Vec<(String, String)> {
    let page = include_str!("../../../docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].trim_matches(['|', ' ', '`']).to_owned(), cells[1].clone())).collect()
}

#[test]
fn the_page_has_every_metric_that_is_declared_and_no_other() {
    let recorder = Declared::default();
    metrics::with_local_recorder(&recorder, describe);
    let described = recorder.0.into_inner().unwrap().into_iter().map(|(name, kind)| (name, kind.to_owned()));
    let of_process = process::ALL.iter().map(|(name, kind, _)| ((*name).to_owned(), (*kind).to_owned()));
    let declared: BTreeSet<_> = described.chain(of_process).collect();
    let rows = table();
    let written: BTreeSet<_> = rows.iter().cloned().collect();
    assert_eq!(written.len(), rows.len(), "a name is there twice");
    assert_eq!(written, declared);
}
