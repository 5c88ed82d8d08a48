//! Connections: accepted, bounded, timed, drained.
//!
//! HTTP/1.1 and HTTP/2 without TLS on one port; TLS ends before us. Each bound is a named constant beside its reason: how
//! many connections, how long a request's head, its body and its answer may take, how many requests run at once.
//!
//! Draining, so that no request fails that a load balancer still sends here:
//!
//! | phase | new connections | requests | connections |
//! |---|---|---|---|
//! | notice ([`Drain::notice`](crate::Drain)) | served | answered, with `Connection: close` | stay open until their next answer |
//! | parting | refused, once those that the system had made are taken | those under way end | idle ones close after [`LAST_REQUESTS`] |
//! | after [`Drain::requests_max`](crate::Drain) more | refused | | cut |
//!
//! Sockets say good-bye in their own time while the gateway parts (see [`crate::socket`]).

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use crate::answer::{Answer, Body, With as _, empty};
use crate::app::App;
use crate::endpoints;
use crate::headers;
use crate::limits::Client;
use crate::metrics;
use crate::problem::{Code, Problem};
use crate::request::{self, Params, Request, address};
use crate::route::{Matched, Route, Router};
use crate::trace::Trace;

/// Connections at once, before they become sockets; those have a bound of their own.
pub const CONNECTIONS_MAX: usize = 100_000;

/// Requests answered at once. More than Postgres' pool and Redis' pipeline keep busy; beyond it, waiting only hides that
/// there are too few gateways.
const REQUESTS_MAX: usize = 4_096;

/// How long a request's head may take, and how long a connection may be idle: browsers and load balancers keep idle
/// connections for about a minute and reopen without complaint.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// How long a body may take: 64 KiB at the speed of a bad phone.
const BODY_MAX: Duration = Duration::from_secs(10);

/// How long an answer may take. Paying waits for the bank through Stripe; everything else ends by its store's own bounds.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const PAY_ANSWER_MAX: Duration = Duration::from_secs(45);

/// Headers of one request, together. Three tokens in cookies are about 1 KiB.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// Requests of one HTTP/2 connection at once: a page needs a dozen.
const STREAMS_MAX: u32 = 128;

/// How long what we sent may stay unread: a client that does not read, or that is gone without a word, is dropped by the
/// system, and what waits for it with it. Longer than a phone needs to change networks; event streams have no pong, so
/// this is what tells that nobody listens.
#[cfg(target_os = "linux")]
const UNREAD_MAX: Duration = Duration::from_secs(10);

/// How often an HTTP/2 connection is asked for a sign of life, and how long it may take to give one.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_MAX: Duration = Duration::from_secs(20);

/// How long idle connections stay when the listener is closed: what was sent before that is here by then.
pub(crate) const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// How long accepting pauses after the system refused a connection: most often there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What serves connections.
pub(crate) struct Server {
    app: Arc<App>,
    router: Router,
    requests: Semaphore,
    builder: auto::Builder<TokioExecutor>,
}

impl Server {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app, router: Router::new(), requests: Semaphore::new(REQUESTS_MAX), builder: builder() }
    }

    /// Accepts connections until the gateway parts; takes what waits to be accepted then, and closes the listener.
    pub(crate) async fn accept(self: Arc<Self>, listener: TcpListener) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let permit = Arc::clone(&connections).acquire_owned();
            let accepted = async {
                let permit = permit.await.expect("nobody closes this semaphore");
                listener.accept().await.map(|(stream, peer)| (stream, peer, permit))
            };
            tokio::select! {
                () = self.app.parting.cancelled() => break,
                accepted = accepted => self.take(accepted).await,
            }
        }
        if let Err(error) = self.take_those_who_wait(listener, &connections) {
            tracing::warn!(%error, "connections that nobody had accepted yet are lost");
        }
    }

    /// Takes the connections that the system has made and that nobody has accepted: closing the listener would reset them,
    /// with the requests that were sent over them. Asks the system itself, because the runtime may not have heard of them.
    fn take_those_who_wait(self: &Arc<Self>, listener: TcpListener, connections: &Arc<Semaphore>) -> io::Result<()> {
        let listener = listener.into_std()?;
        while let Ok(permit) = Arc::clone(connections).try_acquire_owned() {
            let (stream, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            self.begin(TcpStream::from_std(stream)?, peer, permit);
        }
        Ok(())
    }

    async fn take(self: &Arc<Self>, accepted: io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)>) {
        match accepted {
            Ok((stream, peer, permit)) => self.begin(stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn begin(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let server = Arc::clone(self);
        self.app.visits.spawn(async move {
            server.serve(stream, peer.ip()).await;
            drop(permit);
        });
    }

    /// Serves one connection to its end. hyper bounds the time of each head but not of the very first bytes, from which
    /// the protocol is told; so the first request has a clock of its own.
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: IpAddr) {
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD_MAX));
        let begun = AtomicBool::new(false);
        let service = service_fn(|request| {
            begun.store(true, Ordering::Relaxed);
            Box::pin(Arc::clone(&self).answer(request, peer))
        });
        let mut connection = pin!(self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let mut first_request = pin!(tokio::time::sleep(HEAD_MAX));
        let mut parting = pin!(self.app.parting.cancelled());
        let mut silent = true;
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = &mut first_request, if silent => match begun.load(Ordering::Relaxed) {
                    true => silent = false,
                    false => return,
                },
                () = &mut parting => break,
            }
        }
        if tokio::time::timeout(LAST_REQUESTS, connection.as_mut()).await.is_ok() {
            return;
        }
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(self.app.config.drain.requests_max, connection).await;
    }

    async fn answer(self: Arc<Self>, request: http::Request<Incoming>, peer: IpAddr) -> Result<Answer, Infallible> {
        let started = Instant::now();
        let (method, version) = (request.method().clone(), request.version());
        let trace = Trace::of(request.headers(), self.app.config.sampling);
        let matched = self.router.find(&method, request.uri().path());
        let span = match &matched {
            Matched::To(route, params) => trace.span(&method, Some(*route), params),
            Matched::Options(_) | Matched::Refused(_) => trace.span(&method, None, &Params::default()),
        };
        let (route, mut answer) = self.dispatch(matched, request, peer, trace).instrument(span.clone()).await;
        headers::complete(&mut answer, self.app.public_url().transport());
        if method == Method::HEAD {
            cut_body(&mut answer);
        }
        // HTTP/2 has no such header; it says so when the listener is closed, and loses nothing by it.
        let says_close = version <= Version::HTTP_11 && answer.status() != StatusCode::SWITCHING_PROTOCOLS;
        if says_close && self.app.draining.is_cancelled() {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let took = started.elapsed();
        metrics::request_ended(route, &method, answer.status(), took);
        trace.ended(&span, answer.status());
        span.in_scope(|| tracing::debug!(status = answer.status().as_u16(), ?took, "answered"));
        Ok(answer)
    }

    async fn dispatch(
        &self,
        matched: Matched,
        request: http::Request<Incoming>,
        peer: IpAddr,
        trace: Trace,
    ) -> (Option<Route>, Answer) {
        match matched {
            Matched::To(route, params) => {
                let client = address::client(peer, request.headers(), &self.app.config.trusted_proxies);
                let (parts, body) = request.into_parts();
                let mut request = Request { parts, body: bytes::Bytes::new(), params, client, trace, upgrade: None };
                (Some(route), self.limited(route, &mut request, body).await)
            }
            Matched::Options(allow) => (None, empty(StatusCode::NO_CONTENT).with(header::ALLOW, allow)),
            Matched::Refused(problem) => (None, problem.into_answer(trace.here.trace)),
        }
    }

    /// Counts the request, and lets it in if there is room.
    async fn limited(&self, route: Route, request: &mut Request, body: Incoming) -> Answer {
        let trace_id = request.trace.here.trace;
        let refusal = |problem: Problem| problem.into_answer(trace_id);
        let left = match route.limit().map(|limit| self.app.count(limit, Client::Address(request.client))) {
            Some(Err(refused)) => return refusal(refused),
            Some(Ok(left)) => left,
            None => None,
        };
        let Ok(_room) = self.requests.try_acquire() else {
            return refusal(Problem::new(Code::Overloaded));
        };
        let mut answer = self.handled(route, request, body).await.unwrap_or_else(refusal);
        if let Some(left) = left {
            left.tell(&mut answer);
        }
        answer
    }

    async fn handled(&self, route: Route, request: &mut Request, body: Incoming) -> Result<Answer, Problem> {
        if request::has_body(&request.parts.method) {
            let max_bytes = match route {
                Route::ReceiveStripeEvent => request::WEBHOOK_BODY_MAX_BYTES,
                _ => request::BODY_MAX_BYTES,
            };
            let whole = tokio::time::timeout(BODY_MAX, request::read_body(body, max_bytes)).await;
            request.body = whole.map_err(|_| Problem::new(Code::Overloaded).detail("The body took too long."))??;
        }
        if route == Route::WatchPlace {
            request.upgrade = request.parts.extensions.remove();
        }
        let answer_max = if route == Route::PayOrder { PAY_ANSWER_MAX } else { ANSWER_MAX };
        let answer = tokio::time::timeout(answer_max, endpoints::answer(route, &self.app, request)).await;
        answer.unwrap_or_else(|_| Err(Code::Overloaded.into()))
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_MAX_BYTES)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_MAX_BYTES).expect("16 KiB fit"))
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_MAX);
    builder
}

/// HEAD is GET without the body, with its length.
fn cut_body(answer: &mut Answer) {
    // What was not modified says no length: it would have to be that of the whole (RFC 9110, 8.6).
    let length = answer.body().size_hint().exact().filter(|_| answer.status() != StatusCode::NOT_MODIFIED);
    if let Some(length) = length {
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    *answer.body_mut() = Body::EMPTY;
}
