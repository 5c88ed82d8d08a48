//! A database of one test, and its clock.

use std::sync::Arc;

use super::client::{self, Asker};
use crate::SandboxError;

/// A fresh copy of a template. It lives as long as its cluster.
#[derive(Debug, Clone)]
pub struct Database {
    /// `postgres://…`, as the superuser.
    pub url: String,
    /// Its name in the cluster.
    pub name: String,
    asker: Arc<Asker>,
}

impl Database {
    /// A database that is already there.
    #[must_use]
    pub fn at(url: String, name: String) -> Self {
        Self { url, name, asker: Arc::default() }
    }

    /// From the next statement on, `onsale_now()` is the real time plus `offset_ms`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_clock_offset(&self, offset_ms: i64) -> Result<(), SandboxError> {
        let update = format!("UPDATE public.sandbox_clock SET offset_ms = {offset_ms}");
        Ok(client::execute(&self.url, &update).await?)
    }

    /// Moves `onsale_now()` forward by `by_ms`, or back when negative; says the new offset.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn advance_clock(&self, by_ms: i64) -> Result<i64, SandboxError> {
        let update = format!("UPDATE public.sandbox_clock SET offset_ms = offset_ms + {by_ms} RETURNING offset_ms");
        Ok(self.asker.asks(&self.url, &update).await?.try_get(0)?)
    }

    /// Runs statements as the superuser: for hand-made breaches and for looking around, not for what has an interface.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn execute(&self, statements: &str) -> Result<(), SandboxError> {
        Ok(client::execute(&self.url, statements).await?)
    }

    /// A number, asked as the superuser: first column of the only row, `bigint`.
    ///
    /// # Errors
    /// Whatever the database answers; also when there is not exactly one row.
    pub async fn number(&self, query: &str) -> Result<i64, SandboxError> {
        Ok(self.asker.asks(&self.url, query).await?.try_get(0)?)
    }

    /// A text, asked as the superuser: first column of the only row.
    ///
    /// # Errors
    /// Whatever the database answers; also when there is not exactly one row.
    pub async fn text(&self, query: &str) -> Result<String, SandboxError> {
        Ok(self.asker.asks(&self.url, query).await?.try_get(0)?)
    }
}
