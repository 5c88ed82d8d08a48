//! A private Postgres and Redis by hand: prints their URLs, one a line, and keeps them until Ctrl-C or the end of its life.

use std::io::Write;

use sandbox::{Persistence, Postgres, PostgresOptions, Redis, RedisOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (postgres, redis) = tokio::try_join!(
        Postgres::start(PostgresOptions::default()),
        Redis::start(RedisOptions { persistence: Persistence::AppendOnly }),
    )?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}\n{}", postgres.url("postgres"), redis.url())?;
    output.flush()?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
