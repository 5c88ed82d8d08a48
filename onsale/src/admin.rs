//! The admin address: `/livez`, `/readyz?verbose`, `/metrics`. For probes and scrapers, not for the public.
//!
//! `/livez` depends on nothing. `/readyz` has a line for each dependency and is 503 while one is away or while the
//! process drains. Whether stores answer is looked at every [`LOOK_EVERY`] also when no probe asks, for the gauges. Requests are served one connection at a time per scraper with a bound on how long each may take.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::ready::ReadyLine;
use gateway::Gateway;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use workers::Workers;

use crate::metrics::Exporter;

/// The longest a scrape or a probe may take.
const CONNECTION_WITHIN: Duration = Duration::from_secs(30);
/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How often the process looks whether what it needs is there: more often than anybody scrapes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A process that can say whether it is ready.
pub(crate) trait Ready: Send + Sync + 'static {
    /// A line for each thing it needs.
    fn ready(&self) -> impl Future<Output = Vec<ReadyLine>> + Send;
}

impl Ready for Arc<Gateway> {
    async fn ready(&self) -> Vec<ReadyLine> {
        Gateway::ready(self).await
    }
}

impl Ready for Arc<Workers> {
    async fn ready(&self) -> Vec<ReadyLine> {
        Workers::ready(self).await
    }
}

/// What the admin address tells of.
pub(crate) struct Admin<R> {
    ready: R,
    metrics: Exporter,
}

impl<R: Ready> Admin<R> {
    pub(crate) const fn new(ready: R, metrics: Exporter) -> Self {
        Self { ready, metrics }
    }

    /// Listens on `addr` and serves until `stop`; gives where it listens.
    ///
    /// # Errors
    /// The address cannot be had.
    pub(crate) async fn start(
        self,
        addr: SocketAddr,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> std::io::Result<SocketAddr> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (admin, connections) = (Arc::new(self), tasks.clone());
        tasks.spawn(Arc::clone(&admin).keep_looking(stop.clone()));
        tasks.spawn(async move {
            while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
                let Ok((stream, _)) = accepted else { continue };
                let (admin, stop) = (Arc::clone(&admin), stop.clone());
                connections.spawn(async move {
                    let serving = tokio::time::timeout(CONNECTION_WITHIN, admin.serve(stream));
                    // Cut at the end of the process or after its time: either way there is nothing to say.
                    let _ = stop.run_until_cancelled(serving).await;
                });
            }
        });
        Ok(addr)
    }

    /// Each part that is asked shows what it answered.
    async fn keep_looking(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let looks = async {
            loop {
                ticks.tick().await;
                self.ready.ready().await;
            }
        };
        stop.run_until_cancelled(looks).await;
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request| {
            let admin = Arc::clone(&self);
            async move { Ok::<_, Infallible>(admin.answer(&request).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "admin connection ended early");
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => self.readiness(request.uri().query()).await,
            "/metrics" => text(StatusCode::OK, self.metrics.render()),
            _ => text(StatusCode::NOT_FOUND, "there are /livez, /readyz?verbose and /metrics\n".to_owned()),
        }
    }

    async fn readiness(&self, query: Option<&str>) -> Response<Full<Bytes>> {
        let lines = self.ready.ready().await;
        let ok = lines.iter().all(|line| line.ok);
        let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if query.is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose"))) {
            return text(status, lines.iter().map(line_text).collect());
        }
        text(status, if ok { "ok\n" } else { "not ready\n" }.to_owned())
    }
}

fn line_text(line: &ReadyLine) -> String {
    let mark = if line.ok { "[+]" } else { "[-]" };
    let detail = if line.detail.is_empty() { String::new() } else { format!(": {}", line.detail) };
    format!("{mark} {}{detail}\n", line.name)
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")
        .body(Full::new(Bytes::from(body)))
        .expect("a status, a fixed header and bytes always make a response")
}
