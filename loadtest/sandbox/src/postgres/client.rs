//! One statement at a time as the superuser. Each use opens a connection and drives it on the caller's own task, so nothing
//! here outlives the call or belongs to a runtime.

use std::time::Duration;

use tokio_postgres::{Client, Config, Error, NoTls};

/// A loopback connection is made in milliseconds or not at all.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The URL of `database` on loopback `port`, as the superuser.
pub(super) fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}

/// Runs statements that return nothing.
pub(super) async fn execute(url: &str, statements: &str) -> Result<(), Error> {
    with_client(url, async |client| client.batch_execute(statements).await).await
}

/// The first column of the first row, as text.
pub(super) async fn query_text(url: &str, statement: &str) -> Result<String, Error> {
    with_client(url, async |client| client.query_one(statement, &[]).await?.try_get(0)).await
}

/// The first column of the first row, as a number.
pub(super) async fn query_number(url: &str, statement: &str) -> Result<i64, Error> {
    with_client(url, async |client| client.query_one(statement, &[]).await?.try_get(0)).await
}

async fn with_client<T>(url: &str, work: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, Error> {
    let mut config: Config = url.parse()?;
    config.connect_timeout(CONNECT_MAX);
    let (client, connection) = config.connect(NoTls).await?;
    let work = async {
        let result = work(&client).await;
        // The connection ends when its client does.
        drop(client);
        result
    };
    // An error of the connection also reaches the work as an error.
    let (result, _) = tokio::join!(work, connection);
    result
}
