//! Failures. What the ledger refuses is never an error but a value with a name.

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

/// The ledger could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database is away or overloaded; the same call may succeed in a moment.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database refused the statement; calling again would not help.
    #[error("the database refused: {}", describe(.0))]
    Database(#[source] tokio_postgres::Error),
    /// What came back is not what this version writes.
    #[error("unreadable data: {0}")]
    Corrupt(String),
    /// The migration did not run through.
    #[error("the migration failed: {0}")]
    Migration(#[source] Box<refinery::Error>),
}

impl LedgerError {
    /// The name of the constraint that refused, when one did.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(error) => error.as_db_error().and_then(|error| error.constraint()),
            Self::Unavailable(_) | Self::Corrupt(_) | Self::Migration(_) => None,
        }
    }
}

/// States that say nothing about the statement: the server is stopping, full, or took too long for a lock.
const PASSING: [SqlState; 7] = [
    SqlState::ADMIN_SHUTDOWN,
    SqlState::CRASH_SHUTDOWN,
    SqlState::CANNOT_CONNECT_NOW,
    SqlState::TOO_MANY_CONNECTIONS,
    SqlState::QUERY_CANCELED,
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::READ_ONLY_SQL_TRANSACTION,
];

/// Class 08: the connection failed.
const CONNECTION_CLASS: &str = "08";

impl From<tokio_postgres::Error> for LedgerError {
    fn from(error: tokio_postgres::Error) -> Self {
        let passing = match error.code() {
            Some(code) => PASSING.contains(code) || code.code().starts_with(CONNECTION_CLASS),
            // No answer of the server at all: the connection broke, unless a value could not be read.
            None => std::error::Error::source(&error).is_none_or(|source| source.is::<std::io::Error>()),
        };
        if passing { Self::Unavailable(Box::new(error)) } else { Self::Database(error) }
    }
}

impl From<PoolError> for LedgerError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) if is_refusal(&error) => Self::Database(error),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

impl From<refinery::Error> for LedgerError {
    fn from(error: refinery::Error) -> Self {
        Self::Migration(Box::new(error))
    }
}

/// Whether a connection was refused for a reason that does not pass: role, password or database are wrong.
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        [SqlState::INVALID_AUTHORIZATION_SPECIFICATION, SqlState::INVALID_PASSWORD, SqlState::INVALID_CATALOG_NAME]
            .contains(code)
    })
}

fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}
