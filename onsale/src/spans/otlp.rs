//! Spans to a collector, as protobuf over OTLP/HTTP. Only in a build with the feature `otlp`.
//!
//! ```text
//!  span ends ─► Record: a message of OTLP ─► queue ─► Exporter: batches ─► POST {collector}/v1/traces
//!                                             │ full                         │ not taken
//!                                             └► dropped                     └► again, then lost
//! ```
//!
//! A span is exported when it has a `span_id`, which is when its trace is recorded: what log, rows and problems name is what is
//! exported, and no id is made here. Its other fields are its attributes, and nothing else is.
//!
//! Bounds: [`QUEUE_MAX`] spans wait, those that come while it is full are dropped; [`BATCH_MAX`] go together, one call takes
//! [`CALL_MAX`] at most, and a batch that is not taken is lost after [`RESTS`]. Nobody waits for the collector but the end of the
//! process, and that for [`FLUSH_MAX`]. An outage is one warning in the log, and one line at its end; `onsale_spans_total` counts
//! what became of each span.
//!
//! What it does not do: follow redirects, know tokens of collectors, compress.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod post;
mod record;

use super::{Fate, SpansTo};
use post::{Poster, Refused};
use record::Record;

/// How many spans wait: some 12 MB.
const QUEUE_MAX: usize = 8_192;
/// How many go together.
const BATCH_MAX: usize = 512;
/// How long spans gather after a batch that was not full.
const GATHER: Duration = Duration::from_millis(200);
/// How long one call may take.
const CALL_MAX: Duration = Duration::from_secs(5);
/// How long a batch rests before it is sent again, each time.
const RESTS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// How long the end of the process waits for what is left. Below what the process gives its last tasks.
const FLUSH_MAX: Duration = Duration::from_millis(1_500);

/// What takes spans, and what sends them on; nothing runs yet.
pub(crate) fn pipe(to: &SpansTo, service: &'static str) -> Option<(Record, Exporter)> {
    let (queue, spans) = mpsc::channel(QUEUE_MAX);
    let exporter =
        Exporter { spans, poster: Poster::new(&to.collector), resource: resource(service), health: Health::Well };
    Some((Record::new(queue), exporter))
}

/// Sends spans to a collector until the end. Owns the queue's end and the connections.
pub(crate) struct Exporter {
    spans: mpsc::Receiver<Span>,
    poster: Poster,
    resource: Resource,
    health: Health,
}

/// Whether the collector took the last batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Failing,
}

impl Exporter {
    /// Runs until `stopped` and what waits is sent, or cannot be in time.
    pub(crate) async fn run(mut self, stopped: CancellationToken) {
        let late = async {
            stopped.cancelled().await;
            tokio::time::sleep(FLUSH_MAX).await;
        };
        tokio::select! {
            () = self.works(&stopped) => {}
            () = late => tracing::warn!("the collector did not take the last spans in time"),
        }
    }

    async fn works(&mut self, stopped: &CancellationToken) {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = stopped.cancelled(), if !self.spans.is_closed() => self.spans.close(),
                count = self.spans.recv_many(&mut batch, BATCH_MAX) => {
                    if count == 0 {
                        return;
                    }
                    self.sends(batch, stopped).await;
                    if count < BATCH_MAX {
                        stopped.run_until_cancelled(tokio::time::sleep(GATHER)).await;
                    }
                }
            }
        }
    }

    async fn sends(&mut self, batch: Vec<Span>, stopped: &CancellationToken) {
        let count = batch.len();
        let body = post::body(ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![ScopeSpans { scope: Some(scope()), spans: batch, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        });
        let mut rests = RESTS.into_iter();
        loop {
            let refused = match self.poster.posts(body.clone()).await {
                Ok(refused) => {
                    let refused = refused.min(count);
                    self.is_well();
                    Fate::Sent.is_of(count - refused);
                    return Fate::Lost.is_of(refused);
                }
                Err(refused) => refused,
            };
            self.fails(&refused);
            let Some(rest) = rests.next().filter(|_| matches!(refused, Refused::ForNow(_))) else {
                return Fate::Lost.is_of(count);
            };
            stopped.run_until_cancelled(tokio::time::sleep(rest)).await;
        }
    }

    fn fails(&mut self, error: &Refused) {
        if std::mem::replace(&mut self.health, Health::Failing) == Health::Well {
            tracing::warn!(%error, "the collector does not take spans");
        }
    }

    fn is_well(&mut self) {
        if std::mem::replace(&mut self.health, Health::Well) == Health::Failing {
            tracing::info!("the collector takes spans again");
        }
    }
}

/// Whose spans they are.
fn resource(service: &'static str) -> Resource {
    let attributes = vec![
        text("service.name", service.to_owned()),
        text("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        text("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    Resource { attributes, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "onsale".to_owned(), ..InstrumentationScope::default() }
}

fn text(key: &'static str, value: String) -> KeyValue {
    attribute(key, Value::StringValue(value))
}

fn attribute(key: &'static str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests;
