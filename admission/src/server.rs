//! What a Redis is set up for: looked at before a sale, never on the way of a visitor.
//!
//! [`Store::servers`] asks each primary the client is connected to: one, or all of a cluster. Nothing is changed. A managed Redis may
//! refuse `CONFIG`; then what only that tells is not known ([`ServerSeen::appendfsync`]).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::{CustomCommand, Value};

use crate::{AdmissionError, Store};

/// Questions by which the way to a server is measured: enough that one slow answer is not the median.
const ROUND_TRIPS: usize = 21;

/// One server, as it was seen.
#[derive(Debug, Clone)]
pub struct ServerSeen {
    /// `host:port`
    pub address: String,
    /// What `INFO` says, name by name.
    pub info: BTreeMap<String, String>,
    /// When what was answered is on disk; none where the server does not tell its configuration.
    pub appendfsync: Option<String>,
    /// Its clock, in microseconds of Unix time, when it was asked.
    pub clock_us: i64,
    /// When it was asked.
    pub clock_asked: Instant,
    /// How long that question took, there and back.
    pub clock_took: Duration,
    /// How long a question takes: the median.
    pub round_trip: Duration,
}

impl ServerSeen {
    /// What `INFO` says under a name; empty when it says nothing.
    #[must_use]
    pub fn says(&self, name: &str) -> &str {
        self.info.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The same as a number.
    #[must_use]
    pub fn counts(&self, name: &str) -> Option<u64> {
        self.says(name).parse().ok()
    }
}

impl Store {
    /// Every primary, as it is now.
    ///
    /// # Errors
    /// One does not answer.
    pub async fn servers(&self) -> Result<Vec<ServerSeen>, AdmissionError> {
        let client = self.any_connection();
        let servers = client.active_connections();
        if servers.is_empty() {
            return Err(AdmissionError::from_redis(Error::new(fred::error::ErrorKind::IO, "not connected")));
        }
        let mut seen = Vec::new();
        for server in servers {
            let address = server.to_string();
            let node = client.is_clustered().then(|| client.with_cluster_node(&server));
            let looked = match node {
                Some(node) => look(&node, address).await,
                None => look(&client, address).await,
            };
            seen.push(looked.map_err(AdmissionError::from_redis)?);
        }
        Ok(seen)
    }
}

async fn look<C: ClientLike>(client: &C, address: String) -> Result<ServerSeen, Error> {
    let info: String = asks(client, "INFO", &[]).await?;
    // A list of name and value, or an object, by the protocol; of both the texts in order are the same.
    let fsync = asks::<Vec<String>>(client, "CONFIG", &["GET", "appendfsync"]).await.ok();
    let clock_asked = Instant::now();
    let time: Vec<String> = asks(client, "TIME", &[]).await?;
    let clock_took = clock_asked.elapsed();
    let mut trips = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let asked = Instant::now();
        client.ping::<()>(None).await?;
        trips.push(asked.elapsed());
    }
    trips.sort_unstable();
    let part = |index: usize| time.get(index).and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    Ok(ServerSeen {
        address,
        info: info
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect(),
        appendfsync: fsync.and_then(|told| told.get(1).cloned()),
        clock_us: part(0).saturating_mul(1_000_000).saturating_add(part(1)),
        clock_asked,
        clock_took,
        round_trip: trips[ROUND_TRIPS / 2],
    })
}

async fn asks<T: fred::types::FromValue>(
    client: &impl ClientLike,
    command: &'static str,
    arguments: &[&str],
) -> Result<T, Error> {
    let arguments: Vec<Value> = arguments.iter().map(|argument| Value::from(*argument)).collect();
    client.custom(CustomCommand::new_static(command, None, false), arguments).await
}
