//! The servers that may hold the database: one, or a primary and its standbys, as `DATABASE_URL` names them.
//!
//! Of several, the one that takes writes is used. The one that did so last is asked first, the others a moment later, each
//! without waiting for another: a primary that is gone without a word, or that accepts and does not answer, holds nobody up.
//! The first connection that takes writes counts, the other attempts are dropped. Bound: the caller's, on all of it.
//!
//! What it does not do: tell two servers apart that both take writes. Whoever promotes a standby sees to it that the old primary
//! is gone (`docs/operations.md`).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, Error, NoTls, Socket};

/// What drives a connection.
pub(crate) type Driver = Connection<Socket, NoTlsStream>;

type Connected = Result<(Client, Driver), Error>;

/// How long the server that took writes last is asked alone: longer than it takes in one data centre, busy or not.
const HEAD_START: Duration = Duration::from_millis(250);

/// The servers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hosts {
    each: Arc<[Config]>,
    /// Which one took writes last.
    last: Arc<AtomicUsize>,
}

impl Hosts {
    /// The servers that a URL names, each with what `dress` adds.
    pub(crate) fn of(named: &Config, dress: impl Fn(&mut Config)) -> Self {
        let mut each = apart(named);
        each.iter_mut().for_each(dress);
        Self { each: each.into(), last: Arc::default() }
    }

    /// One of them, for its settings.
    pub(crate) fn any(&self) -> &Config {
        self.each.first().expect("there is one at least")
    }

    /// A connection to the one that takes writes.
    pub(crate) async fn connect(&self) -> Connected {
        let first = self.last.load(Ordering::Relaxed);
        let mut asked: Vec<_> = self.each.iter().enumerate().map(|host| Box::pin(ask(host, first))).collect();
        let (index, connected) = poll_fn(|context| {
            let mut next = 0;
            while let Some(host) = asked.get_mut(next) {
                match host.as_mut().poll(context) {
                    Poll::Pending => next += 1,
                    Poll::Ready((_, Err(_))) if asked.len() > 1 => drop(asked.swap_remove(next)),
                    Poll::Ready(done) => return Poll::Ready(done),
                }
            }
            Poll::Pending
        })
        .await;
        self.last.store(if connected.is_ok() { index } else { first }, Ordering::Relaxed);
        connected
    }
}

async fn ask((index, host): (usize, &Config), first: usize) -> (usize, Connected) {
    if index != first {
        tokio::time::sleep(HEAD_START).await;
    }
    (index, host.connect(NoTls).await)
}

impl Connect for Hosts {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(async {
            let (client, driver) = Self::connect(self).await?;
            Ok((client, drive(driver)))
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the pool ends it with its connection")]
fn drive(driver: Driver) -> JoinHandle<()> {
    tokio::spawn(async {
        if let Err(error) = driver.await {
            tracing::warn!(%error, "a connection to Postgres broke");
        }
    })
}

/// Each server on its own. A list that fits no other is left as it is: connecting says what is wrong with it.
fn apart(named: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (named.get_hosts(), named.get_hostaddrs(), named.get_ports());
    let count = hosts.len().max(addresses.len());
    let fits = |length: usize, least: usize| length <= least || length == count;
    if count < 2 || !fits(hosts.len(), 0) || !fits(addresses.len(), 0) || !fits(ports.len(), 1) {
        return vec![named.clone()];
    }
    (0..count).map(|index| alone(named, index)).collect()
}

fn alone(named: &Config, index: usize) -> Config {
    let mut one = Config::new();
    match named.get_hosts().get(index) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    if let Some(address) = named.get_hostaddrs().get(index) {
        one.hostaddr(*address);
    }
    if let Some(port) = named.get_ports().get(index).or(named.get_ports().first()) {
        one.port(*port);
    }
    if let Some(user) = named.get_user() {
        one.user(user);
    }
    if let Some(password) = named.get_password() {
        one.password(password);
    }
    if let Some(database) = named.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = named.get_options() {
        one.options(options);
    }
    one.ssl_mode(named.get_ssl_mode()).ssl_negotiation(named.get_ssl_negotiation());
    one.channel_binding(named.get_channel_binding()).keepalives(named.get_keepalives());
    // A standby that was named beside the primary is never meant to be written to.
    one.target_session_attrs(match named.get_target_session_attrs() {
        TargetSessionAttrs::ReadOnly => TargetSessionAttrs::ReadOnly,
        _ => TargetSessionAttrs::ReadWrite,
    });
    one
}
