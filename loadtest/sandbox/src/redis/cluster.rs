//! A Redis Cluster of six: three primaries with a third of the slots each, and a replica for each of them.
//!
//! Guarantees as for [`crate::Redis`]: free loopback ports, files of its own, gone when its owner is. Replication is not
//! waited for, as in production, so a failover may lose the last writes. A failover takes some seconds: 2 s of silence, the
//! votes of the other primaries, and the promotion; until then the cluster answers nobody, because its slots are not all
//! served.

use std::time::Duration;

use tokio::time::Instant;

use super::node::{Node, Role, agreed, at_port};
use super::resp::Reply;
use crate::SandboxError;

/// Servers, and those of them that start as primaries.
const MEMBERS: usize = 6;
const PRIMARIES: usize = 3;
/// What a cluster divides its keys into.
const SLOTS: usize = 16_384;
/// Keys moved from one server to another at once.
const MOVED_AT_ONCE: &str = "100";
/// After which a server gives up taking over, and a margin.
const HAND_OVER_MAX: Duration = Duration::from_secs(6);
/// How long one such move may take.
const MOVE_MAX_MS: &str = "5000";

/// Six servers. Dropping it ends them all.
#[derive(Debug)]
pub struct RedisCluster {
    members: Vec<Node>,
}

impl RedisCluster {
    /// Starts them and waits until every server finds the cluster whole; some seconds.
    ///
    /// # Errors
    /// When Redis is not installed or older than 7, or they do not find each other.
    pub async fn start() -> Result<RedisCluster, SandboxError> {
        let start = || Node::start(Role::Member);
        let six = tokio::try_join!(start(), start(), start(), start(), start(), start())?;
        let cluster = RedisCluster { members: vec![six.0, six.1, six.2, six.3, six.4, six.5] };
        cluster.divide_slots().await?;
        cluster.meet().await?;
        cluster.give_replicas().await?;
        cluster.wait_until_whole().await?;
        Ok(cluster)
    }

    /// `redis-cluster://…`, which names all servers.
    #[must_use]
    pub fn url(&self) -> String {
        let others = self.members[1..].iter().map(|node| format!("node=127.0.0.1:{}", node.port()));
        format!("redis-cluster://127.0.0.1:{}?{}", self.members[0].port(), others.collect::<Vec<_>>().join("&"))
    }

    /// The port of the primary that has that key.
    ///
    /// # Errors
    /// When nobody says that it has.
    pub async fn owner(&self, key: &str) -> Result<u16, SandboxError> {
        Ok(self.owner_of(key).await?.port())
    }

    /// Runs one command on the primary that has that key.
    ///
    /// # Errors
    /// When nobody has it, or the answer is not a text.
    pub async fn command(&self, key: &str, command: &[&str]) -> Result<String, SandboxError> {
        self.owner_of(key).await?.text(command).await
    }

    /// Waits until the replica of the primary that has that key has all its writes until now.
    ///
    /// # Errors
    /// When nobody has it, or the replica does not follow in time.
    pub async fn wait_until_replicated(&self, key: &str) -> Result<(), SandboxError> {
        self.owner_of(key).await?.wait_until_replicated().await
    }

    /// Removes every key of every server.
    ///
    /// # Errors
    /// When a primary does not answer.
    pub async fn flush(&self) -> Result<(), SandboxError> {
        for member in &self.members {
            if member.says("role:master").await {
                member.text(&["FLUSHALL"]).await?;
            }
        }
        Ok(())
    }

    /// Makes every server forget every loaded script.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn flush_scripts(&self) -> Result<(), SandboxError> {
        for member in &self.members {
            member.text(&["SCRIPT", "FLUSH"]).await?;
        }
        Ok(())
    }

    /// Ends the primary that has that key as `kill -9` does and says its port. Nobody is asked to take over.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn kill_owner(&self, key: &str) -> Result<u16, SandboxError> {
        let owner = self.owner_of(key).await?;
        owner.kill().await?;
        Ok(owner.port())
    }

    /// Waits until another server than `lost` has that key and the others know.
    ///
    /// # Errors
    /// When they do not agree in time.
    pub async fn wait_until_failed_over(&self, key: &str, lost: u16) -> Result<u16, SandboxError> {
        agreed("a replica became the primary", async || {
            let Ok(owner) = self.owner(key).await else { return false };
            owner != lost && self.all_find_it_whole(Some(lost)).await
        })
        .await?;
        self.owner(key).await
    }

    /// Starts a server again, without data, and waits until the cluster is whole with it.
    ///
    /// # Errors
    /// When it does not start, or the others do not take it back.
    pub async fn restart(&self, port: u16) -> Result<(), SandboxError> {
        at_port(&self.members, port)?.restart().await?;
        self.wait_until_whole().await
    }

    /// Ends every server as `kill -9` does and starts it without data; they find each other again.
    ///
    /// # Errors
    /// When one does not end or start, or the cluster does not become whole.
    pub async fn restart_all_empty(&self) -> Result<(), SandboxError> {
        for member in &self.members {
            member.kill().await?;
        }
        for member in &self.members {
            member.restart().await?;
        }
        self.wait_until_whole().await
    }

    /// Makes the replica of the primary that has that key the primary in its place, in good order; the port of the new one.
    ///
    /// # Errors
    /// When they do not agree in time.
    pub async fn hand_over(&self, key: &str) -> Result<u16, SandboxError> {
        let owner = self.owner_of(key).await?;
        let id = owner.text(&["CLUSTER", "MYID"]).await?;
        let mut asked: Option<Instant> = None;
        agreed("a replica took over", async || {
            if self.owner(key).await.is_ok_and(|now| now != owner.port()) {
                return self.all_find_it_whole(None).await;
            }
            // The votes may be refused, as in any election.
            if asked.is_none_or(|asked| asked.elapsed() > HAND_OVER_MAX) {
                asked = Some(Instant::now());
                self.ask_to_take_over(&id).await;
            }
            false
        })
        .await?;
        self.owner(key).await
    }

    /// Asks the replica of that primary to take over; it may refuse.
    async fn ask_to_take_over(&self, primary: &str) {
        for member in &self.members {
            let nodes = member.text(&["CLUSTER", "NODES"]).await.unwrap_or_default();
            if nodes.lines().any(|line| line.contains("myself,slave") && line.contains(primary)) {
                member.text(&["CLUSTER", "FAILOVER"]).await.ok();
            }
        }
    }

    /// Begins to move the slot of that key to another primary; [`SlotMove::finish`] brings the keys there.
    ///
    /// # Errors
    /// When a server refuses.
    pub async fn begin_to_move(&self, key: &str) -> Result<SlotMove<'_>, SandboxError> {
        let from = self.owner_of(key).await?;
        let mut to = None;
        for member in &self.members {
            if member.port() != from.port() && member.says("role:master").await {
                to = Some(member);
            }
        }
        let to = to.ok_or_else(|| SandboxError::Redis("there is no other primary".to_owned()))?;
        let slot = from.text(&["CLUSTER", "KEYSLOT", key]).await?;
        let (from_id, to_id) = (from.text(&["CLUSTER", "MYID"]).await?, to.text(&["CLUSTER", "MYID"]).await?);
        to.text(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await?;
        from.text(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await?;
        Ok(SlotMove { cluster: self, from, to, slot })
    }

    async fn divide_slots(&self) -> Result<(), SandboxError> {
        for (index, primary) in self.members[..PRIMARIES].iter().enumerate() {
            let (first, last) = (index * SLOTS / PRIMARIES, (index + 1) * SLOTS / PRIMARIES - 1);
            primary.text(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await?;
        }
        for (index, member) in self.members.iter().enumerate() {
            member.text(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await?;
        }
        Ok(())
    }

    async fn meet(&self) -> Result<(), SandboxError> {
        let first = &self.members[0];
        for other in &self.members[1..] {
            let bus = other.bus().expect("a member has a port for the others");
            first.text(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), &bus.to_string()]).await?;
        }
        agreed("every server knows every other", async || {
            for member in &self.members {
                let known = member.text(&["CLUSTER", "INFO"]).await.unwrap_or_default();
                if !known.lines().any(|line| line == format!("cluster_known_nodes:{MEMBERS}")) {
                    return false;
                }
            }
            true
        })
        .await
    }

    async fn give_replicas(&self) -> Result<(), SandboxError> {
        let (primaries, replicas) = self.members.split_at(PRIMARIES);
        for (primary, replica) in primaries.iter().zip(replicas) {
            let id = primary.text(&["CLUSTER", "MYID"]).await?;
            replica.text(&["CLUSTER", "REPLICATE", &id]).await?;
        }
        Ok(())
    }

    async fn wait_until_whole(&self) -> Result<(), SandboxError> {
        agreed("the cluster is whole", async || {
            let mut followed = 0;
            for member in &self.members {
                followed += usize::from(member.has_replicas(1).await);
            }
            followed == PRIMARIES && self.all_find_it_whole(None).await
        })
        .await
    }

    /// Whether every server but the one that is down finds all slots served, and none of the others down.
    async fn all_find_it_whole(&self, down: Option<u16>) -> bool {
        for member in self.members.iter().filter(|member| Some(member.port()) != down) {
            let info = member.text(&["CLUSTER", "INFO"]).await.unwrap_or_default();
            let says = |wanted: &str| info.lines().any(|line| line == wanted);
            if !(says("cluster_state:ok") && says("cluster_slots_fail:0") && says("cluster_slots_pfail:0")) {
                return false;
            }
        }
        true
    }

    async fn owner_of(&self, key: &str) -> Result<&Node, SandboxError> {
        for member in &self.members {
            // Whoever has it not says who has.
            if let Ok(Reply::Text(_)) = member.asks(&["EXISTS", key]).await {
                return Ok(member);
            }
        }
        Err(SandboxError::Redis(format!("nobody has {key}")))
    }
}

/// A slot on its way from one primary to another: scripts on its keys are refused for so long.
#[derive(Debug)]
pub struct SlotMove<'a> {
    cluster: &'a RedisCluster,
    from: &'a Node,
    to: &'a Node,
    slot: String,
}

impl SlotMove<'_> {
    /// Brings the keys over; the slot is still on its way.
    ///
    /// # Errors
    /// When a server refuses.
    pub async fn keys(&self) -> Result<(), SandboxError> {
        let port = self.to.port().to_string();
        loop {
            let keys = match self.from.asks(&["CLUSTER", "GETKEYSINSLOT", &self.slot, MOVED_AT_ONCE]).await? {
                Reply::List(keys) => keys,
                other => return Err(SandboxError::Redis(format!("the keys of a slot: {other:?}"))),
            };
            if keys.is_empty() {
                return Ok(());
            }
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", MOVE_MAX_MS, "KEYS"];
            migrate.extend(keys.iter().map(String::as_str));
            self.from.text(&migrate).await?;
        }
    }

    /// Brings the keys over that are not there yet, and tells every primary whose the slot is now; its port.
    ///
    /// # Errors
    /// When a server refuses, or the others do not hear of it in time.
    pub async fn finish(self) -> Result<u16, SandboxError> {
        self.keys().await?;
        let id = self.to.text(&["CLUSTER", "MYID"]).await?;
        for node in [self.to, self.from] {
            node.text(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &id]).await?;
        }
        agreed("every server knows whose the slot is", async || self.cluster.all_find_it_whole(None).await).await?;
        Ok(self.to.port())
    }
}
