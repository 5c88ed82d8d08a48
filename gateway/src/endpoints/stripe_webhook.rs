//! `POST /v1/stripe/webhook`: verified on its raw bytes, stored, answered. A worker acts on it.
//!
//! 200 means stored, also when it was before. Anything else makes Stripe deliver again, for days: so a body that verifies
//! and cannot be read is stored too, under its digest, for people to look at.

use std::sync::Arc;

use http::{HeaderName, StatusCode};
use ledger::inbox::{RawEvent, Stored, event_store};
use payments::webhook;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::answer::{Answer, json};
use crate::app::App;
use crate::metrics::{self, Webhook};
use crate::problem::{Code, Problem};
use crate::request::Request;

#[derive(Serialize)]
struct StoredBody {
    stored: &'static str,
}

/// `POST /v1/stripe/webhook`
pub(crate) async fn receive(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let signature = request.header(&HeaderName::from_static("stripe-signature")).unwrap_or_default();
    let secrets = &app.config.stripe_webhook_secrets;
    webhook::verify(&request.body, signature, secrets, app.clock.now()).map_err(|fault| {
        metrics::webhook_answered(Webhook::Refused);
        tracing::warn!(%fault, "a webhook was refused");
        Problem::new(Code::SignatureInvalid)
    })?;
    let stored = event_store(&app.ledger.traced(request.trace.here), &raw_event(app, &request.body)).await;
    let (outcome, word) = match &stored {
        Ok(Stored::New) => (Webhook::Stored, "new"),
        Ok(Stored::Duplicate) => (Webhook::Duplicate, "duplicate"),
        Err(_) => (Webhook::Failed, ""),
    };
    metrics::webhook_answered(outcome);
    stored?;
    Ok(json(StatusCode::OK, &StoredBody { stored: word }))
}

fn raw_event(app: &App, raw: &[u8]) -> RawEvent {
    match webhook::envelope(raw) {
        Ok(envelope) => RawEvent {
            id: envelope.id,
            kind: envelope.kind,
            livemode: envelope.livemode,
            account: envelope.account,
            api_version: envelope.api_version,
            created: envelope.created,
            raw: raw.to_vec(),
        },
        Err(fault) => {
            tracing::error!(%fault, "a verified webhook cannot be read; it is stored as it is");
            RawEvent {
                id: format!("sha256:{}", hex::encode(Sha256::digest(raw))),
                kind: "unreadable".to_owned(),
                livemode: app.stripe.livemode(),
                account: None,
                api_version: None,
                created: app.clock.now(),
                raw: raw.to_vec(),
            }
        }
    }
}
