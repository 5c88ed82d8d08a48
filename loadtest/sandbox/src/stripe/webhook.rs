//! Deliveries of events: signed as Stripe signs them, tried again until the receiver answers 2xx.
//!
//! One task takes what is due from the journal and starts a task per delivery, at most [`DELIVERIES_MAX`] at once. Every
//! attempt is signed anew with its own time, over the same bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::core::Core;
use super::journal::{Delivery, Next, Receipt};
use super::options::Webhook;

/// Deliveries under way at once.
const DELIVERIES_MAX: usize = 64;
/// Longest wait for a receiver's answer; Stripe waits about as long.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Longest answer read, so that its connection can be used again.
const ANSWER_MAX_BYTES: usize = 64 << 10;

type Sender = Client<HttpConnector, Full<Bytes>>;

/// The `Stripe-Signature` header of `body` at `timestamp_s`: `t=…,v1=hex(HMAC-SHA256(secret, "t.body"))`.
/// Source: <https://docs.stripe.com/webhooks#verify-manually>.
#[must_use]
pub fn sign_webhook(secret: &str, timestamp_s: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{timestamp_s}.").as_bytes());
    mac.update(body);
    format!("t={timestamp_s},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Delivers what is due until the fake is stopped.
pub(super) async fn deliver(core: Arc<Core>) {
    let sender: Sender = Client::builder(TokioExecutor::new()).build_http();
    let slots = Arc::new(Semaphore::new(DELIVERIES_MAX));
    loop {
        let due = core.next_delivery(Instant::now());
        match due {
            Next::Deliver(delivery, body) => {
                let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
                let (core, sender) = (core.clone(), sender.clone());
                core.clone().spawn(async move {
                    attempt(&core, &sender, delivery, body).await;
                    drop(slot);
                });
            }
            Next::WaitUntil(at) => {
                tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = core.due.notified() => {}
                }
            }
            Next::Nothing => core.due.notified().await,
        }
    }
}

async fn attempt(core: &Core, sender: &Sender, delivery: Delivery, body: Bytes) {
    let receipt = match core.webhook() {
        Some((webhook, now_s)) => post(sender, &webhook, now_s, body).await,
        None => Receipt::Refused,
    };
    core.delivered(delivery, receipt);
}

async fn post(sender: &Sender, webhook: &Webhook, now_s: i64, body: Bytes) -> Receipt {
    let request = Request::post(&webhook.url)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", sign_webhook(&webhook.secret, now_s, &body))
        .body(Full::new(body));
    let Ok(request) = request else { return Receipt::Refused };
    let answered = tokio::time::timeout(ANSWER_MAX, async {
        let answer = sender.request(request).await.ok()?;
        let status = answer.status();
        Limited::new(answer.into_body(), ANSWER_MAX_BYTES).collect().await.ok();
        Some(status)
    });
    match answered.await {
        Ok(Some(status)) if status.is_success() => Receipt::Acknowledged,
        _ => Receipt::Refused,
    }
}
