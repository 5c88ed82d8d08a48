//! The line to Stripe: one pooled HTTP/1.1 client that carries `async-stripe`'s requests.
//!
//! `async-stripe` brings its own client, which opens a connection for each call and has no timeout unless told; this one
//! keeps connections and bounds every call. It implements the crate's `StripeClient`, so the request builders and object
//! types are used as they come.
//!
//! Guarantees: one HTTP request for one call, no hidden retry; the caller's idempotency key, never an invented one; the
//! API version the object types were generated from; the same call is the same bytes, so a repetition under one key is
//! never taken for other parameters. Bounds: [`StripeConfig::timeout`](crate::StripeConfig) from first byte out to last
//! byte in, [`ANSWER_BYTES_MAX`]. How many calls run at once is the caller's bound: a pool's size, a gateway's limits.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use stripe_client_core::{
    CustomizedStripeRequest, RequestBuilder, RequestStrategy, StripeClient, StripeMethod, VERSION,
};

use crate::error::{StripeError, UnknownOutcome};

/// Idle connections kept to Stripe. Enough for the pools of one worker or one busy gateway to find a warm one.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// How long an idle connection is kept: well under a minute, so that it is ours to close and not a load balancer's.
const IDLE_CONNECTION_MAX_S: u64 = 25;

/// How long connecting may take; the call's own timeout covers the rest.
const CONNECT_MAX_S: u64 = 5;

/// The largest answer read. A payment intent with its charge is about 8 KiB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The client. Cheap to share behind the [`Stripe`](crate::Stripe) that owns it.
pub(crate) struct Wire {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
    timeout: Duration,
}

/// An answer, and when it was given by Stripe's clock, where it says so.
pub(crate) struct Answered {
    pub(crate) body: Bytes,
    pub(crate) at: Option<Timestamp>,
}

impl Wire {
    /// A client for `base`, an absolute `http` or `https` URL without `/v1`. Connects on the first call.
    pub(crate) fn new(base: &str, authorization: HeaderValue, timeout: Duration) -> Wire {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_CONNECTION_MAX_S))
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector());
        Wire { client, base: base.trim_end_matches('/').to_owned(), authorization, timeout }
    }

    /// Asks for what has no type of ours or theirs: a page of a list, to be read by the caller.
    pub(crate) async fn get(&self, path: &str, query: &str) -> Result<Bytes, StripeError> {
        Ok(self.get_dated(path, query).await?.body)
    }

    /// The same, with the time of the answer.
    pub(crate) async fn get_dated(&self, path: &str, query: &str) -> Result<Answered, StripeError> {
        let mut spec = RequestBuilder::new(StripeMethod::Get, path);
        spec.query = Some(query.to_owned());
        self.ask(&spec, None, self.timeout).await
    }

    /// Sends a form of which no money hangs: it has no key, so the caller looks before it repeats one.
    pub(crate) async fn post(&self, path: &str, form: String) -> Result<Bytes, StripeError> {
        let mut spec = RequestBuilder::new(StripeMethod::Post, path);
        spec.body = Some(form);
        Ok(self.ask(&spec, None, self.timeout).await?.body)
    }

    async fn ask(&self, spec: &RequestBuilder, key: Option<&str>, timeout: Duration) -> Result<Answered, StripeError> {
        let request = self.request(spec, key).map_err(|error| refused_here(&error))?;
        let started = Instant::now();
        let outcome = tokio::time::timeout(timeout, self.exchange(request))
            .await
            .unwrap_or(Err(StripeError::Unknown(UnknownOutcome::Timeout(timeout))));
        crate::metrics::call_ended(spec, &outcome, started.elapsed());
        outcome
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answered, StripeError> {
        let answer = self.client.request(request).await.map_err(|error| lost(error.into()))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(lost)?.to_bytes();
        match head.status.is_success() {
            true => Ok(Answered { body, at: date(&head.headers) }),
            false => Err(StripeError::classify(head.status, &head.headers, &body)),
        }
    }

    fn request(&self, spec: &RequestBuilder, key: Option<&str>) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::builder()
            .method(method(spec.method))
            .uri(self.uri(spec))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("onsale/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", VERSION.as_str());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if spec.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request.body(Full::from(spec.body.as_deref().map(canonical).unwrap_or_default()))
    }

    fn uri(&self, spec: &RequestBuilder) -> String {
        let query = spec.query.as_deref().filter(|query| !query.is_empty());
        format!("{}/v1{}{}{}", self.base, spec.path, if query.is_some() { "?" } else { "" }, query.unwrap_or_default())
    }
}

impl StripeClient for Wire {
    type Err = StripeError;

    async fn execute(&self, req: CustomizedStripeRequest) -> Result<Bytes, StripeError> {
        let (spec, config) = req.into_pieces();
        let key = config.request_strategy.as_ref().and_then(RequestStrategy::get_key);
        let key = key.as_ref().map(|key| key.as_str());
        Ok(self.ask(&spec, key, config.timeout.unwrap_or(self.timeout)).await?.body)
    }
}

/// Plain HTTP is possible here; whether it is allowed is decided where the configuration is read.
fn connector() -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(CONNECT_MAX_S)));
    HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(tcp)
}

/// A form in one fixed order. `async-stripe` keeps metadata in a hash map, whose order changes from call to call.
fn canonical(form: &str) -> String {
    let mut pairs: Vec<&str> = form.split('&').collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn method(method: StripeMethod) -> Method {
    match method {
        StripeMethod::Get => Method::GET,
        StripeMethod::Post => Method::POST,
        StripeMethod::Delete => Method::DELETE,
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

fn lost(error: Box<dyn std::error::Error + Send + Sync>) -> StripeError {
    StripeError::Unknown(UnknownOutcome::Connection(error))
}

/// A request that cannot even be written was not sent: an id or a key with a byte that no URL or header takes.
fn refused_here(error: &http::Error) -> StripeError {
    StripeError::Refused { status: 400, code: "unsendable".to_owned(), message: error.to_string() }
}

#[cfg(test)]
mod tests;
