//! The call to a collector.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message as _;

use super::super::Collector;
use super::CALL_MAX;
use crate::command::with_causes;

/// The media type of OTLP in protobuf.
const PROTOBUF: &str = "application/x-protobuf";
/// The largest answer read; the usual one is empty.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It may be sent again.
    #[error("{0}")]
    ForNow(String),
    /// It may not.
    #[error("{0}")]
    ForGood(String),
}

/// Posts over a connection of its own; the first call makes it.
pub(super) struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
}

/// A batch as it is sent.
pub(super) fn body(spans: ResourceSpans) -> Bytes {
    ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec().into()
}

impl Poster {
    pub(super) fn new(collector: &Collector) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connector.wrap_connector(tcp));
        Self { client, url: format!("{collector}/v1/traces") }
    }

    /// Sends a batch; how many of its spans the collector refused while it took the others.
    pub(super) async fn posts(&self, body: Bytes) -> Result<usize, Refused> {
        let late = |_| Err(Refused::ForNow(format!("no answer within {CALL_MAX:?}")));
        tokio::time::timeout(CALL_MAX, self.call(body)).await.unwrap_or_else(late)
    }

    async fn call(&self, body: Bytes) -> Result<usize, Refused> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::CONTENT_TYPE, PROTOBUF)
            .body(Full::new(body))
            .map_err(|error| Refused::ForGood(error.to_string()))?;
        let answer = self.client.request(request).await.map_err(|error| Refused::ForNow(with_causes(&error)))?;
        let status = answer.status();
        // Read to its end in any case: the connection is used again.
        let answer = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        match status {
            _ if status.is_success() => Ok(answer.map_or(0, |answer| refused_in(answer.to_bytes()))),
            // Those that the protocol lets a client repeat.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Refused::ForNow(format!("it answered {}", status.as_u16()))),
            _ => Err(Refused::ForGood(format!("it answered {}", status.as_u16()))),
        }
    }
}

/// What cannot be read refuses nothing: the status said that it was taken.
fn refused_in(answer: Bytes) -> usize {
    let partly = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
    partly.and_then(|partly| usize::try_from(partly.rejected_spans).ok()).unwrap_or_default()
}
