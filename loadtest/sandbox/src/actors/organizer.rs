//! Someone who sells.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::edge::{ActorError, Answer, Edge, bearer, idempotency_key, text};

/// How long a published sale may take to be open, and how often that is looked at.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Someone with an API key.
#[derive(Debug, Clone)]
pub struct Organizer {
    edge: Edge,
    key: String,
}

impl Organizer {
    /// Someone with this `osk_…` key.
    #[must_use]
    pub fn new(edge: &Edge, key: &str) -> Self {
        Self { edge: edge.clone(), key: key.to_owned() }
    }

    /// Asks the organizer API.
    ///
    /// # Errors
    /// No answer.
    pub async fn asks(&self, method: Method, path: &str, body: &Value) -> Result<Answer, ActorError> {
        let authorization = bearer(&self.key);
        let key = idempotency_key();
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", key.as_str())];
        self.edge.ask(method, &format!("/v1/organizer/{path}"), &headers, body).await
    }

    /// Writes a sale and publishes it; gives its id.
    ///
    /// # Errors
    /// Either is refused.
    pub async fn publishes(&self, sale: &Value) -> Result<String, ActorError> {
        let draft = self.asks(Method::POST, "sales", sale).await?.expect(StatusCode::CREATED)?;
        let id = text(&draft, "id")?;
        let published = self.asks(Method::POST, &format!("sales/{id}/publish"), &Value::Null).await?;
        published.expect(StatusCode::OK)?;
        Ok(id)
    }

    /// Publishes a sale and waits until visitors can join; gives its id.
    ///
    /// # Errors
    /// It is refused, or nobody can join within the bound: a new sale is not in Redis before a worker puts it there.
    pub async fn puts_on_sale(&self, sale: &Value) -> Result<String, ActorError> {
        let id = self.publishes(sale).await?;
        self.waits_until_open(&id).await?;
        Ok(id)
    }

    async fn waits_until_open(&self, sale: &str) -> Result<(), ActorError> {
        let started = Instant::now();
        loop {
            let seen = self.edge.ask(Method::GET, &format!("/v1/sales/{sale}"), &[], &Value::Null).await?;
            if seen.status == StatusCode::OK {
                return Ok(());
            }
            if started.elapsed() > OPEN_WITHIN {
                return Err(ActorError::Late { what: "a sale", waited_s: OPEN_WITHIN.as_secs(), last: seen.body });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
