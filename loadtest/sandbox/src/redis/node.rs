//! One server of several: a primary, a replica of one, a member of a cluster, or a sentinel.
//!
//! Nothing is kept over a restart but what a server must remember to find the others again (`nodes.conf`, the file of a
//! sentinel): its data comes from whoever is primary then.

use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use super::resp::{self, Reply};
use super::{KIND, Persistence, arguments, launch, launch_somewhere};
use crate::SandboxError;
use crate::account::RunAs;
use crate::ports;
use crate::server::{LOOK_EVERY, Server};

/// The name under which sentinels know their primary.
pub(super) const SERVICE: &str = "onsale";
/// Names the port on which members of a cluster talk with each other.
const BUS: &str = "--cluster-port";
/// Longest wait for servers to find and follow each other: elections take seconds, and on a busy machine more than one.
const AGREED_MAX: Duration = Duration::from_secs(90);
/// Silence after which sentinels ask each other whether a primary is gone.
const SENTINEL_SILENCE_MS: u32 = 1_500;
/// The same among the members of a cluster.
const MEMBER_SILENCE_MS: u32 = 2_000;
/// How long sentinels wait before they try a failover anew that came to nothing.
const FAILOVER_MAX_MS: u32 = 6_000;

/// What a server is started as. What becomes of it afterwards is decided by the others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    Primary,
    ReplicaOf(u16),
    Member,
    SentinelOf(u16),
}

/// A running server. Dropping it ends it and removes its files.
#[derive(Debug)]
pub(super) struct Node {
    port: u16,
    arguments: Vec<String>,
    server: Mutex<Server>,
}

impl Node {
    pub(super) async fn start(role: Role) -> Result<Node, SandboxError> {
        let mut server = Server::prepare(&KIND, RunAs::unprivileged()?)?;
        let (port, arguments) = launch_somewhere(&mut server, |server, port| role.arguments(server, port)).await?;
        Ok(Node { port, arguments, server: Mutex::new(server) })
    }

    /// The loopback port; it stays the same over restarts.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The port on which members of a cluster talk with each other.
    pub(super) fn bus(&self) -> Option<u16> {
        let before = self.arguments.iter().position(|argument| argument == BUS)?;
        self.arguments.get(before + 1)?.parse().ok()
    }

    pub(super) async fn kill(&self) -> Result<(), SandboxError> {
        self.server.lock().await.kill().await
    }

    /// Starts it again without data, ending it first when it runs.
    pub(super) async fn restart(&self) -> Result<(), SandboxError> {
        let mut server = self.server.lock().await;
        server.kill().await?;
        launch(&mut server, self.port, &self.arguments).await
    }

    pub(super) async fn freeze(&self) {
        self.server.lock().await.freeze();
    }

    pub(super) async fn thaw(&self) {
        self.server.lock().await.thaw();
    }

    /// What it answers; an error of Redis is an answer.
    pub(super) async fn asks(&self, command: &[&str]) -> Result<Reply, SandboxError> {
        resp::call(self.port, command).await.map_err(|error| SandboxError::Redis(format!("{command:?}: {error}")))
    }

    pub(super) async fn text(&self, command: &[&str]) -> Result<String, SandboxError> {
        match self.asks(command).await? {
            Reply::Text(text) => Ok(text),
            other => Err(SandboxError::Redis(format!("{command:?} answered {other:?}"))),
        }
    }

    /// Whether so many replicas have all that it has.
    pub(super) async fn has_replicas(&self, count: usize) -> bool {
        let info = self.text(&["INFO", "replication"]).await.unwrap_or_default();
        let follow = |line: &&str| line.starts_with("slave") && line.contains(",state=online,");
        info.lines().filter(follow).count() == count
    }

    /// Waits until its replicas have what it has by now. `WAIT` would not: it knows the writes of its own connection only, and
    /// each command here has another.
    pub(super) async fn wait_until_replicated(&self) -> Result<(), SandboxError> {
        let mut written = None;
        agreed("the replicas have what was written", async || {
            let Ok(info) = self.text(&["INFO", "replication"]).await else { return false };
            let offset = info.lines().find_map(|line| number(line, "master_repl_offset:"));
            let written = *written.get_or_insert(offset);
            let mut replicas =
                info.lines().filter_map(|line| line.split(',').find_map(|field| number(field, "offset=")));
            let Some(least) = replicas.next().map(|first| replicas.fold(first, u64::min)) else { return false };
            written.is_some_and(|written| least >= written)
        })
        .await
    }

    /// Whether the answer to `INFO` has this line.
    pub(super) async fn says(&self, line: &str) -> bool {
        self.text(&["INFO"]).await.is_ok_and(|info| info.lines().any(|said| said == line))
    }
}

fn number(text: &str, name: &str) -> Option<u64> {
    text.strip_prefix(name)?.trim().parse().ok()
}

/// Looks until all are of one mind; `awaited` is what the error says when that takes too long.
pub(super) async fn agreed(awaited: &str, mut agree: impl AsyncFnMut() -> bool) -> Result<(), SandboxError> {
    let deadline = Instant::now() + AGREED_MAX;
    while !agree().await {
        if Instant::now() > deadline {
            return Err(SandboxError::Redis(format!("not within {} s: {awaited}", AGREED_MAX.as_secs())));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The one of them at that port.
pub(super) fn at_port(nodes: &[Node], port: u16) -> Result<&Node, SandboxError> {
    let found = nodes.iter().find(|node| node.port == port);
    found.ok_or_else(|| SandboxError::Redis(format!("no server of these is at {port}")))
}

impl Role {
    fn arguments(self, server: &Server, port: u16) -> Result<Vec<String>, SandboxError> {
        let mut alone = arguments(server, port, Persistence::None);
        // A replica is sent the data at once instead of when others may want it, too.
        alone.extend(["--repl-diskless-sync-delay", "0"].map(str::to_owned));
        let more = match self {
            Role::Primary => Vec::new(),
            Role::ReplicaOf(primary) => {
                vec!["--replicaof".to_owned(), "127.0.0.1".to_owned(), primary.to_string()]
            }
            Role::Member => member(ports::free_port()?),
            Role::SentinelOf(primary) => return sentinel(server, port, primary),
        };
        alone.extend(more);
        Ok(alone)
    }
}

fn member(bus: u16) -> Vec<String> {
    let (bus, silence) = (bus.to_string(), MEMBER_SILENCE_MS.to_string());
    let settings = [("--cluster-enabled", "yes"), (BUS, bus.as_str()), ("--cluster-node-timeout", silence.as_str())];
    settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
}

/// A sentinel keeps what it knows in its file, and will not start without one.
fn sentinel(server: &Server, port: u16, primary: u16) -> Result<Vec<String>, SandboxError> {
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {directory}\nsentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {SERVICE} {SENTINEL_SILENCE_MS}\n\
         sentinel failover-timeout {SERVICE} {FAILOVER_MAX_MS}\n",
        directory = server.directory().display(),
    );
    let path = server.write("sentinel.conf", &text)?;
    Ok(vec![path.display().to_string(), "--sentinel".to_owned()])
}
