//! What keeps the connections of a pool, and keeps them at the same servers.
//!
//! The client reconnects by itself, but for two things. It gives up for good on what it takes for a mistake of its caller, a
//! slot of a cluster on its way to another server among them. And a connection on which nothing is under way does not notice
//! that its server was cut off and replaced: when that server is back, it believes for some seconds that it is the primary,
//! and whoever still talks to it reads what was, and writes what will be lost. So the first connection of a pool that finds
//! another server takes the others with it.
//!
//! What it does not do: two processes may still talk to two servers for a moment. A primary that refuses writes without
//! replicas (`min-replicas-to-write 1`) bounds that.

use std::time::Duration;

use fred::clients::{Client, Pool};
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::ConnectHandle;
use fred::types::config::Server;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::RECONNECT_DELAY_MS;

/// Connects every client of a pool and drives its connections until it says farewell, or these tasks are ended.
pub(super) fn keep(pool: &Pool) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for client in pool.clients() {
        tasks.spawn(drive(client.clone()));
        tasks.spawn(lead(client.clone(), pool.clone()));
    }
    tasks
}

/// What drives a connection, and ends with its owner.
struct Link(ConnectHandle);

impl Drop for Link {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn drive(client: Client) {
    loop {
        let mut link = Link(client.connect());
        match (&mut link.0).await {
            Ok(Ok(())) => return,
            gave_up => tracing::warn!(?gave_up, "a connection to Redis is begun anew"),
        }
        tokio::time::sleep(Duration::from_millis(u64::from(RECONNECT_DELAY_MS))).await;
    }
}

/// Takes the others along whenever this client finds a server.
async fn lead(client: Client, pool: Pool) {
    let mut found = client.reconnect_rx();
    loop {
        match found.recv().await {
            Ok(server) => {
                for other in pool.clients().iter().filter(|other| is_elsewhere(other, &server)) {
                    // One that ends meanwhile needs no server any more.
                    let _ended = other.force_reconnection().await;
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Whether it is connected, and not to that server; who is connecting finds it anyhow.
fn is_elsewhere(client: &Client, server: &Server) -> bool {
    let servers = client.active_connections();
    client.is_connected() && !servers.is_empty() && !servers.contains(server)
}
