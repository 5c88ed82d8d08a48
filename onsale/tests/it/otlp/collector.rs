//! A collector as OTLP/HTTP has it: it reads protobuf, keeps what it is sent, and fails when it is told to.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const BOUND: Duration = Duration::from_secs(30);

/// What it does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Takes,
    Answers(StatusCode),
    /// Never answers.
    Hangs,
}

/// A span, and the service whose it is.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) service: String,
    pub(super) span: Span,
}

impl Taken {
    /// An attribute in words.
    pub(super) fn says(&self, key: &str) -> String {
        said(&self.span.attributes, key)
    }
}

/// What those attributes say under that key.
fn said(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

struct Kept {
    mood: Mood,
    calls: u32,
    batches: Vec<Bytes>,
}

/// A running collector; it ends with the test.
pub(super) struct Collector {
    port: u16,
    kept: Arc<Mutex<Kept>>,
    tasks: JoinSet<()>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Mutex::new(Kept { mood: Mood::Takes, calls: 0, batches: Vec::new() }));
        let (shared, mut tasks) = (Arc::clone(&kept), JoinSet::new());
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&kept), request));
                lines.spawn(async move {
                    // Whoever hangs up has its reasons.
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, kept, tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn is(&self, mood: Mood) {
        self.kept.lock().unwrap().mood = mood;
    }

    /// Hangs up, and is not there any more.
    pub(super) fn is_gone(&mut self) {
        self.tasks.abort_all();
    }

    /// Calls so far, whatever came of them.
    pub(super) fn calls(&self) -> u32 {
        self.kept.lock().unwrap().calls
    }

    /// Every span that it took.
    pub(super) fn spans(&self) -> Vec<Taken> {
        let batches = self.kept.lock().unwrap().batches.clone();
        let requests = batches.into_iter().map(|batch| ExportTraceServiceRequest::decode(batch).unwrap());
        let of_services = requests.flat_map(|request| request.resource_spans).flat_map(|of_service| {
            let service = said(&of_service.resource.unwrap().attributes, "service.name");
            let spans = of_service.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.map(move |span| Taken { service: service.clone(), span })
        });
        of_services.collect()
    }

    /// All that it took, as it came.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.kept.lock().unwrap().batches.concat()
    }

    /// Waits for a span.
    pub(super) async fn has(&self, what: &str, fits: impl Fn(&Taken) -> bool) -> Taken {
        let started = Instant::now();
        loop {
            if let Some(found) = self.spans().into_iter().find(&fits) {
                return found;
            }
            assert!(started.elapsed() < BOUND, "no span of {what} among {:?}", self.spans());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until it is called once more than so often.
    pub(super) async fn is_called_after(&self, calls: u32) {
        let started = Instant::now();
        while self.calls() <= calls {
            assert!(started.elapsed() < BOUND, "nobody calls");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn answer(kept: Arc<Mutex<Kept>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!((parts.method.as_str(), parts.uri.path()), ("POST", "/v1/traces"));
    assert_eq!(parts.headers[header::CONTENT_TYPE], "application/x-protobuf");
    let mood = {
        let mut kept = kept.lock().unwrap();
        kept.calls += 1;
        if kept.mood == Mood::Takes {
            kept.batches.push(body);
        }
        kept.mood
    };
    let (status, told) = match mood {
        Mood::Takes => (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec()),
        Mood::Answers(status) => (status, Vec::new()),
        Mood::Hangs => std::future::pending().await,
    };
    Ok(Response::builder().status(status).body(Full::new(told.into())).unwrap())
}
