//! Wake-ups: a connection of its own that listens, so that workers need not poll often.
//!
//! A hint and no more. Notifications that come while the connection is away are lost; each time it is made (again) there is
//! one wake-up for whatever was missed, and workers poll besides. Each attempt to make it ends by itself.

use std::future::poll_fn;
use std::time::Duration;

use tokio_postgres::{AsyncMessage, Client};

use crate::hosts::{Driver, Hosts};
use crate::{Ledger, LedgerError};

/// Why to look for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wakeup {
    /// Something was written to this channel.
    Notified(String),
    /// The connection is new: anything may have been missed.
    Connected,
}

/// Listens to channels.
pub struct Wakeups {
    hosts: Hosts,
    connect_max: Duration,
    listen: String,
    session: Option<Session>,
}

/// Between two tries to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

struct Session {
    driver: Driver,
    /// Its end would end the connection.
    _client: Client,
}

impl Ledger {
    /// Listens to channels, like [`crate::inbox::CHANNEL`] and those of [`crate::outbox::Queue::channel`].
    #[must_use]
    pub fn wakeups(&self, channels: &[&'static str]) -> Wakeups {
        let listen = channels.iter().map(|channel| format!("LISTEN {channel};")).collect();
        let (hosts, connect_max) = self.hosts();
        Wakeups { hosts: hosts.clone(), connect_max, listen, session: None }
    }
}

impl Wakeups {
    /// The next wake-up. Never fails: while the database is away it keeps trying. May be dropped and called again.
    pub async fn next(&mut self) -> Wakeup {
        loop {
            if let Some(session) = &mut self.session {
                match notified(&mut session.driver).await {
                    Some(channel) => return Wakeup::Notified(channel),
                    None => self.session = None,
                }
            }
            // Not through `&self`: a session cannot be shared between threads, and this future must be able to move.
            let (hosts, listen) = (&self.hosts, self.listen.as_str());
            match tokio::time::timeout(self.connect_max, connect(hosts, listen)).await {
                Ok(Ok(Some(session))) => {
                    self.session = Some(session);
                    return Wakeup::Connected;
                }
                Ok(Ok(None)) => tracing::debug!("the connection ended before it listened"),
                Ok(Err(error)) => tracing::debug!(%error, "cannot listen yet"),
                Err(_) => tracing::debug!("no server answers in time"),
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }
}

/// A session that listens, or nothing when the connection ended before it did.
async fn connect(hosts: &Hosts, listen: &str) -> Result<Option<Session>, LedgerError> {
    let (client, mut driver) = hosts.connect().await?;
    {
        let listening = client.batch_execute(listen);
        tokio::pin!(listening);
        loop {
            tokio::select! {
                biased;
                listens = &mut listening => break listens?,
                // Before it listens there is nothing to hear. At the end of the connection the statement would wait for
                // ever: its answer can only come through the driver.
                heard = notified(&mut driver) => if heard.is_none() { return Ok(None) },
            }
        }
    }
    Ok(Some(Session { driver, _client: client }))
}

/// The channel of the next notification, or nothing when the connection is over.
async fn notified(driver: &mut Driver) -> Option<String> {
    loop {
        match poll_fn(|context| driver.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => return Some(notification.channel().to_owned()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}
