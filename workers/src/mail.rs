//! Mail: letters, and the one way they leave.
//!
//! [`letter`] and [`entry_letter`] write what people read, from facts alone; [`message`] puts it into the form of a mail whose headers
//! nobody outside can extend; [`Mailer`] sends it, with a bound around the whole exchange, because the library's own
//! timeout covers only connecting.
//!
//! A mail may be sent twice: the server may take it and be gone before it says so. The Message-ID follows from the order
//! and the kind of letter, so that whoever reads mail by thread sees one.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::{AsyncSmtpTransportBuilder, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

pub(crate) mod entry_letter;
pub(crate) mod letter;
pub(crate) mod message;

/// How mail leaves.
#[derive(Debug, Clone)]
pub struct MailConfig {
    transport: AsyncSmtpTransportBuilder,
    from: Mailbox,
    line: MailLine,
}

/// How a mail goes to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailLine {
    /// Encrypted, or not at all.
    Encrypted,
    /// Encrypted where the server offers it.
    Opportunistic,
    /// For everybody on the way to read; to a server on this machine nobody is.
    Plain(Reach),
}

/// Where the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On this machine.
    Loopback,
    /// Elsewhere.
    Network,
}

/// Why a mail configuration is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMailConfig {
    /// The URL is not one of an SMTP server.
    #[error("the SMTP URL must be smtp:// or smtps://")]
    Url,
    /// The sender is not an address.
    #[error("the sender must be a mail address")]
    From,
}

impl MailConfig {
    /// A server `smtp://` or `smtps://`, with credentials if it wants them, and the sender.
    ///
    /// # Errors
    /// [`BadMailConfig`].
    pub fn parse(url: &SecretString, from: &str) -> Result<MailConfig, BadMailConfig> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
        Ok(MailConfig {
            transport: transport.map_err(|_| BadMailConfig::Url)?,
            from: from.parse().map_err(|_| BadMailConfig::From)?,
            line: MailLine::of(url.expose_secret()),
        })
    }

    /// How mail goes to the server.
    #[must_use]
    pub const fn line(&self) -> MailLine {
        self.line
    }

    /// The domain that mail is from.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Greets the server, encrypts the line as configured and logs in, as before a mail; none is sent. An error says why not.
    ///
    /// # Errors
    /// The server does not answer, or does not take us.
    pub async fn greets(self) -> Result<(), String> {
        let transport = self.transport.timeout(Some(CONNECT_MAX)).build::<Tokio1Executor>();
        match tokio::time::timeout(CONNECT_MAX, transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the server hung up after its greeting".to_owned()),
            Ok(Err(error)) => Err(tell(&error)),
            Err(_) => Err(format!("no answer within {CONNECT_MAX:?}")),
        }
    }
}

impl MailLine {
    fn of(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("smtp", url));
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let wants = |word: &str| query.split('&').any(|part| part == format!("tls={word}"));
        match scheme {
            "smtps" => Self::Encrypted,
            _ if wants("required") => Self::Encrypted,
            _ if wants("opportunistic") => Self::Opportunistic,
            _ => Self::Plain(Reach::of(place)),
        }
    }
}

impl Reach {
    fn of(place: &str) -> Self {
        let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
        let local = ["127.", "localhost", "[::1]"].iter().any(|name| host.starts_with(name));
        if local { Self::Loopback } else { Self::Network }
    }
}

/// The longest a mail may take to leave, from connecting to the server's word that it has it.
const SEND_MAX: Duration = Duration::from_secs(20);

/// The longest a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long an idle connection is kept: below what servers allow (RFC 5321 asks them for five minutes, some give one),
/// because a connection the server closed first is an error and not a retry.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Sends mail.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Why a mail did not leave, as far as anybody knows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The server will never take it.
    #[error("the mail server refuses it: {0}")]
    Refused(String),
    /// It failed; it may have left nevertheless.
    #[error("the mail did not leave: {0}")]
    Failed(String),
    /// No mail leaves now.
    #[error("the mail server is away: {0}")]
    Away(String),
}

impl Mailer {
    /// A mailer with at most `connections_max` connections, made when they are needed.
    pub(crate) fn new(config: MailConfig, connections_max: u16) -> Mailer {
        let pool = PoolConfig::new().max_size(u32::from(connections_max)).min_idle(0).idle_timeout(IDLE_MAX);
        let transport = config.transport.pool_config(pool).timeout(Some(CONNECT_MAX)).build();
        Mailer { transport, from: config.from }
    }

    pub(crate) fn from(&self) -> &Mailbox {
        &self.from
    }

    /// Sends a mail; when this returns, the server has it.
    pub(crate) async fn send(&self, message: Message) -> Result<(), SendError> {
        let error = match tokio::time::timeout(SEND_MAX, self.transport.send(message)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.is_permanent() => SendError::Refused(error.to_string()),
            Ok(Err(error)) => SendError::Failed(tell(&error)),
            Err(_) => SendError::Failed(format!("no answer within {SEND_MAX:?}")),
        };
        Err(if self.server_answers().await { error } else { SendError::Away(error.to_string()) })
    }

    /// Whether the server takes a greeting and our credentials. When it does not, no mail is to blame for its failure;
    /// when it does, this one is, and its attempts must have an end.
    async fn server_answers(&self) -> bool {
        matches!(tokio::time::timeout(CONNECT_MAX, self.transport.test_connection()).await, Ok(Ok(true)))
    }
}

/// An error with its causes: the library's own text stops at "Connection error".
fn tell(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
