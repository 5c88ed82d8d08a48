//! One Postgres and one Redis per process, for a test binary whose tests each take a database of their own.
//!
//! The servers live in a static, which is never dropped: their guardians end them when the process ends. They own nothing
//! that belongs to a runtime, so tests with a runtime each can share them.

use tokio::sync::OnceCell;

use crate::{Durability, Persistence, Postgres, PostgresOptions, Redis, RedisOptions, SandboxError};

static SHARED: OnceCell<Shared> = OnceCell::const_new();

/// The servers of this process.
#[derive(Debug)]
pub struct Shared {
    /// A Postgres that does not wait for the disk. Take a [`crate::Template`] from it, and a database per test.
    pub postgres: Postgres,
    /// A Redis without files. Keys are tagged by sale, so tests with a sale each do not meet.
    pub redis: Redis,
}

/// The servers of this process, started by the first caller.
///
/// # Errors
/// When a server is not installed or does not start; the next caller tries again.
pub async fn shared() -> Result<&'static Shared, SandboxError> {
    SHARED.get_or_try_init(start).await
}

async fn start() -> Result<Shared, SandboxError> {
    let (postgres, redis) = tokio::try_join!(
        Postgres::start(PostgresOptions { durability: Durability::Fast }),
        Redis::start(RedisOptions { persistence: Persistence::None }),
    )?;
    Ok(Shared { postgres, redis })
}
