//! HTTP/1.1 as the fakes serve it: one connection at a time, small bodies, complete answers.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

/// Longest body read; the largest form of a client is a few KiB.
const BODY_MAX_BYTES: usize = 1 << 20;
/// Longest wait for the head of a request on an open connection.
const HEAD_MAX: Duration = Duration::from_secs(60);

/// A complete answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The connection is to be cut instead of answered.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
pub(crate) struct Cut;

/// Serves one connection until the client closes it or an answer is cut. Errors of the client's making end it quietly.
pub(crate) async fn serve<F, A>(stream: TcpStream, answer: F)
where
    F: Fn(Request<Bytes>) -> A,
    A: Future<Output = Result<Answer, Cut>>,
{
    let service = service_fn(|request: Request<Incoming>| async {
        match read(request).await {
            Ok(request) => answer(request).await,
            Err(refused) => Ok(refused),
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to a fake ended early");
    }
}

/// An answer with a body of the given type.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

async fn read(request: Request<Incoming>) -> Result<Request<Bytes>, Answer> {
    let (head, body) = request.into_parts();
    match Limited::new(body, BODY_MAX_BYTES).collect().await {
        Ok(body) => Ok(Request::from_parts(head, body.to_bytes())),
        Err(_) => Err(answer(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "the body is too large or broke off")),
    }
}
