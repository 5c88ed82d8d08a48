//! A private Redis: its own directory and free loopback port, evicting nothing.
//!
//! Guarantees as for [`crate::Postgres`]: nothing else is touched, and it is gone when its owner is. Sales have keys of
//! their own, so most tests share one; take a private one to stop it, empty it, or move its clock. Several of them with
//! somebody who replaces a lost one are a [`RedisSentinel`] or a [`RedisCluster`].

mod cluster;
mod node;
mod resp;
mod sentinel;

use std::net::SocketAddr;

use rustix::process::Signal;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use self::cluster::{RedisCluster, SlotMove};
pub use self::sentinel::RedisSentinel;

use self::resp::Reply;
use crate::SandboxError;
use crate::account::RunAs;
use crate::ports;
use crate::programs;
use crate::server::{Kind, LOOK_EVERY, START_MAX, Server};

static KIND: Kind = Kind { name: "Redis", stop: Signal::TERM, end: (Signal::KILL, "KILL") };

/// Starts tried before giving up, each on another port.
const STARTS_MAX: u32 = 20;
/// What the log says when another process took the port between our look and the bind.
const PORT_TAKEN: &str = "Address already in use";

/// What a restart finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing: a restart is the loss of Redis.
    #[default]
    None,
    /// Everything that was answered before the stop or the kill, from an append-only file.
    AppendOnly,
}

/// Where a server looks for its data when it starts.
const DUMP: &str = "dump.rdb";
/// Where [`Redis::keep_snapshot`] puts it, so that no start finds it unasked.
const KEPT: &str = "kept.rdb";

/// How to start a [`Redis`].
#[derive(Debug, Clone, Copy, Default)]
pub struct RedisOptions {
    /// What a restart finds.
    pub persistence: Persistence,
}

/// A private Redis. Dropping it ends the server and removes its files.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    persistence: Persistence,
    server: Mutex<Server>,
}

impl Redis {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When neither Redis nor Valkey is installed, or it does not start.
    pub async fn start(options: RedisOptions) -> Result<Redis, SandboxError> {
        let mut server = Server::prepare(&KIND, RunAs::unprivileged()?)?;
        let alone = |server: &Server, port| Ok(arguments(server, port, options.persistence));
        let (port, _) = launch_somewhere(&mut server, alone).await?;
        Ok(Redis { port, persistence: options.persistence, server: Mutex::new(server) })
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The loopback port; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The loopback address, for a [`crate::FaultProxy`].
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ports::loopback(self.port)
    }

    /// Stops the server in an orderly way.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub async fn stop(&self) -> Result<(), SandboxError> {
        self.server.lock().await.stop().await
    }

    /// Ends the server as `kill -9` does.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn kill(&self) -> Result<(), SandboxError> {
        self.server.lock().await.kill().await
    }

    /// Starts the server again on the same port, stopping it first when it runs; [`Persistence`] says with what data.
    ///
    /// # Errors
    /// When it does not stop or does not start.
    pub async fn restart(&self) -> Result<(), SandboxError> {
        let mut server = self.server.lock().await;
        server.stop().await?;
        launch_again(&mut server, self.port, self.persistence).await
    }

    /// Keeps what it has now for [`Redis::restart_from_snapshot`].
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn keep_snapshot(&self) -> Result<(), SandboxError> {
        self.done(&["SAVE"]).await?;
        self.server.lock().await.rename(DUMP, KEPT)
    }

    /// Ends the server as `kill -9` does and starts it with what [`Redis::keep_snapshot`] kept, as a failover to a replica
    /// does that lags: whatever was written since is lost, and nothing says so.
    ///
    /// # Errors
    /// When nothing was kept, or it does not end or start.
    pub async fn restart_from_snapshot(&self) -> Result<(), SandboxError> {
        let mut server = self.server.lock().await;
        server.kill().await?;
        server.rename(KEPT, DUMP)?;
        launch_again(&mut server, self.port, self.persistence).await?;
        server.rename(DUMP, KEPT)
    }

    /// Stops it where it is, connections open, as a machine that is suspended; what is sent meanwhile waits.
    pub async fn freeze(&self) {
        self.server.lock().await.freeze();
    }

    /// Ends [`Redis::freeze`].
    pub async fn thaw(&self) {
        self.server.lock().await.thaw();
    }

    /// Lets it have so much memory; beyond that it refuses what needs more.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn set_memory_max(&self, bytes_max: u64) -> Result<(), SandboxError> {
        self.done(&["CONFIG", "SET", "maxmemory", &bytes_max.to_string()]).await
    }

    /// Removes every key, as an emptied Redis has none.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn flush(&self) -> Result<(), SandboxError> {
        self.done(&["FLUSHALL"]).await
    }

    /// Forgets every loaded script.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn flush_scripts(&self) -> Result<(), SandboxError> {
        self.done(&["SCRIPT", "FLUSH"]).await
    }

    /// Sets the clock offset that scripts read from `key`, in milliseconds.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn set_clock_offset(&self, key: &str, offset_ms: i64) -> Result<(), SandboxError> {
        self.done(&["SET", key, &offset_ms.to_string()]).await
    }

    /// How long a key still lives, in milliseconds; none when it lives for ever or is not there.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ttl_ms(&self, key: &str) -> Result<Option<u64>, SandboxError> {
        let command = ["PTTL", key];
        match resp::call(self.port, &command).await {
            // -1 and -2 stand for a key without an end and for no key.
            Ok(Reply::Text(ttl)) => Ok(ttl.parse().ok()),
            Ok(other) => Err(SandboxError::Redis(format!("{command:?} answered {other:?}"))),
            Err(error) => Err(SandboxError::Redis(format!("{command:?}: {error}"))),
        }
    }

    /// Runs a command that has no word of its own here, and gives its answer as text: for a test that looks at what Redis
    /// has, or breaks it.
    ///
    /// # Errors
    /// When it does not answer, refuses, or answers a list or nothing.
    pub async fn command(&self, command: &[&str]) -> Result<String, SandboxError> {
        match resp::call(self.port, command).await {
            Ok(Reply::Text(text)) => Ok(text),
            Ok(other) => Err(SandboxError::Redis(format!("{command:?} answered {other:?}"))),
            Err(error) => Err(SandboxError::Redis(format!("{command:?}: {error}"))),
        }
    }

    /// How often a command was run, by itself or inside a script, since the server started.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn calls_of(&self, command: &str) -> Result<u64, SandboxError> {
        let info = match resp::call(self.port, &["INFO", "commandstats"]).await {
            Ok(Reply::Text(info)) => info,
            other => return Err(SandboxError::Redis(format!("INFO commandstats: {other:?}"))),
        };
        let of_command = format!("cmdstat_{command}:calls=");
        let calls = info.lines().find_map(|line| line.strip_prefix(&of_command)?.split(',').next()?.parse().ok());
        Ok(calls.unwrap_or(0))
    }

    async fn done(&self, command: &[&str]) -> Result<(), SandboxError> {
        match resp::call(self.port, command).await {
            Ok(Reply::Text(_)) => Ok(()),
            Ok(other) => Err(SandboxError::Redis(format!("{command:?} answered {other:?}"))),
            Err(error) => Err(SandboxError::Redis(format!("{command:?}: {error}"))),
        }
    }
}

/// Starts a server on some free port, with the arguments for it, and says both.
async fn launch_somewhere(
    server: &mut Server,
    arguments: impl Fn(&Server, u16) -> Result<Vec<String>, SandboxError>,
) -> Result<(u16, Vec<String>), SandboxError> {
    let mut starts = 0;
    loop {
        starts += 1;
        let port = ports::free_port()?;
        let arguments = arguments(server, port)?;
        match launch(server, port, &arguments).await {
            Ok(()) => return Ok((port, arguments)),
            Err(SandboxError::Ended { log, .. }) if starts < STARTS_MAX && log.contains(PORT_TAKEN) => {}
            Err(error) => return Err(error),
        }
    }
}

async fn launch_again(server: &mut Server, port: u16, persistence: Persistence) -> Result<(), SandboxError> {
    let arguments = arguments(server, port, persistence);
    launch(server, port, &arguments).await
}

async fn launch(server: &mut Server, port: u16, arguments: &[String]) -> Result<(), SandboxError> {
    server.launch(&programs::redis()?, arguments)?;
    let deadline = Instant::now() + START_MAX;
    while !answers(server, port).await {
        if let Some(status) = server.take_exit()? {
            return Err(server.ended(status));
        }
        if Instant::now() > deadline {
            return Err(server.too_slow("ready", START_MAX));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Whether *our* server answers and has read its file: after a port collision it would be somebody else's.
async fn answers(server: &Server, port: u16) -> bool {
    let Ok(Reply::Text(info)) = resp::call(port, &["INFO"]).await else { return false };
    let ours = server.id().map(|id| format!("process_id:{id}"));
    let has = |wanted: &str| info.lines().any(|line| line == wanted);
    ours.is_some_and(|ours| has(&ours)) && !has("loading:1")
}

fn arguments(server: &Server, port: u16, persistence: Persistence) -> Vec<String> {
    let (port, directory) = (port.to_string(), server.directory().display().to_string());
    let appendonly = match persistence {
        Persistence::None => "no",
        Persistence::AppendOnly => "yes",
    };
    let settings = [
        ("--port", port.as_str()),
        ("--bind", "127.0.0.1"),
        ("--dir", &directory),
        ("--save", ""),
        ("--appendonly", appendonly),
        // Written before it is answered, whatever the disk is doing; with the default a busy disk puts that off.
        ("--appendfsync", "no"),
        ("--maxmemory-policy", "noeviction"),
        ("--daemonize", "no"),
    ];
    settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
}
