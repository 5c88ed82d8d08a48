//! The server process of one cluster and its settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::{Durability, client};
use crate::SandboxError;
use crate::account::RunAs;
use crate::ports;
use crate::programs::{self, PostgresPrograms};
use crate::server::{Kind, LOOK_EVERY, START_MAX, Server};

/// `INT` is Postgres' fast shutdown, `QUIT` its immediate one, which also ends every backend.
static KIND: Kind = Kind { name: "Postgres", stop: Signal::INT, end: (Signal::QUIT, "QUIT") };

/// Starts tried before giving up, for the reasons in [`PASSING`].
const STARTS_MAX: usize = 50;
/// Pause between two starts: old backends end within milliseconds.
const START_PAUSE: Duration = Duration::from_millis(100);

/// What the log says when another process took the port between our look and the bind.
const PORT_TAKEN: &str = "could not create any TCP/IP sockets";
/// What passes by itself: the port of a neighbour's short life, and what a server ended by `kill -9` leaves for a moment.
const PASSING: [&str; 3] = [PORT_TAKEN, "pre-existing shared memory block", "another postmaster"];

/// Sessions at once: a gateway pool, a workers pool and the test itself, for as many tests as run in parallel.
const CONNECTIONS_MAX: u32 = 300;

/// What a standby calls itself, and whether the primary waits for it.
const STANDBY: &str = "standby";
const IN_STEP: &str = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";

/// `C` collation and UTF-8 are the same on every machine and the quickest to set up.
const INITDB: [&str; 7] = [
    "--pgdata=data",
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
];

/// Where the files of the cluster are, in the directory of the server; and those of its backup.
const DATA: &str = "data";
const BACKUP: &str = "backup";

/// A made cluster, running or not.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) server: Server,
    programs: PostgresPrograms,
    durability: Durability,
    /// What it is told beside the usual.
    settings: Vec<String>,
}

impl Cluster {
    /// Makes the files of a cluster.
    pub(super) async fn create(durability: Durability) -> Result<Cluster, SandboxError> {
        let programs = programs::postgres()?;
        let mut server = Server::prepare(&KIND, RunAs::unprivileged()?)?;
        server.run(&programs.initdb, &INITDB.map(String::from)).await?;
        Ok(Cluster { server, programs, durability, settings: Vec::new() })
    }

    /// Copies the files of a cluster that does not run; whoever calls keeps it from starting meanwhile.
    pub(super) async fn copy(&self) -> Result<Cluster, SandboxError> {
        let mut server = Server::prepare(&KIND, RunAs::unprivileged()?)?;
        let files = ["-Rp", &self.data().display().to_string(), "data"].map(String::from);
        server.run(Path::new("cp"), &files).await?;
        Ok(Cluster { server, programs: self.programs.clone(), durability: self.durability, settings: Vec::new() })
    }

    /// From the next start on, no commit is answered before the standby has it.
    pub(super) fn waits_for_standby(&mut self) {
        self.settings.push(format!("synchronous_standby_names={STANDBY}"));
    }

    /// From the next start on, it follows the server at that port, of whose files it has a copy.
    pub(super) fn follows(&mut self, port: u16) -> Result<(), SandboxError> {
        self.server.write("data/standby.signal", "")?;
        let primary = format!("host=127.0.0.1 port={port} user=postgres application_name={STANDBY}");
        self.settings.push(format!("primary_conninfo={primary}"));
        Ok(())
    }

    /// Waits until the standby of the server at that port has all of it.
    pub(super) async fn until_in_step(&self, port: u16) -> Result<(), SandboxError> {
        let deadline = Instant::now() + START_MAX;
        while client::query_number(&client::url(port, "postgres"), IN_STEP).await? == 0 {
            if Instant::now() > deadline {
                return Err(self.server.too_slow("followed by its standby", START_MAX));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Copies the files of the running cluster, and the log that makes them whole.
    pub(super) async fn back_up(&self, port: u16) -> Result<(), SandboxError> {
        self.server.remove(BACKUP)?;
        let from = format!("--dbname=postgresql://postgres@127.0.0.1:{port}");
        let to = format!("--pgdata={BACKUP}");
        let arguments = [&from, &to, "--checkpoint=fast", "--wal-method=stream", "--no-sync"].map(String::from);
        self.server.run_beside(&self.programs.pg_basebackup, &arguments).await
    }

    /// Puts the backup where the files of this cluster were, which does not run.
    pub(super) fn put_backup_in_place(&self) -> Result<(), SandboxError> {
        self.server.remove(DATA)?;
        self.server.rename(BACKUP, DATA)
    }

    /// Starts on a free port and says which.
    pub(super) async fn start_somewhere(&mut self) -> Result<u16, SandboxError> {
        let mut starts = 0;
        loop {
            starts += 1;
            let port = ports::free_port()?;
            match self.start(port).await {
                Err(SandboxError::Ended { log, .. }) if starts < STARTS_MAX && log.contains(PORT_TAKEN) => {}
                done => return done.map(|()| port),
            }
        }
    }

    /// Starts on the port it had, waiting for what passes by itself.
    pub(super) async fn start_again(&mut self, port: u16) -> Result<(), SandboxError> {
        let mut starts = 0;
        loop {
            starts += 1;
            match self.start(port).await {
                Err(SandboxError::Ended { log, .. }) if starts < STARTS_MAX && passes(&log) => {
                    tokio::time::sleep(START_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn start(&mut self, port: u16) -> Result<(), SandboxError> {
        self.server.launch(&self.programs.postgres, &self.arguments(port))?;
        let deadline = Instant::now() + START_MAX;
        while !self.answers(port).await {
            if let Some(status) = self.server.take_exit()? {
                return Err(self.server.ended(status));
            }
            if Instant::now() > deadline {
                return Err(self.server.too_slow("ready", START_MAX));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Whether *our* server answers: after a port collision it would be somebody else's.
    async fn answers(&self, port: u16) -> bool {
        let directory = client::query_text(&client::url(port, "postgres"), "SHOW data_directory").await;
        directory.is_ok_and(|directory| self.data() == Path::new(&directory))
    }

    fn data(&self) -> PathBuf {
        self.server.directory().join(DATA)
    }

    fn arguments(&self, port: u16) -> Vec<String> {
        let mut settings = vec![
            format!("port={port}"),
            format!("unix_socket_directories={}", self.server.directory().display()),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("max_connections={CONNECTIONS_MAX}"),
            "shared_buffers=128MB".to_owned(),
            "timezone=UTC".to_owned(),
        ];
        if self.durability == Durability::Fast {
            // Not synchronous_commit=off: that keeps commits back from the kernel, so that a killed Postgres loses them.
            settings.extend(["fsync=off", "full_page_writes=off"].map(String::from));
        }
        settings.extend_from_slice(&self.settings);
        let mut arguments = vec!["-D".to_owned(), self.data().display().to_string()];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
        arguments
    }
}

fn passes(log: &str) -> bool {
    PASSING.iter().any(|text| log.contains(text))
}
