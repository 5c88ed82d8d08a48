//! Requests that must not be done twice, for endpoints that write to Postgres.
//!
//! Holds need none of this: their script remembers requests itself. Only success is remembered: a refusal is answered
//! anew, because what was refused may be possible by now.
//!
//! The work runs in a task of its own, so it is finished, and remembered, also when the client has hung up.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use ledger::idempotency::Begin;
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;

use crate::answer::Answer;
use crate::app::App;
use crate::problem::{Code, Problem};

/// How long a request may be worked on before another may take it over: longer than any answer takes, so that this
/// happens only when a gateway died.
const LEASE_S: u32 = 60;

/// Whose key, and for what: the same key in another place is another key.
pub(crate) struct Once {
    scope: String,
    key: String,
    fingerprint: [u8; 32],
}

/// Work that was done, now or before.
pub(crate) enum Done<T> {
    /// Now.
    Now(T),
    /// Before; this was answered.
    Before(StatusCode, Vec<u8>),
}

impl Once {
    /// A request with its key. `scope` names the credential and the endpoint.
    pub(crate) fn new(scope: String, key: &str, body: &[u8]) -> Self {
        Self { scope, key: key.to_owned(), fingerprint: Sha256::digest(body).into() }
    }

    /// Does the work unless it was done. `remember` says what of its result is kept.
    ///
    /// # Errors
    /// The key was used for another request, the work is under way, or it came to a problem.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        app: &Arc<App>,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
        remember: impl FnOnce(&T) -> (StatusCode, Vec<u8>) + Send + 'static,
    ) -> Result<Done<T>, Problem> {
        match ledger::idempotency::begin(&app.ledger, &self.scope, &self.key, &self.fingerprint, LEASE_S).await? {
            Begin::Fresh => self.detached(app, work, remember).await.map(Done::Now),
            Begin::Replay { status, body } => {
                let status = StatusCode::from_u16(status).map_err(|_| Code::InternalError)?;
                Ok(Done::Before(status, body))
            }
            Begin::Reused => Err(Code::IdempotencyKeyReused.into()),
            Begin::Running => Err(Code::RequestInProgress.into()),
        }
    }

    async fn detached<T: Send + 'static>(
        self,
        app: &Arc<App>,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
        remember: impl FnOnce(&T) -> (StatusCode, Vec<u8>) + Send + 'static,
    ) -> Result<T, Problem> {
        let ledger = app.ledger.clone();
        let working = async move {
            let result = work.await;
            let noted = match &result {
                Ok(done) => {
                    let (status, body) = remember(done);
                    ledger::idempotency::finish(&ledger, &self.scope, &self.key, status.as_u16(), &body).await
                }
                Err(_) => ledger::idempotency::abandon(&ledger, &self.scope, &self.key).await,
            };
            // The work itself is idempotent below, so a memory that could not be written costs a repetition, no more.
            if let Err(error) = noted {
                tracing::warn!(%error, "a request's outcome was not remembered");
            }
            result
        };
        let task = app.visits.spawn(working.in_current_span());
        task.await.map_err(|_| Problem::new(Code::InternalError))?
    }
}

/// Says that an answer was given before.
pub(crate) fn replayed(mut answer: Answer) -> Answer {
    let name = HeaderName::from_static("idempotency-replayed");
    answer.headers_mut().insert(name, HeaderValue::from_static("true"));
    answer
}
