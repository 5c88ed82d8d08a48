//! One statement at a time as the superuser, over a connection that is driven on the caller's own task: nothing here runs
//! when nobody asks.
//!
//! Statements have a connection each, because what they set would stay in it. Questions keep theirs: opening one costs
//! Postgres 5 ms of the processor, and most tests ask dozens.

use std::fmt;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, Error, NoTls, Row, Socket};

/// A loopback connection is made in milliseconds or not at all.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The URL of `database` on loopback `port`, as the superuser.
pub(super) fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}

/// Runs statements that return nothing.
pub(super) async fn execute(url: &str, statements: &str) -> Result<(), Error> {
    let Session { client, connection } = Session::open(url).await?;
    drive(connection, client.batch_execute(statements)).await.0
}

/// The first column of the first row, as text.
pub(super) async fn query_text(url: &str, statement: &str) -> Result<String, Error> {
    Session::open(url).await?.asks(statement).await.0?.try_get(0)
}

/// The first column of the first row, as a number.
pub(super) async fn query_number(url: &str, statement: &str) -> Result<i64, Error> {
    Session::open(url).await?.asks(statement).await.0?.try_get(0)
}

/// Who asks one database again and again. Of those who ask at once only the first has the session that is kept.
#[derive(Debug, Default)]
pub(super) struct Asker {
    kept: Mutex<Option<Session>>,
}

impl Asker {
    /// The only row.
    pub(super) async fn asks(&self, url: &str, question: &str) -> Result<Row, Error> {
        let kept = self.kept().take();
        if let Some(session) = kept {
            let (row, session) = session.asks(question).await;
            if row.is_ok() {
                *self.kept() = session;
                return row;
            }
        }
        // The error may have been the session's, which a test has cut or whose server it has killed since.
        let (row, session) = Session::open(url).await?.asks(question).await;
        *self.kept() = session;
        row
    }

    fn kept(&self) -> MutexGuard<'_, Option<Session>> {
        self.kept.lock().expect("nobody panics with it")
    }
}

struct Session {
    client: Client,
    connection: Connection<Socket, NoTlsStream>,
}

impl Session {
    async fn open(url: &str) -> Result<Self, Error> {
        let mut config: Config = url.parse()?;
        config.connect_timeout(CONNECT_MAX);
        let (client, connection) = config.connect(NoTls).await?;
        Ok(Self { client, connection })
    }

    /// The only row, and the session, unless it has ended.
    async fn asks(self, question: &str) -> (Result<Row, Error>, Option<Self>) {
        let Self { client, connection } = self;
        let (row, connection) = drive(connection, client.query_one(question, &[])).await;
        (row, connection.map(|connection| Self { client, connection }))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

/// What the work comes to, and the connection, unless it has ended.
async fn drive<T>(
    mut connection: Connection<Socket, NoTlsStream>,
    work: impl Future<Output = Result<T, Error>>,
) -> (Result<T, Error>, Option<Connection<Socket, NoTlsStream>>) {
    let mut work = pin!(work);
    tokio::select! {
        result = &mut work => (result, Some(connection)),
        _ = &mut connection => {
            // While there is a connection, even one that has ended, the work waits for its answer.
            drop(connection);
            (work.await, None)
        }
    }
}
