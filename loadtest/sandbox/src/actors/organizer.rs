//! Someone who sells.

use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::edge::{ActorError, Answer, Edge, bearer, idempotency_key, text};
use crate::clock::unix_ms;

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

    /// Publishes a sale whose prequeue and doors open so long from now; gives its id.
    ///
    /// # Errors
    /// It is refused.
    pub async fn publishes_to_open(
        &self,
        sale: &Value,
        prequeue_in: Duration,
        doors_in: Duration,
    ) -> Result<String, ActorError> {
        let mut sale = sale.clone();
        sale["prequeue_opens_at"] = from_now(prequeue_in).to_string().into();
        sale["opens_at"] = from_now(doors_in).to_string().into();
        self.publishes(&sale).await
    }

    /// Says something to everyone waiting.
    ///
    /// # Errors
    /// No answer.
    pub async fn says(&self, sale: &str, text: &str) -> Result<Answer, ActorError> {
        self.asks(Method::POST, &format!("sales/{sale}/notices"), &json!({ "text": text })).await
    }

    /// Changes how a sale admits: what is named changes, the rest stays.
    ///
    /// # Errors
    /// No answer.
    pub async fn paces(&self, sale: &str, admission: &Value) -> Result<Answer, ActorError> {
        self.asks(Method::PATCH, &format!("sales/{sale}/admission"), admission).await
    }

    /// Makes access codes for a phase.
    ///
    /// # Errors
    /// They are refused.
    pub async fn makes_codes(&self, sale: &str, phase: &str, count: u32) -> Result<Vec<String>, ActorError> {
        let wish = json!({ "phase": phase, "count": count });
        let answer = self.asks(Method::POST, &format!("sales/{sale}/access-codes"), &wish).await?;
        let body = answer.expect_one_of(&[StatusCode::CREATED, StatusCode::OK])?;
        let codes = body["codes"].as_array().map(|codes| codes.iter().filter_map(Value::as_str).map(str::to_owned));
        codes.map(Iterator::collect).ok_or(ActorError::Missing { field: "codes", body })
    }

    /// Lets somebody in past the line, for a reason that is written down.
    ///
    /// # Errors
    /// No answer.
    pub async fn bypasses(&self, sale: &str, number: u64, reason: &str) -> Result<Answer, ActorError> {
        let body = json!({ "number": number, "reason": reason });
        self.asks(Method::POST, &format!("sales/{sale}/bypasses"), &body).await
    }

    /// Looks at the queue and its log.
    ///
    /// # Errors
    /// No answer.
    pub async fn looks_at_queue(&self, sale: &str) -> Result<Answer, ActorError> {
        self.asks(Method::GET, &format!("sales/{sale}/queue"), &Value::Null).await
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

    /// Waits until a published sale can be looked at: it is in Redis then.
    ///
    /// # Errors
    /// It cannot within the bound.
    pub async fn waits_until_open(&self, sale: &str) -> Result<(), ActorError> {
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

/// The time so long from now, by the clock of this machine, which is also that of the private servers.
fn from_now(after: Duration) -> Timestamp {
    let now = Timestamp::from_millisecond(unix_ms()).expect("the clock is set to a year of ours");
    now + after
}
