//! Makes a message of each span that ends, and puts it into the queue.

use std::fmt;
use std::time::{Duration, Instant};

use domain::clock::Clock;
use jiff::Timestamp;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Subscriber, span};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::super::Fate;
use super::{attribute, text};

/// The span of a request; any other is one of a job.
const REQUEST: &str = "request";
/// Flags of a span: its trace is sampled (W3C); it is known whether its parent is of another process, and it is (OTLP).
const SAMPLED: u32 = 0x001;
const PARENT_IS_REMOTE: u32 = 0x300;

/// A layer of the log that keeps what spans say until they end. Never waits.
pub(crate) struct Record {
    queue: mpsc::Sender<Span>,
    clock: Clock,
}

impl Record {
    pub(super) fn new(queue: mpsc::Sender<Span>) -> Self {
        Self { queue, clock: Clock::system() }
    }
}

/// A span under way.
struct Open {
    fields: Fields,
    begun_at: Timestamp,
    begun: Instant,
}

/// What a span says.
#[derive(Default)]
struct Fields {
    trace: Vec<u8>,
    span: Vec<u8>,
    parent: Vec<u8>,
    name: Name,
    failed: Option<bool>,
    attributes: Vec<KeyValue>,
}

/// What a span is called: its method and route, or its kind.
#[derive(Default)]
struct Name {
    method: String,
    what: String,
}

impl Fields {
    fn add(&mut self, key: &'static str, value: String) {
        let id = |value: &str| hex::decode(value).unwrap_or_default();
        match key {
            "trace_id" => self.trace = id(&value),
            "span_id" => self.span = id(&value),
            "parent_span_id" => self.parent = id(&value),
            _ => {
                match key {
                    "method" => self.name.method.clone_from(&value),
                    "route" | "kind" => self.name.what.clone_from(&value),
                    _ => {}
                }
                self.attributes.push(text(key, value));
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.attributes.push(attribute(field.name(), Value::IntValue(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "failed" => self.failed = Some(value),
            key => self.attributes.push(attribute(key, Value::BoolValue(value))),
        }
    }
}

/// Whether there is an id to export a span under: most have none, and they must cost nothing.
struct IsRecorded(bool);

impl Visit for IsRecorded {
    fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
        self.0 |= field.name() == "span_id";
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Record {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut is_recorded = IsRecorded(false);
        attributes.record(&mut is_recorded);
        if let (IsRecorded(true), Some(span)) = (is_recorded, context.span(id)) {
            let mut open = Open { fields: Fields::default(), begun_at: self.clock.now(), begun: Instant::now() };
            attributes.record(&mut open.fields);
            span.extensions_mut().insert(open);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        if self.queue.try_send(open.ended(span.name())).is_err() {
            Fate::Dropped.is_of(1);
        }
    }
}

impl Open {
    fn ended(self, what: &str) -> Span {
        let Self { fields, begun_at, begun } = self;
        let begun_ns = u64::try_from(begun_at.as_nanosecond()).unwrap_or_default();
        // A request without an end is one whose client is gone, a job without one broke down.
        let (kind, name, failed) = match what {
            REQUEST => (SpanKind::Server, format!("{} {}", fields.name.method, fields.name.what), false),
            _ => (SpanKind::Consumer, fields.name.what, true),
        };
        let code = if fields.failed.unwrap_or(failed) { StatusCode::Error } else { StatusCode::Unset };
        Span {
            trace_id: fields.trace,
            span_id: fields.span,
            flags: if fields.parent.is_empty() { SAMPLED } else { SAMPLED | PARENT_IS_REMOTE },
            parent_span_id: fields.parent,
            name,
            kind: kind.into(),
            start_time_unix_nano: begun_ns,
            end_time_unix_nano: begun_ns.saturating_add(whole_ns(begun.elapsed())),
            attributes: fields.attributes,
            status: Some(Status { code: code.into(), ..Status::default() }),
            ..Span::default()
        }
    }
}

fn whole_ns(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}
