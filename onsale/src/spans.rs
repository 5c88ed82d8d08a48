//! Where the spans of this process go beside its log: to a collector, over OTLP/HTTP, if it is named and this build can.
//!
//! Only a build with the feature `otlp` can; any other refuses to be told of a collector ([`BUILD`]), because whoever names
//! one would wait for spans that never come.

use std::fmt;
use std::str::FromStr;

use domain::trace::Sampling;
use http::Uri;
use metrics::{counter, describe_counter};
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::FilterFn;

#[cfg_attr(not(feature = "otlp"), path = "spans/none.rs")]
mod otlp;

pub(crate) use otlp::{Exporter, pipe};

/// What a build can do with spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Send them to a collector.
    Exports,
    /// Log them.
    LogsOnly,
}

/// This one.
pub(crate) const BUILD: Build = if cfg!(feature = "otlp") { Build::Exports } else { Build::LogsOnly };

const SPANS: &str = "onsale_spans_total";

/// What becomes of a span that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The collector took it.
    Sent,
    /// There was no room to keep it until the collector takes it.
    Dropped,
    /// The collector did not take it.
    Lost,
}

impl Fate {
    const ALL: [Self; 3] = [Self::Sent, Self::Dropped, Self::Lost];

    const fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
        }
    }

    /// Counts spans.
    pub(crate) fn is_of(self, count: usize) {
        counter!(SPANS, "outcome" => self.word()).increment(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// Tells the recorder what is counted.
pub(crate) fn describe() {
    describe_counter!(SPANS, "Spans that were recorded, by outcome: sent, dropped or lost.");
}

/// A process starts: what has not happened is zero.
pub(crate) fn begin() {
    Fate::ALL.into_iter().for_each(|fate| fate.is_of(0));
}

/// Where spans go, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpansTo {
    pub(crate) collector: Collector,
    /// Of the traces that begin here; of others their caller decides.
    pub(crate) sampling: Sampling,
}

impl fmt::Display for SpansTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { collector, sampling } = self;
        match sampling {
            Sampling::Nothing => write!(f, "{collector}, of callers' traces alone"),
            Sampling::OneIn(many) => write!(f, "{collector}, of one trace in {many}"),
        }
    }
}

/// The base URL of a collector, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collector(String);

/// Why something is no address of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCollector {
    /// Not an absolute `http` or `https` URL.
    #[error("must be an absolute http or https URL")]
    NotAbsolute,
    /// A path is put behind it, and it is shown.
    #[error("must have no query and no credentials")]
    MoreThanAPath,
}

impl FromStr for Collector {
    type Err = BadCollector;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| BadCollector::NotAbsolute)?;
        let authority = uri.authority().ok_or(BadCollector::NotAbsolute)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(BadCollector::NotAbsolute);
        }
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(BadCollector::MoreThanAPath);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets the spans of requests and jobs through, whatever is logged, and nothing else: no line is made for it.
pub(crate) fn filter() -> FilterFn {
    let is_ours: fn(&Metadata<'_>) -> bool =
        |metadata| metadata.is_span() && matches!(metadata.target(), "gateway::trace" | "workers::trace");
    FilterFn::new(is_ours).with_max_level_hint(LevelFilter::ERROR)
}
