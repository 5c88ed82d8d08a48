//! A gateway seen from outside, and what it answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use uuid::Uuid;

/// How long an actor waits for one answer: longer than any bound of the gateway, so that it is the gateway that gives up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The largest answer an actor reads.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why an actor could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    /// No answer at all.
    #[error("{method} {path}: no answer")]
    NoAnswer {
        /// What was asked.
        method: Method,
        /// Of whom.
        path: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another answer than the actor can go on with.
    #[error("{method} {path}: unexpected answer {status} {body}")]
    Unexpected {
        /// What was asked.
        method: Method,
        /// Of whom.
        path: String,
        /// The answer's status.
        status: StatusCode,
        /// The answer's body.
        body: Value,
    },
    /// An answer lacks what the contract promises.
    #[error("no {field} in {body}")]
    Missing {
        /// What should be there.
        field: &'static str,
        /// Where.
        body: Value,
    },
    /// The socket broke or said something else than agreed.
    #[error("socket: {0}")]
    Socket(String),
    /// The socket is not opened at this moment.
    #[error("socket: {0}")]
    Busy(String),
    /// Nothing happened in time.
    #[error("waited {waited_s} s for {what}; last seen: {last}")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        waited_s: u64,
        /// What was seen last.
        last: Value,
    },
}

/// An answer of the gateway.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request's method.
    pub method: Method,
    /// The request's path.
    pub path: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON as it came, any other as a string, none as null.
    pub body: Value,
    /// The same as it came: a file is no text.
    pub bytes: Bytes,
}

impl Answer {
    /// The body, if the status is the one the actor needs.
    ///
    /// # Errors
    /// Any other status.
    pub fn expect(self, status: StatusCode) -> Result<Value, ActorError> {
        self.expect_one_of(&[status])
    }

    /// The body, if the status is one of those the actor needs.
    ///
    /// # Errors
    /// Any other status.
    pub fn expect_one_of(self, statuses: &[StatusCode]) -> Result<Value, ActorError> {
        if statuses.contains(&self.status) { Ok(self.body) } else { Err(self.into_error()) }
    }

    /// The stable code of a problem.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The error that this answer is for an actor who cannot go on with it.
    #[must_use]
    pub fn into_error(self) -> ActorError {
        ActorError::Unexpected { method: self.method, path: self.path, status: self.status, body: self.body }
    }
}

/// A gateway's address and a pooled connection to it. Clones share the pool.
#[derive(Debug, Clone)]
pub struct Edge {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Numbers the addresses that [`Edge::address`] hands out.
static NEXT_ADDRESS: AtomicU64 = AtomicU64::new(1);

impl Edge {
    /// The gateway at `base`, like `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// The same with a connection of its own for each request, as for those who ask once: a load balancer in front of
    /// gateways sees to each of them.
    #[must_use]
    pub fn of_strangers(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// The gateway's address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// An address of its own for one person, as a trusted proxy would report it.
    #[must_use]
    pub fn address() -> String {
        let [.., a, b, c] = NEXT_ADDRESS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        format!("10.{a}.{b}.{c}")
    }

    /// Sends a request with a JSON body (`Value::Null` for none) and reads the answer.
    ///
    /// # Errors
    /// No answer in time.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, ActorError> {
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let mut headers = headers.to_vec();
        if !body.is_null() {
            headers.push(("content-type", "application/json"));
        }
        self.send(method, path, &headers, bytes).await
    }

    /// Sends a request with any body and reads the answer.
    ///
    /// # Errors
    /// No answer in time.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, ActorError> {
        let no_answer = |source| no_answer(&method, path, source);
        let request = self.request(method.clone(), path, headers, body).map_err(no_answer)?;
        let exchange = async {
            let (parts, body) = self.client.request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok::<_, Source>((parts, body))
        };
        let answered = tokio::time::timeout(ANSWER_WITHIN, exchange).await;
        let (parts, body) = answered.map_err(|late| no_answer(late.into()))?.map_err(no_answer)?;
        let (body, bytes) = (read(&body), body);
        Ok(Answer { method, path: path.to_owned(), status: parts.status, headers: parts.headers, body, bytes })
    }

    /// Sends a request without a body and leaves the answer's body to be read as it comes.
    ///
    /// # Errors
    /// No head of an answer in time.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, ActorError> {
        let no_answer = |source| no_answer(&method, path, source);
        let request = self.request(method.clone(), path, headers, Bytes::new()).map_err(no_answer)?;
        let answered = tokio::time::timeout(ANSWER_WITHIN, self.client.request(request)).await;
        answered.map_err(|late| no_answer(late.into()))?.map_err(|error| no_answer(error.into()))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Source> {
        let uri: Uri = format!("{}{path}", self.base).parse()?;
        let request = Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Ok(request.body(Full::new(body))?)
    }
}

/// What an actor's HTTP failed of.
type Source = Box<dyn std::error::Error + Send + Sync>;

fn no_answer(method: &Method, path: &str, source: Source) -> ActorError {
    ActorError::NoAnswer { method: method.clone(), path: path.to_owned(), source }
}

fn read(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// A fresh idempotency key.
pub(super) fn idempotency_key() -> String {
    Uuid::new_v4().to_string()
}

/// The header value of a bearer token.
pub(super) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A field that the contract promises.
pub(super) fn text(body: &Value, field: &'static str) -> Result<String, ActorError> {
    let missing = || ActorError::Missing { field, body: body.clone() };
    body[field].as_str().map(str::to_owned).ok_or_else(missing)
}
