//! Answers: small, whole, in memory.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// What every endpoint gives.
pub(crate) type Answer = Response<Full<Bytes>>;

/// JSON with a status.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).expect("our answers have string keys and no failing serializer");
    json_bytes(status, body.into())
}

/// JSON that is already written.
pub(crate) fn json_bytes(status: StatusCode, body: Bytes) -> Answer {
    bytes_answer(status, "application/json", body)
}

/// A body of any type.
pub(crate) fn bytes_answer(status: StatusCode, media_type: &'static str, body: Bytes) -> Answer {
    let mut answer = empty(status);
    *answer.body_mut() = Full::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// A status alone.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
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
