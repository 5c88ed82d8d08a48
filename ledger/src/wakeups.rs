//! Wake-ups: a connection of its own that listens, so that workers need not poll often.
//!
//! A hint and no more. Notifications that come while the connection is away are lost; each time it is made (again) there is
//! one wake-up for whatever was missed, and workers poll besides.

use std::future::poll_fn;
use std::time::Duration;

use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket};

use crate::Ledger;

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
    config: Config,
    listen: String,
    session: Option<Session>,
}

/// Between two tries to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

type Driver = Connection<Socket, NoTlsStream>;

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
        Wakeups { config: self.connection_config().clone(), listen, session: None }
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
            let (config, listen) = (&self.config, self.listen.as_str());
            match connect(config, listen).await {
                Ok(Some(session)) => {
                    self.session = Some(session);
                    return Wakeup::Connected;
                }
                Ok(None) => tracing::debug!("the connection ended before it listened"),
                Err(error) => tracing::debug!(%error, "cannot listen yet"),
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }
}

/// A session that listens, or nothing when the connection ended before it did.
async fn connect(config: &Config, listen: &str) -> Result<Option<Session>, tokio_postgres::Error> {
    let (client, mut driver) = config.connect(NoTls).await?;
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
