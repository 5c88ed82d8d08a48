//! A private Postgres cluster: its own directory, socket and free loopback port.
//!
//! Guarantees: no other cluster or service is touched; when we are root it runs as an unprivileged account; it is gone when
//! its owner is. Anyone on this machine may connect to it over loopback (`trust`): it is a throw-away cluster for invented
//! data. Outages are made with [`Postgres::stop`], [`Postgres::kill`] and [`Postgres::restart`]; directory and port stay.

mod client;
mod cluster;
mod database;
mod template;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use self::cluster::Cluster;
pub use self::database::Database;
pub use self::template::Template;

use crate::SandboxError;
use crate::ports;

/// Whether commits wait for the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// As in production: a commit is on disk before it is answered.
    #[default]
    Durable,
    /// Nothing waits for the disk. A crash of the machine loses the cluster; a crash of Postgres does not.
    Fast,
}

/// How to start a [`Postgres`].
#[derive(Debug, Clone, Copy, Default)]
pub struct PostgresOptions {
    /// Whether commits wait for the disk.
    pub durability: Durability,
}

/// A private cluster. Dropping it ends the server and removes its files.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    cluster: Mutex<Cluster>,
    templates: Mutex<Vec<String>>,
    databases: AtomicU64,
}

impl Postgres {
    /// Makes a cluster and waits until it answers; about a second.
    ///
    /// # Errors
    /// When Postgres is not installed, may not run here, or does not start.
    pub async fn start(options: PostgresOptions) -> Result<Postgres, SandboxError> {
        let mut cluster = Cluster::create(options.durability).await?;
        let port = cluster.start_somewhere().await?;
        Ok(Postgres { port, cluster: Mutex::new(cluster), templates: Mutex::default(), databases: AtomicU64::new(0) })
    }

    /// Starts a cluster of its own with the files of this one, which is stopped first when it runs: the same databases and
    /// templates, without making and migrating them again.
    ///
    /// # Errors
    /// When this one does not stop, the files cannot be copied, or the copy does not start.
    pub async fn copy(&self) -> Result<Postgres, SandboxError> {
        let mut copy = {
            let mut cluster = self.cluster.lock().await;
            cluster.server.stop().await?;
            cluster.copy().await?
        };
        let port = copy.start_somewhere().await?;
        let templates = self.templates.lock().await.clone();
        let databases = AtomicU64::new(self.databases.load(Ordering::Relaxed));
        Ok(Postgres { port, cluster: Mutex::new(copy), templates: Mutex::new(templates), databases })
    }

    /// The same, and a standby that follows it, which is connected when this returns: no commit is answered before the standby
    /// has it. The primary, then the standby.
    ///
    /// # Errors
    /// As for [`Postgres::copy`]; and when the standby does not connect in time.
    pub async fn copy_with_standby(&self) -> Result<(Postgres, Postgres), SandboxError> {
        let (mut primary, mut standby) = {
            let mut cluster = self.cluster.lock().await;
            cluster.server.stop().await?;
            (cluster.copy().await?, cluster.copy().await?)
        };
        primary.waits_for_standby();
        let primary_port = primary.start_somewhere().await?;
        standby.follows(primary_port)?;
        let standby_port = standby.start_somewhere().await?;
        primary.until_in_step(primary_port).await?;
        let templates = self.templates.lock().await.clone();
        let databases = self.databases.load(Ordering::Relaxed);
        let postgres = |port, cluster| Postgres {
            port,
            cluster: Mutex::new(cluster),
            templates: Mutex::new(templates.clone()),
            databases: AtomicU64::new(databases),
        };
        Ok((postgres(primary_port, primary), postgres(standby_port, standby)))
    }

    /// Makes a standby the primary, and waits until it takes writes.
    ///
    /// # Errors
    /// It is none, or does not answer.
    pub async fn promote(&self) -> Result<(), SandboxError> {
        Ok(client::execute(&self.url("postgres"), "SELECT pg_promote()").await?)
    }

    /// The URL of a database of this cluster, as the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        client::url(self.port, database)
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

    /// Keeps a base backup of the running cluster, taken online as an operator would, in place of an earlier one.
    ///
    /// # Errors
    /// When the cluster does not run, or `pg_basebackup` fails.
    pub async fn back_up(&self) -> Result<(), SandboxError> {
        self.cluster.lock().await.back_up(self.port).await
    }

    /// The disaster: the cluster as it was when it was last backed up takes the place of this one, at the same port. What was
    /// committed since is gone.
    ///
    /// # Errors
    /// When there is no backup, this one does not stop, or the backup does not start.
    pub async fn go_back(&self) -> Result<(), SandboxError> {
        let mut cluster = self.cluster.lock().await;
        cluster.server.kill().await?;
        cluster.put_backup_in_place()?;
        cluster.start_again(self.port).await
    }

    /// Stops the server in an orderly way: sessions are cut, files are complete.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub async fn stop(&self) -> Result<(), SandboxError> {
        self.cluster.lock().await.server.stop().await
    }

    /// Ends the server as `kill -9` does: the next start recovers from the log.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn kill(&self) -> Result<(), SandboxError> {
        self.cluster.lock().await.server.kill().await
    }

    /// Starts the server again on the same files and port, stopping it first when it runs.
    ///
    /// # Errors
    /// When it does not stop or does not start.
    pub async fn restart(&self) -> Result<(), SandboxError> {
        let mut cluster = self.cluster.lock().await;
        cluster.server.stop().await?;
        cluster.start_again(self.port).await
    }
}
