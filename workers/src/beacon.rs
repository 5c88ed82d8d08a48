//! A public randomness beacon: drand's HTTP API, read.
//!
//! | call | drand |
//! |---|---|
//! | [`Beacon::chain`] | `GET {url}/info`, once: a chain never changes its period |
//! | [`Beacon::latest`] | `GET {url}/public/latest` |
//! | [`Beacon::value`] | `GET {url}/public/{round}` |
//!
//! Guarantees: a value whose randomness is not SHA-256 of its signature, or that is of another round than the one asked
//! for, is refused. What it does not do: verify the signature; whoever recomputes the draw does, because a value that we
//! had checked would still have to be believed. Bounds: [`CALL_MAX_S`] a call, [`ANSWER_BYTES_MAX`] an answer,
//! [`PERIOD_MAX_S`] between two rounds. After a call that failed it rests for [`REST_S`] and refuses meanwhile what is asked,
//! so that a beacon that is silent holds nobody up for long; an outage is one error in the log, and one line at its end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::time::Instant;

mod answer;
mod chain;
mod url;

pub(crate) use answer::Value;
pub(crate) use chain::{Chain, Round};
pub use url::{BadBeaconUrl, BeaconUrl};

use answer::{Info, Public};

/// How long one call may take: a draw can wait, the draws of other sales behind it less so.
const CALL_MAX_S: u64 = 2;

/// How long connecting may take, within [`CALL_MAX_S`].
const CONNECT_MAX_S: u64 = 1;

/// How long it rests after a call that failed.
const REST_S: u64 = 1;

/// The largest answer read; drand's have less than 1 KiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// The longest way from one round to the next: the line waits for up to two of them.
const PERIOD_MAX_S: u64 = 60;

/// Why a beacon gave nothing to use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeaconError {
    /// The round has not come.
    #[error("the round has not come")]
    NotYet,
    /// A draw waits for it, and this worker knows no such beacon.
    #[error("the beacon is not configured any more")]
    Unconfigured,
    /// It failed a moment ago and is left alone.
    #[error("it does not answer")]
    Resting,
    /// No whole answer in time.
    #[error("no answer within {CALL_MAX_S} s")]
    Late,
    /// The connection could not be made, or broke.
    #[error("connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another status than 200.
    #[error("it answered {0}")]
    Status(u16),
    /// An answer that is not one of drand's.
    #[error("unreadable answer: {0}")]
    Unreadable(&'static str),
    /// A round that was not asked for.
    #[error("it answered round {0}, which was not asked for")]
    WrongRound(u64),
    /// A value that does not belong to its signature.
    #[error("its randomness is not SHA-256 of its signature")]
    WrongRandomness,
}

/// A beacon, for as long as the process lives. Owns its connections.
pub(crate) struct Beacon {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: BeaconUrl,
    chain: OnceCell<Chain>,
    health: Mutex<Health>,
}

/// Whether the last call failed.
#[derive(Debug, Clone, Copy)]
enum Health {
    Well,
    FailingSince { last: Instant },
}

/// The newest round of a beacon, for who wants to know whether it answers; an error says why not.
///
/// # Errors
/// It does not answer, or not as drand does.
pub async fn beacon_round(url: BeaconUrl) -> Result<u64, String> {
    Beacon::new(url).latest().await.map_err(|error| with_causes(&error))
}

impl Beacon {
    /// The beacon at `url`. Connects on the first call.
    pub(crate) fn new(url: BeaconUrl) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connector());
        Self { client, url, chain: OnceCell::new(), health: Mutex::new(Health::Well) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &BeaconUrl {
        &self.url
    }

    /// When its rounds come. Asked once.
    pub(crate) async fn chain(&self) -> Result<&Chain, BeaconError> {
        self.chain.get_or_try_init(async || self.asks("info", Info::chain).await).await
    }

    /// The newest round it has said anything of.
    pub(crate) async fn latest(&self) -> Result<u64, BeaconError> {
        self.asks("public/latest", |public: Public| Ok(public.round)).await
    }

    /// What it said in a round.
    pub(crate) async fn value(&self, round: u64) -> Result<Value, BeaconError> {
        self.asks(&format!("public/{round}"), |public: Public| public.value(round)).await
    }

    /// Asks, and reads the answer; what cannot be used is a failure of the beacon like no answer at all.
    async fn asks<A: DeserializeOwned, T>(
        &self,
        path: &str,
        read: impl FnOnce(A) -> Result<T, BeaconError>,
    ) -> Result<T, BeaconError> {
        if let Health::FailingSince { last } = *self.health()
            && last.elapsed() < Duration::from_secs(REST_S)
        {
            return Err(BeaconError::Resting);
        }
        let exchange = tokio::time::timeout(Duration::from_secs(CALL_MAX_S), self.exchange(path));
        let answer = exchange.await.unwrap_or(Err(BeaconError::Late));
        let unreadable = |_| BeaconError::Unreadable("not the JSON of drand");
        let read = answer.and_then(|body| serde_json::from_slice(&body).map_err(unreadable)).and_then(read);
        self.tell(read.as_ref().err());
        read
    }

    async fn exchange(&self, path: &str) -> Result<Bytes, BeaconError> {
        let uri: Uri = format!("{}/{path}", self.url).parse().map_err(|_| BeaconError::Unreadable("not a path"))?;
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("onsale/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .expect("a URI and two constant headers are a request");
        let answer = self.client.request(request).await.map_err(|error| BeaconError::Connection(error.into()))?;
        match answer.status() {
            StatusCode::OK => {}
            // Relays of drand answer 404 to a round of the future, newer ones 425.
            StatusCode::NOT_FOUND | StatusCode::TOO_EARLY => return Err(BeaconError::NotYet),
            other => return Err(BeaconError::Status(other.as_u16())),
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(body.map_err(BeaconError::Connection)?.to_bytes())
    }

    /// An outage is one line in the log, not one for each call.
    fn tell(&self, failure: Option<&BeaconError>) {
        let before = *self.health();
        match (before, failure) {
            (Health::Well, None | Some(BeaconError::NotYet)) => return,
            (Health::FailingSince { .. }, None | Some(BeaconError::NotYet)) => {
                tracing::info!(beacon = %self.url, "the beacon answers again");
                *self.health() = Health::Well;
                return;
            }
            (Health::Well, Some(error)) => {
                tracing::error!(beacon = %self.url, error = %with_causes(error), "the beacon does not answer");
            }
            (Health::FailingSince { .. }, Some(_)) => {}
        }
        *self.health() = Health::FailingSince { last: Instant::now() };
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Plain HTTP is possible: nothing that is read is secret, and whoever verifies a draw verifies the value's signature.
fn connector() -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(Duration::from_secs(CONNECT_MAX_S)));
    HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(tcp)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
