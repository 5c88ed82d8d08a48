//! Template databases: migrated once, copied for every test.
//!
//! Order: create, the caller's migration, the sandbox clock, close to connections. Only a closed template can be copied
//! while tests run, because Postgres refuses to copy a database somebody is connected to.

use std::sync::atomic::Ordering;

use super::{Database, Postgres, client};
use crate::SandboxError;

const CLOCK: &str = include_str!("clock.sql");

/// A migrated database that can be copied.
#[derive(Debug, Clone)]
pub struct Template<'a> {
    postgres: &'a Postgres,
    name: String,
}

impl Postgres {
    /// The template `name`, made by the first caller; `migrate` gets the URL of an empty database. Names are made of
    /// lower-case letters, digits and `_`. Callers at the same time wait for the first one.
    ///
    /// # Errors
    /// When the migration fails; what it left is removed, and the next caller starts over.
    pub async fn template<E>(
        &self,
        name: &str,
        migrate: impl AsyncFnOnce(String) -> Result<(), E>,
    ) -> Result<Template<'_>, SandboxError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut made = self.templates.lock().await;
        if !made.iter().any(|template| template == name) {
            self.create_empty(name).await?;
            migrate(self.url(name)).await.map_err(|source| migration_failed(name, source))?;
            client::execute(&self.url(name), CLOCK).await?;
            self.close(name).await?;
            made.push(name.to_owned());
        }
        Ok(Template { postgres: self, name: name.to_owned() })
    }

    /// Creates the database `name`, removing what an interrupted caller may have left.
    async fn create_empty(&self, name: &str) -> Result<(), SandboxError> {
        let admin = self.url("postgres");
        client::execute(&admin, &format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#)).await?;
        Ok(client::execute(&admin, &format!(r#"CREATE DATABASE "{name}""#)).await?)
    }

    /// Ends the sessions the migration may have left open and lets nobody in again. Copying waits for sessions that are
    /// still ending.
    async fn close(&self, name: &str) -> Result<(), SandboxError> {
        let close = format!(
            r#"ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false;
               SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"#
        );
        Ok(client::execute(&self.url("postgres"), &close).await?)
    }
}

impl Template<'_> {
    /// A new database with everything the template has; tens of milliseconds on an idle machine (`file_copy` took 50 ms
    /// where `wal_log` took 75, for 80 tables without waiting for the disk).
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn fresh_database(&self) -> Result<Database, SandboxError> {
        let number = self.postgres.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}_{number}", self.name);
        let create = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{}" STRATEGY file_copy"#, self.name);
        client::execute(&self.postgres.url("postgres"), &create).await?;
        Ok(Database::at(self.postgres.url(&name), name))
    }
}

fn migration_failed(template: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SandboxError {
    SandboxError::Migration { template: template.to_owned(), source: source.into() }
}
