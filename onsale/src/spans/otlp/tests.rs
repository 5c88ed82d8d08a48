use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;

use super::super::filter;
use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The flags of a span of a trace that begins here.
const SAMPLED_ROOT: u32 = 1;

/// The spans that come of a piece of work, where so many wait at most.
fn of(max: usize, work: impl FnOnce()) -> Vec<Span> {
    let (queue, mut spans) = mpsc::channel(max);
    let subscriber = registry().with(Record::new(queue).with_filter(filter()));
    tracing::subscriber::with_default(subscriber, work);
    std::iter::from_fn(|| spans.try_recv().ok()).collect()
}

/// A request, as the gateway makes its span.
fn request(span_id: Option<&str>, status: u16) {
    let span = tracing::error_span!(
        target: "gateway::trace",
        "request",
        trace_id = %TRACE,
        span_id = span_id.map(tracing::field::display),
        parent_span_id = tracing::field::Empty,
        method = "GET",
        route = "/v1/sales/{sale}",
        status = tracing::field::Empty,
        failed = tracing::field::Empty,
    );
    span.in_scope(|| tracing::error!(email = "ada@example.com", "said within it"));
    span.record("status", status);
    span.record("failed", status >= 500);
}

#[test]
fn a_span_that_is_recorded_is_exported_with_its_ids_and_fields_alone() {
    let spans = of(10, || {
        request(Some("00f067aa0ba902b7"), 503);
        request(Some("00f067aa0ba902b8"), 404);
        request(None, 503);
        tracing::error_span!(target: "fred", "request", trace_id = %TRACE, span_id = %"00f067aa0ba902b9")
            .in_scope(|| ());
    });
    assert_eq!(spans.len(), 2, "{spans:?}");
    let codes = spans.iter().map(|span| span.status.clone().unwrap().code());
    assert!(codes.eq([StatusCode::Error, StatusCode::Unset]), "{spans:?}");
    let span = &spans[0];
    assert_eq!(
        (hex::encode(&span.trace_id), hex::encode(&span.span_id)),
        (TRACE.to_owned(), "00f067aa0ba902b7".to_owned())
    );
    assert_eq!((span.name.as_str(), span.kind(), span.flags), ("GET /v1/sales/{sale}", SpanKind::Server, SAMPLED_ROOT));
    assert!(span.parent_span_id.is_empty() && span.events.is_empty(), "{span:?}");
    let keys: Vec<_> = span.attributes.iter().map(|said| said.key.as_str()).collect();
    assert_eq!(keys, ["method", "route", "status"]);
}

#[test]
fn a_job_without_an_end_failed() {
    let job = |failed: Option<bool>| {
        tracing::error_span!(
            target: "workers::trace",
            "job",
            trace_id = %TRACE,
            span_id = %"00f067aa0ba902b7",
            parent_span_id = %"00f067aa0ba902b6",
            kind = "payment_capture",
            failed,
        );
    };
    let spans = of(10, || [None, Some(true), Some(false)].into_iter().for_each(job));
    let codes = spans.iter().map(|span| span.status.clone().unwrap().code());
    assert!(codes.eq([StatusCode::Error, StatusCode::Error, StatusCode::Unset]), "{spans:?}");
    let below =
        |span: &Span| span.kind() == SpanKind::Consumer && hex::encode(&span.parent_span_id) == "00f067aa0ba902b6";
    assert!(spans.iter().all(|span| below(span) && span.name == "payment_capture"), "{spans:?}");
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let spans = metrics::with_local_recorder(&recorder, || {
        of(2, || (0..5).for_each(|_| request(Some("00f067aa0ba902b7"), 200)))
    });
    assert_eq!(spans.len(), 2);
    let scraped = handle.render();
    assert!(scraped.contains("onsale_spans_total{outcome=\"dropped\"} 3"), "{scraped}");
}
