//! Requests of all fans, over one pool of connections: each fan with an address of its own, as a trusted proxy tells it.
//!
//! Bound: [`AT_ONCE_MAX`] requests under way, of which [`AT_THE_TILL_MAX`] are for who has a turn, so that a crowd that polls
//! keeps nobody from buying. Who waits for one of them waits on its own clock, so that what the fans cannot send in time shows
//! in the times.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::rehearse::tally::{Gauge, Step, Tally};

/// Requests under way at once; each is a connection with two ends in this process.
pub(in crate::rehearse) const AT_ONCE_MAX: usize = 1_200;
const AT_THE_TILL_MAX: usize = 400;
/// Longer than the gateway lets any answer take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Sends requests.
pub(in crate::rehearse) struct Client {
    base: String,
    pool: Pool<HttpConnector, Full<Bytes>>,
    outside: Semaphore,
    at_the_till: Semaphore,
    tally: Arc<Tally>,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) step: Step,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) address: String,
    pub(super) token: Option<String>,
    pub(super) key: Option<String>,
    pub(super) body: Value,
}

/// What came back; no status when nothing did.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: Option<StatusCode>,
    pub(super) retry_after: Option<Duration>,
    body: Bytes,
}

impl Client {
    pub(in crate::rehearse) fn new(base: &str, tally: Arc<Tally>) -> Self {
        let mut builder = Pool::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_max_idle_per_host(AT_ONCE_MAX);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            base: base.to_owned(),
            pool: builder.build(connector),
            outside: Semaphore::new(AT_ONCE_MAX - AT_THE_TILL_MAX),
            at_the_till: Semaphore::new(AT_THE_TILL_MAX),
            tally,
        }
    }

    /// Sends a request; what it took is kept by its step.
    pub(super) async fn ask(&self, ask: &Ask) -> Answer {
        let began = Instant::now();
        let room = if ask.step.is_shopping() { &self.at_the_till } else { &self.outside };
        let _room = room.acquire().await;
        let under_way = self.tally.raise(Gauge::UnderWay);
        let answered = timeout(ANSWER_WITHIN, self.exchange(ask)).await.ok().flatten();
        drop(under_way);
        let answer = answered.unwrap_or(Answer { status: None, retry_after: None, body: Bytes::new() });
        self.tally.answered(ask.step, answer.status.map_or(0, |status| status.as_u16()), began.elapsed());
        if !answer.is_good() {
            self.tally.refused(ask.step, &answer.code());
        }
        answer
    }

    async fn exchange(&self, ask: &Ask) -> Option<Answer> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{}{}", self.base, ask.path))
            .header("x-forwarded-for", &ask.address);
        if let Some(token) = &ask.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = &ask.key {
            request = request.header("idempotency-key", key);
        }
        let body = match &ask.body {
            Value::Null => Bytes::new(),
            body => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                body.to_string().into()
            }
        };
        let (parts, body) = self.pool.request(request.body(Full::new(body)).ok()?).await.ok()?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.ok()?.to_bytes();
        let after = parts.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        Some(Answer { status: Some(parts.status), retry_after: after.map(Duration::from_secs), body })
    }
}

impl Answer {
    pub(super) fn is_good(&self) -> bool {
        self.status.is_some_and(|status| status.is_success())
    }

    /// Whether the same request may be answered otherwise soon.
    pub(super) fn is_passing(&self) -> bool {
        self.status.is_none_or(|status| status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error())
    }

    /// The body as what it should be.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The stable code of a problem, or what stands for it.
    pub(super) fn code(&self) -> String {
        let Some(status) = self.status else { return "no_answer".to_owned() };
        let body: Option<Value> = self.read();
        let code = body.as_ref().and_then(|body| body["code"].as_str());
        code.map_or_else(|| status.as_u16().to_string(), str::to_owned)
    }
}
