//! A scrape, taken apart.

use std::collections::{BTreeMap, BTreeSet};

/// What a process exported.
#[derive(Debug)]
pub(crate) struct Scraped {
    /// The type of each metric.
    pub(crate) types: BTreeMap<String, String>,
    /// Every line with a number.
    pub(crate) samples: Vec<Sample>,
}

/// One line: the metric it belongs to, its own name, which a histogram has several of, its labels and its number.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) metric: String,
    name: String,
    labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    /// The names of its labels, as whoever declared the metric knows them.
    pub(crate) fn label_names(&self) -> BTreeSet<&str> {
        self.labels.keys().map(String::as_str).filter(|name| *name != "le").collect()
    }

    pub(crate) fn label(&self, name: &str) -> &str {
        &self.labels[name]
    }
}

impl Scraped {
    pub(crate) fn of(text: &str) -> Self {
        let words = |line: &str| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.to_owned()));
        let types: BTreeMap<_, _> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(words).collect();
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = samples.map(|line| sample(line, &types)).collect();
        Self { types, samples }
    }

    /// Adds up the lines of that name that have these labels; none when there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let is_meant = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|is| is == value))
        };
        self.samples.iter().filter(is_meant).map(|sample| sample.value).reduce(|one, other| one + other)
    }
}

fn sample(line: &str, types: &BTreeMap<String, String>) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    // No value has a quote in it, and templates of routes have braces.
    let labels = labels.strip_suffix('}').unwrap().split("\",").filter(|label| !label.is_empty());
    let labels = labels.map(|label| label.split_once("=\"").unwrap());
    let labels = labels.map(|(label, value)| (label.to_owned(), value.trim_end_matches('"').to_owned())).collect();
    let of_histogram = ["_bucket", "_sum", "_count"].iter().filter_map(|end| name.strip_suffix(end));
    let metric = of_histogram.filter(|metric| types.contains_key(*metric)).chain([name]).next().unwrap();
    Sample { metric: metric.to_owned(), name: name.to_owned(), labels, value: value.parse().unwrap() }
}
