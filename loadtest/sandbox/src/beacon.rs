//! A fake randomness beacon: drand's HTTP API, a round a period, values that anybody can foretell.
//!
//! It answers `GET /info`, `GET /public/latest` and `GET /public/{round}`, also behind its chain hash as drand's relays do
//! (`/{hash}/info`). A round that has not come is 404. The randomness of a round is SHA-256 of its signature, as drand's is;
//! the signature is a fixed function of the chain and the round, and no threshold signature at all: nobody may take a
//! value of this beacon for unpredictable. It does wrong on request: see [`BeaconFault`].
//!
//! Rounds follow a clock that the caller gives, so that a test that moves the time of a database moves the beacon with it.

mod round;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use self::round::Chain;
use crate::SandboxError;
use crate::clock::unix_ms;
use crate::http::{self as answers, Answer};
use crate::listen::Listener;

/// How long a silent beacon keeps a client waiting before it hangs up: longer than any client should wait.
const SILENCE: Duration = Duration::from_secs(120);

/// The clock a beacon goes by.
#[derive(Clone)]
pub struct BeaconClock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl BeaconClock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(unix_ms))
    }

    /// A clock that reads milliseconds since 1970 where the caller says.
    #[must_use]
    pub fn by(read: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for BeaconClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BeaconClock")
    }
}

/// How a [`FakeBeacon`] runs.
#[derive(Debug, Clone)]
pub struct FakeBeaconOptions {
    /// Where it listens; a free loopback port where `None`.
    pub bind: Option<SocketAddr>,
    /// The clock its rounds follow.
    pub clock: BeaconClock,
    /// Seconds from one round to the next.
    pub period_s: u32,
}

impl Default for FakeBeaconOptions {
    fn default() -> Self {
        Self { bind: None, clock: BeaconClock::system(), period_s: 1 }
    }
}

/// What a beacon does wrong until told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BeaconFault {
    /// Nothing.
    #[default]
    None,
    /// Connections are refused.
    Down,
    /// Connections are taken and nothing is answered.
    Silent,
    /// 500 to everything.
    Failing,
    /// Rounds come so much later than they should.
    Late {
        /// How much.
        by: Duration,
    },
    /// The randomness is not SHA-256 of the signature.
    WrongRandomness,
    /// The answer is of another round than the one asked for.
    WrongRound,
}

/// A running fake beacon. Dropping it ends it.
#[derive(Debug)]
pub struct FakeBeacon {
    core: Arc<Core>,
    listener: Listener,
}

#[derive(Debug)]
struct Core {
    chain: Chain,
    clock: BeaconClock,
    fault: Mutex<BeaconFault>,
    asked: AtomicU64,
}

impl FakeBeacon {
    /// Starts a beacon with a round a second, by the system's clock, on a free loopback port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> Result<FakeBeacon, SandboxError> {
        FakeBeacon::start_with(FakeBeaconOptions::default()).await
    }

    /// Starts a beacon.
    ///
    /// # Errors
    /// When its port cannot be bound.
    pub async fn start_with(options: FakeBeaconOptions) -> Result<FakeBeacon, SandboxError> {
        let core = Arc::new(Core {
            chain: Chain::new(options.period_s.max(1)),
            clock: options.clock,
            fault: Mutex::default(),
            asked: AtomicU64::new(0),
        });
        let answering = core.clone();
        let listener = Listener::start(options.bind, move |stream| {
            let core = answering.clone();
            async move {
                answers::serve(stream, |request| {
                    let core = core.clone();
                    async move { Ok(core.respond(&request).await) }
                })
                .await;
            }
        })
        .await?;
        Ok(FakeBeacon { core, listener })
    }

    /// `http://127.0.0.1:port`, for `ONSALE_BEACON_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// The hash that names its chain, in hex.
    #[must_use]
    pub fn chain_hash(&self) -> String {
        self.core.chain.hash()
    }

    /// Does this wrong from now on. Going down refuses connections and cuts those there are; any other fault, and
    /// [`BeaconFault::None`], brings it back on the same port.
    ///
    /// # Errors
    /// When its port was taken meanwhile.
    pub async fn set_fault(&self, fault: BeaconFault) -> Result<(), SandboxError> {
        *self.core.fault() = fault;
        match fault {
            BeaconFault::Down => {
                self.listener.close().await;
                Ok(())
            }
            BeaconFault::None
            | BeaconFault::Silent
            | BeaconFault::Failing
            | BeaconFault::Late { .. }
            | BeaconFault::WrongRandomness
            | BeaconFault::WrongRound => self.listener.reopen().await,
        }
    }

    /// How often it was asked anything.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.core.asked.load(Ordering::Relaxed)
    }
}

impl Core {
    fn fault(&self) -> MutexGuard<'_, BeaconFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn respond(&self, request: &Request<Bytes>) -> Answer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let fault = *self.fault();
        match fault {
            BeaconFault::Silent => {
                tokio::time::sleep(SILENCE).await;
                refused(StatusCode::GATEWAY_TIMEOUT)
            }
            BeaconFault::Failing => refused(StatusCode::INTERNAL_SERVER_ERROR),
            _ if request.method() != Method::GET => refused(StatusCode::METHOD_NOT_ALLOWED),
            _ => self.look_up(request.uri().path(), fault).map_or_else(|| refused(StatusCode::NOT_FOUND), found),
        }
    }

    fn look_up(&self, path: &str, fault: BeaconFault) -> Option<Value> {
        let behind_hash = path.strip_prefix(&format!("/{}", self.chain.hash()));
        let latest = self.latest(fault);
        match behind_hash.unwrap_or(path) {
            "/info" => Some(self.chain.info()),
            "/public/latest" => latest.map(|round| self.public(round, fault)),
            path => {
                let round: u64 = path.strip_prefix("/public/")?.parse().ok()?;
                let has_come = round >= 1 && latest.is_some_and(|latest| round <= latest);
                has_come.then(|| self.public(round, fault))
            }
        }
    }

    /// The newest round; none before the first.
    fn latest(&self, fault: BeaconFault) -> Option<u64> {
        let late_ms = match fault {
            BeaconFault::Late { by } => i64::try_from(by.as_millis()).unwrap_or(i64::MAX),
            _ => 0,
        };
        self.chain.round_at((self.clock.0)().saturating_sub(late_ms))
    }

    fn public(&self, round: u64, fault: BeaconFault) -> Value {
        let round = if fault == BeaconFault::WrongRound { round + 1 } else { round };
        let signature = self.chain.signature(round);
        let mut randomness = round::randomness(&signature);
        if fault == BeaconFault::WrongRandomness {
            randomness[0] ^= 1;
        }
        json!({ "round": round, "randomness": hex::encode(randomness), "signature": hex::encode(signature) })
    }
}

fn found(body: Value) -> Answer {
    answers::answer(StatusCode::OK, "application/json", body.to_string())
}

fn refused(status: StatusCode) -> Answer {
    answers::answer(status, "text/plain", status.canonical_reason().unwrap_or_default())
}
