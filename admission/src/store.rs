//! The connection to Redis.
//!
//! Shape: a few connections, each multiplexing all callers. Guarantees: a call answers or fails within
//! [`StoreConfig::command_timeout`]; while no connection stands it fails at once, so that the edge can refuse instead of
//! queueing; reconnecting goes on for ever at short, even distances, so service is back well within 2 s after Redis is.
//! A script whose answer was lost is *not* sent again (the client's default is to do that, silently): the caller decides,
//! knowing what the script's header says about repeats. A script that Redis does not know (restart, failover,
//! `SCRIPT FLUSH`) is sent in full, once, which also makes it known again.
//!
//! One server, Sentinel or Cluster: only the address differs. After a failover the client finds the new primary by itself.
//! In a cluster a call that meets the old owner of a slot fails, and the next one goes to the new owner; while a slot is on
//! its way, its sale is away. A client is connected to every primary or to none: while one of them is gone and not replaced
//! yet, no sale is served.
//!
//! What it does not do: no order between calls, no pub/sub, no reads from replicas.

mod link;
mod packed;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fred::clients::{Client, Pool, WithOptions};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface, LuaInterface};
use fred::types::config::{
    Config, ConnectionConfig, Options, PerformanceConfig, ReconnectPolicy, TcpConfig, UnresponsiveConfig,
};
use fred::types::{Builder, Value};
use tokio::task::JoinSet;

use crate::AdmissionError;
use crate::keys::SaleKeys;
use crate::metrics;
use crate::scripts::{Reply, Script};

/// How to talk to Redis.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Connections; Redis runs one script at a time, so a few keep it busy.
    pub connections: usize,
    /// How long a call may take.
    pub command_timeout: Duration,
    /// How long [`Store::connect`] waits for the first connection before it goes on without.
    pub connect_wait: Duration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { connections: 4, command_timeout: Duration::from_secs(1), connect_wait: Duration::from_secs(2) }
    }
}

/// Between two attempts to reconnect: several fit in the 2 s after which service must be back.
const RECONNECT_DELAY_MS: u32 = 100;
/// Writes of one call. A second one would send a script again whose answer was lost; and after `ASK` the client would take
/// the answer to its `ASKING` for that of whatever call is under way, and give each caller behind it somebody else's.
const WRITES_MAX: u32 = 1;
/// A new connection stands within this time or is tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection on which an answer is overdue by this is replaced: after a partition TCP itself may take much longer.
const SILENT_CONNECTION_MAX: Duration = Duration::from_secs(2);
/// How often connections are looked at for that.
const SILENT_CONNECTION_LOOK: Duration = Duration::from_millis(500);
/// Calls waiting for one connection; beyond it they fail at once.
const CALLS_WAITING_MAX: usize = 20_000;
/// How long a farewell to Redis may take.
const QUIT_WAIT: Duration = Duration::from_secs(1);

/// Redis, as the rest of the crate uses it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    options: Options,
    links: Arc<Mutex<JoinSet<()>>>,
}

impl Store {
    /// Connects in the background, waiting a bounded time for the first connection: a process may start before its Redis.
    ///
    /// # Errors
    /// The address is not one of Redis.
    pub async fn connect(url: &str, config: StoreConfig) -> Result<Self, AdmissionError> {
        let pool = pool(url, &config).map_err(AdmissionError::Unavailable)?;
        let links = link::keep(&pool);
        let connected = tokio::time::timeout(config.connect_wait, pool.wait_for_connect()).await;
        if !matches!(connected, Ok(Ok(()))) {
            tracing::warn!("Redis does not answer yet; connecting goes on in the background");
        }
        Ok(Self { pool, options: call_options(&config), links: Arc::new(Mutex::new(links)) })
    }

    /// Whether Redis answers. What it says is shown as a gauge.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), AdmissionError> {
        let answer = self.client().ping::<()>(None).await.map_err(AdmissionError::from_redis);
        metrics::answered(&answer);
        answer
    }

    /// Ends all connections. Calls on clones of this store fail from here on.
    pub async fn shutdown(self) {
        let farewell = tokio::time::timeout(QUIT_WAIT, self.pool.quit()).await;
        if !matches!(farewell, Ok(Ok(()))) {
            tracing::debug!("Redis did not take the farewell");
        }
        let mut links = std::mem::take(&mut *self.links.lock().unwrap_or_else(PoisonError::into_inner));
        links.shutdown().await;
    }

    /// The text at a key.
    pub(crate) async fn get(&self, key: String) -> Result<Option<String>, AdmissionError> {
        self.client().get(key).await.map_err(AdmissionError::from_redis)
    }

    /// The text in a field of a hash.
    pub(crate) async fn field(&self, key: String, field: String) -> Result<Option<String>, AdmissionError> {
        self.client().hget(key, field).await.map_err(AdmissionError::from_redis)
    }

    /// Runs a script once.
    pub(crate) async fn run(
        &self,
        script: &Script,
        keys: &SaleKeys,
        arguments: Vec<Value>,
    ) -> Result<Reply, AdmissionError> {
        self.run_with(script, keys, Vec::new(), arguments).await
    }

    /// Runs a script once that takes any number of keys, of which the last ones are given.
    pub(crate) async fn run_with(
        &self,
        script: &Script,
        keys: &SaleKeys,
        rest: Vec<String>,
        arguments: Vec<Value>,
    ) -> Result<Reply, AdmissionError> {
        let begun = Instant::now();
        let mut names = keys.names(script.keys);
        names.extend(rest);
        let answer = self.evaluate(script, &names, &arguments).await;
        let outcome = answer.map_err(AdmissionError::from_redis).and_then(|answer| Reply::parse(script.name, answer));
        metrics::script_ended(script.name, &outcome, begun.elapsed());
        outcome
    }

    async fn evaluate(&self, script: &Script, keys: &[String], arguments: &[Value]) -> Result<Value, Error> {
        let client = self.client();
        let (keys, arguments) = (packed::texts(keys), packed::values(arguments));
        match client.evalsha(script.sha1(), keys.clone(), arguments.clone()).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.eval(script.source(), keys, arguments).await
            }
            answer => answer,
        }
    }

    /// One of the connections, for what is asked of a server and not of a sale.
    pub(crate) fn any_connection(&self) -> Client {
        self.pool.next_connected().clone()
    }

    fn client(&self) -> WithOptions<Client> {
        self.pool.next_connected().with_options(&self.options)
    }
}

fn call_options(config: &StoreConfig) -> Options {
    Options {
        max_attempts: Some(WRITES_MAX),
        fail_fast: true,
        timeout: Some(config.command_timeout),
        ..Options::default()
    }
}

/// What an address may begin with; the client itself would take any word for a single server.
const SCHEMES: [&str; 6] = ["redis", "rediss", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel"];

fn pool(url: &str, config: &StoreConfig) -> Result<Pool, Error> {
    if !url.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme)) {
        return Err(Error::new(ErrorKind::Url, "an address of Redis begins with redis:// or rediss://"));
    }
    let redis = Config { fail_fast: false, ..Config::from_url(url)? };
    let mut builder = Builder::from_config(redis);
    builder.set_policy(ReconnectPolicy::new_constant(0, RECONNECT_DELAY_MS));
    builder.set_connection_config(ConnectionConfig {
        connection_timeout: CONNECT_TIMEOUT,
        internal_command_timeout: CONNECT_TIMEOUT,
        max_command_attempts: WRITES_MAX,
        max_command_buffer_len: CALLS_WAITING_MAX,
        unresponsive: UnresponsiveConfig { max_timeout: Some(SILENT_CONNECTION_MAX), interval: SILENT_CONNECTION_LOOK },
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        ..ConnectionConfig::default()
    });
    builder.set_performance_config(PerformanceConfig {
        default_command_timeout: config.command_timeout,
        ..PerformanceConfig::default()
    });
    builder.build_pool(config.connections)
}
