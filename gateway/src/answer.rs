//! Answers: small, whole, in memory; save for event streams, which go on until somebody hangs up.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;
use tokio::sync::mpsc;

/// What most answers fit into, a hold with its receipt, too, so that they are written without moving house; and the headers
/// of a join, those of every answer included.
const JSON_USUAL_BYTES: usize = 1_024;
const HEADERS_USUAL: usize = 12;

/// What every endpoint gives.
pub(crate) type Answer = Response<Body>;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it; empty when it was sent.
    Whole(Bytes),
    /// As it comes, until its sender is dropped.
    Stream(mpsc::Receiver<Bytes>),
}

impl Body {
    /// No body.
    pub(crate) const EMPTY: Self = Self::Whole(Bytes::new());
}

impl From<Bytes> for Body {
    fn from(whole: Bytes) -> Self {
        Self::Whole(whole)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => {
                let whole = std::mem::take(bytes);
                Poll::Ready((!whole.is_empty()).then(|| Ok(Frame::data(whole))))
            }
            Self::Stream(parts) => parts.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// JSON with a status.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let mut json = Vec::with_capacity(JSON_USUAL_BYTES);
    serde_json::to_writer(&mut json, body).expect("our answers have string keys and no failing serializer");
    json_bytes(status, json.into())
}

/// JSON that is already written.
pub(crate) fn json_bytes(status: StatusCode, body: Bytes) -> Answer {
    bytes_answer(status, "application/json", body)
}

/// A body of any type.
pub(crate) fn bytes_answer(status: StatusCode, media_type: &'static str, body: Bytes) -> Answer {
    let mut answer = empty(status);
    *answer.body_mut() = body.into();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// A status alone.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::EMPTY);
    *answer.headers_mut() = HeaderMap::with_capacity(HEADERS_USUAL);
    *answer.status_mut() = status;
    answer
}

/// Adds headers one by one.
pub(crate) trait With {
    /// The same with a header more.
    fn with(self, name: HeaderName, value: HeaderValue) -> Self;
    /// The same with a header more whose text is ours and known to be fit for one.
    fn with_text(self, name: HeaderName, value: &str) -> Self;
}

impl With for Answer {
    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers_mut().append(name, value);
        self
    }

    fn with_text(self, name: HeaderName, value: &str) -> Self {
        self.with(name, HeaderValue::from_str(value).expect("our header values are visible ASCII"))
    }
}
