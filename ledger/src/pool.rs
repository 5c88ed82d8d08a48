//! The connections of one process: lazily made, bounded, recovering by themselves.
//!
//! Every wait ends: for a connection, for connecting, for a lock, for a statement. A statement that lost a deadlock or a
//! serialization race was rolled back whole and is sent again, a few times; nothing else is ever repeated here.
//!
//! Who acts for a request says so ([`Ledger::traced`]): the jobs, events and payments that its acts write keep its trace. It goes
//! along in the statement of the act, as the setting `onsale.trace` of that transaction alone, and costs no call of its own.

use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use domain::trace::Traceparent;
use jiff::Timestamp;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};

use crate::hosts::Hosts;
use crate::{LedgerError, Role, metrics};

/// How many connections, and how long to wait for what.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// The most connections at once.
    pub connections_max: usize,
    /// For a free connection.
    pub wait_max: Duration,
    /// For a new connection.
    pub connect_max: Duration,
    /// For one statement.
    pub statement_max: Duration,
    /// For one lock.
    pub lock_max: Duration,
    /// What the connections call themselves in `pg_stat_activity`.
    pub application: String,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            connections_max: 16,
            wait_max: Duration::from_secs(2),
            connect_max: Duration::from_secs(2),
            // Publishing writes a row for each of 100,000 units in one statement; nothing else comes near.
            statement_max: Duration::from_secs(10),
            lock_max: Duration::from_secs(2),
            application: "onsale".to_owned(),
        }
    }
}

/// How busy the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// The most there may be.
    pub max: usize,
    /// Connections made.
    pub size: usize,
    /// Of them, free.
    pub available: usize,
    /// Callers waiting for one.
    pub waiting: usize,
}

/// The database, played in one role. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pool: Pool,
    answer_max: Duration,
    connect_max: Duration,
    hosts: Hosts,
    trace: Option<Traceparent>,
}

/// Parameters of a statement.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How often a statement that lost a race is sent. Locks are taken in one order, so the second time is the last.
const ATTEMPTS_MAX: u32 = 3;

/// How long an idle connection is trusted before it is asked for a sign of life.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(5);
/// How often it is asked then, and how often in vain: a server that is gone without a word is known to be within 11 s, also by
/// a connection that only listens.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(2);
const KEEPALIVES_MAX: u32 = 3;
/// What an answer may take longer than its statement on the way.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

impl Ledger {
    /// A pool for `url`. Connects when first used, so a database that is away now is no error here.
    ///
    /// # Errors
    /// The URL is not one.
    pub fn connect(url: &str, role: Role, config: PoolConfig) -> Result<Self, LedgerError> {
        let hosts = Hosts::of(&url.parse()?, |host| dress(host, role, &config));
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(hosts.any().clone(), hosts.clone(), recycling);
        let pool = Pool::builder(manager)
            .max_size(config.connections_max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(config.wait_max))
            .create_timeout(Some(config.connect_max))
            .recycle_timeout(Some(config.connect_max))
            .build()
            .map_err(|error| LedgerError::Unavailable(Box::new(error)))?;
        let answer_max = config.statement_max + ANSWER_MARGIN;
        Ok(Self { pool, answer_max, connect_max: config.connect_max, hosts, trace: None })
    }

    /// The same database, for the acts of one request: what they write keeps its trace.
    #[must_use]
    pub fn traced(&self, trace: Traceparent) -> Self {
        Self { trace: Some(trace), ..self.clone() }
    }

    /// Whether the database answers, and takes writes. What it says, and how busy the pool was before, is shown as gauges.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        metrics::pool_is(self.pool_status());
        let answer = self.takes_writes().await;
        metrics::answered(&answer);
        answer
    }

    async fn takes_writes(&self) -> Result<(), LedgerError> {
        match self.one("SELECT current_setting('transaction_read_only') = 'off'", &[]).await?.try_get(0)? {
            true => Ok(()),
            false => Err(LedgerError::Unavailable("it takes no writes".into())),
        }
    }

    /// The time that decides on orders, payments and draws: the database's.
    ///
    /// # Errors
    /// The database is away.
    pub async fn now(&self) -> Result<Timestamp, LedgerError> {
        Ok(self.one("SELECT onsale_now()", &[]).await?.try_get(0)?)
    }

    /// How busy the pool is.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus { max: status.max_size, size: status.size, available: status.available, waiting: status.waiting }
    }

    /// The servers, for a connection of this role that is kept outside the pool, and how long making one may take.
    pub(crate) fn hosts(&self) -> (&Hosts, Duration) {
        (&self.hosts, self.connect_max)
    }

    pub(crate) async fn client(&self) -> Result<Object, LedgerError> {
        let asked = Instant::now();
        let client = self.pool.get().await;
        metrics::waited(asked.elapsed());
        Ok(client?)
    }

    /// Runs one autocommitted statement.
    pub(crate) async fn rows(&self, statement: &'static str, params: Params<'_>) -> Result<Vec<Row>, LedgerError> {
        let client = self.client().await?;
        let mut attempt = 1;
        loop {
            let asked = async { client.query(&client.prepare_cached(statement).await?, params).await };
            // The server's own timeouts do not help when the line to it is dead: such a connection is not used again.
            let Ok(answer) = tokio::time::timeout(self.answer_max, asked).await else {
                drop(Object::take(client));
                return Err(LedgerError::Unavailable("no answer in time".into()));
            };
            match answer {
                Err(error) if attempt < ATTEMPTS_MAX && lost_a_race(&error) => attempt += 1,
                // The server is no primary any more; who is asked next may be.
                Err(error) if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
                    drop(Object::take(client));
                    return Err(error.into());
                }
                result => return Ok(result?),
            }
        }
    }

    /// Runs one autocommitted statement that answers at most one row.
    pub(crate) async fn row(&self, statement: &'static str, params: Params<'_>) -> Result<Option<Row>, LedgerError> {
        Ok(self.rows(statement, params).await?.pop())
    }

    /// Runs one autocommitted statement that always answers a row.
    pub(crate) async fn one(&self, statement: &'static str, params: Params<'_>) -> Result<Row, LedgerError> {
        let row = self.row(statement, params).await?;
        row.ok_or_else(|| LedgerError::Corrupt(format!("no answer to: {statement}")))
    }

    /// The same of an act whose last parameter, after these, is the trace of what it writes; empty for none.
    pub(crate) async fn one_traced(&self, statement: &'static str, params: Params<'_>) -> Result<Row, LedgerError> {
        let trace = self.trace.map(|trace| trace.to_string()).unwrap_or_default();
        let params: Vec<_> = params.iter().copied().chain([&trace as &(dyn ToSql + Sync)]).collect();
        self.one(statement, &params).await
    }
}

/// The trace that a row keeps. What cannot be read is as good as none: a trace only explains.
pub(crate) fn trace_of(text: Option<&str>) -> Option<Traceparent> {
    text?.parse().ok()
}

fn dress(connection: &mut Config, role: Role, config: &PoolConfig) {
    let given = connection.get_options().map(|options| format!("{options} ")).unwrap_or_default();
    // Nothing here keeps a transaction open between calls, so an idle one is a bug that must not hold locks for long.
    // No statement runs long enough to be worth compiling. Some switch scans off, which makes a plan without any other way
    // look endless: compiling it took 70 ms for each call of a function inside it.
    connection.options(format!(
        "{given}-c role={} -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} -c jit=off",
        role.name(),
        config.statement_max.as_millis(),
        config.lock_max.as_millis(),
        config.statement_max.as_millis(),
    ));
    connection.application_name(&config.application);
    connection.connect_timeout(config.connect_max);
    connection.keepalives_idle(KEEPALIVE_AFTER);
    connection.keepalives_interval(KEEPALIVE_EVERY);
    connection.keepalives_retries(KEEPALIVES_MAX);
    connection.tcp_user_timeout(config.statement_max);
}

fn lost_a_race(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(code) if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(code))
}
