//! A primary with two replicas, and three sentinels that make a replica the primary when the primary is gone.
//!
//! Guarantees as for [`crate::Redis`]: free loopback ports, files of its own, gone when its owner is. Replication is not
//! waited for, as in production, so a failover may lose the last writes. A failover takes some seconds: 1.5 s of silence,
//! the sentinels' vote, and the promotion.

use super::node::{Node, Role, SERVICE, agreed, at_port};
use crate::SandboxError;

/// Three servers and three sentinels. Dropping it ends them all.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: [Node; 3],
    sentinels: [Node; 3],
}

impl RedisSentinel {
    /// Starts them and waits until the replicas follow and every sentinel knows everybody; some seconds.
    ///
    /// # Errors
    /// When Redis is not installed, or they do not find each other.
    pub async fn start() -> Result<RedisSentinel, SandboxError> {
        let primary = Node::start(Role::Primary).await?;
        let port = primary.port();
        let replica = || Node::start(Role::ReplicaOf(port));
        let (first, second) = tokio::try_join!(replica(), replica())?;
        let servers = [primary, first, second];
        agreed("both replicas follow", async || servers[0].has_replicas(2).await).await?;
        let sentinel = || Node::start(Role::SentinelOf(port));
        let (first, second, third) = tokio::try_join!(sentinel(), sentinel(), sentinel())?;
        let started = RedisSentinel { servers, sentinels: [first, second, third] };
        let everybody = format!("master0:name={SERVICE},status=ok,address=127.0.0.1:{port},slaves=2,sentinels=3");
        agreed("every sentinel knows everybody", async || {
            let [first, second, third] = &started.sentinels;
            first.says(&everybody).await && second.says(&everybody).await && third.says(&everybody).await
        })
        .await?;
        Ok(started)
    }

    /// `redis-sentinel://…`, which names all sentinels.
    #[must_use]
    pub fn url(&self) -> String {
        let [first, second, third] = self.sentinels.each_ref().map(Node::port);
        format!(
            "redis-sentinel://127.0.0.1:{first}?sentinelServiceName={SERVICE}&node=127.0.0.1:{second}&node=127.0.0.1:{third}"
        )
    }

    /// The port of the server that the sentinels call the primary.
    ///
    /// # Errors
    /// When no sentinel answers.
    pub async fn primary(&self) -> Result<u16, SandboxError> {
        let told = self.told().await.into_iter().flatten().next();
        told.ok_or_else(|| SandboxError::Redis("no sentinel names a primary".to_owned()))
    }

    /// Ends the primary as `kill -9` does and says its port. Nobody is asked to take over: the sentinels find out.
    ///
    /// # Errors
    /// When it does not end in time, or no sentinel answers.
    pub async fn kill_primary(&self) -> Result<u16, SandboxError> {
        let primary = self.primary().await?;
        self.server(primary)?.kill().await?;
        Ok(primary)
    }

    /// Waits until every sentinel names another primary than `lost`, and it is one.
    ///
    /// # Errors
    /// When they do not agree in time.
    pub async fn wait_until_failed_over(&self, lost: u16) -> Result<u16, SandboxError> {
        agreed("a replica became the primary", async || {
            let told = self.told().await;
            let Some(new) = told[0].filter(|new| *new != lost) else { return false };
            let Ok(server) = self.server(new) else { return false };
            told.iter().all(|told| *told == Some(new)) && server.says("role:master").await
        })
        .await?;
        self.primary().await
    }

    /// Starts a server again, without data, and waits until it and the third one follow the primary.
    ///
    /// # Errors
    /// When it does not start, or the sentinels do not make it a replica.
    pub async fn restart(&self, port: u16) -> Result<(), SandboxError> {
        self.server(port)?.restart().await?;
        let primary = self.primary().await?;
        let primary = self.server(primary)?;
        agreed("both replicas follow", async || primary.has_replicas(2).await).await
    }

    /// Starts the primary again at once, without data, before anybody misses it: its replicas follow it into the void.
    ///
    /// # Errors
    /// When it does not end or start, or no sentinel answers.
    pub async fn restart_primary_empty(&self) -> Result<(), SandboxError> {
        let primary = self.primary().await?;
        self.server(primary)?.restart().await
    }

    /// Stops a server where it is, connections open, as a machine that is cut off.
    ///
    /// # Errors
    /// When there is none at that port.
    pub async fn freeze(&self, port: u16) -> Result<(), SandboxError> {
        self.server(port)?.freeze().await;
        Ok(())
    }

    /// Ends [`RedisSentinel::freeze`].
    ///
    /// # Errors
    /// When there is none at that port.
    pub async fn thaw(&self, port: u16) -> Result<(), SandboxError> {
        self.server(port)?.thaw().await;
        Ok(())
    }

    /// Runs one command on the primary.
    ///
    /// # Errors
    /// When it does not answer, or not with a text.
    pub async fn command(&self, command: &[&str]) -> Result<String, SandboxError> {
        let primary = self.primary().await?;
        self.server(primary)?.text(command).await
    }

    /// Waits until the replicas have all writes until now.
    ///
    /// # Errors
    /// When there is no primary, or they do not follow in time.
    pub async fn wait_until_replicated(&self) -> Result<(), SandboxError> {
        let primary = self.primary().await?;
        self.server(primary)?.wait_until_replicated().await
    }

    /// Whom each sentinel names.
    async fn told(&self) -> [Option<u16>; 3] {
        let [first, second, third] = &self.sentinels;
        [named_by(first).await, named_by(second).await, named_by(third).await]
    }

    fn server(&self, port: u16) -> Result<&Node, SandboxError> {
        at_port(&self.servers, port)
    }
}

async fn named_by(sentinel: &Node) -> Option<u16> {
    let info = sentinel.text(&["INFO", "sentinel"]).await.ok()?;
    let (_, address) = info.split_once("address=127.0.0.1:")?;
    address.split(',').next()?.parse().ok()
}
