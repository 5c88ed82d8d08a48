//! HTTP in front of the fake: who calls, what they want, and the headers Stripe sets.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use uuid::Uuid;

use super::books::Call;
use super::browser;
use super::call::{Caller, Operation};
use super::core::{AnswerDelivery, Core, Outcome, Replay};
use super::form::Form;
use super::refusal::{LimitReason, Refusal};
use super::shape::API_VERSION;
use crate::http::{Answer, Cut, answer};

const JSON: &str = "application/json";

/// Answers one request, or cuts its connection.
pub(super) async fn respond(core: &Arc<Core>, request: Request<Bytes>) -> Result<Answer, Cut> {
    if request.method() == Method::OPTIONS {
        return Ok(allow_pages(answer(StatusCode::NO_CONTENT, JSON, Bytes::new())));
    }
    if let Some(page) = browser::respond(core, &request).await {
        return Ok(allow_pages(page));
    }
    let id = new_request_id();
    let (call, key) = match parse(&request, &id) {
        Ok(call) => (call, idempotency_key(request.headers())),
        Err(refusal) => return Ok(refused(&refusal, &id)),
    };
    let outcome = core.call(call).await;
    match outcome.delivery {
        AnswerDelivery::Sent => Ok(answered(outcome, key)),
        AnswerDelivery::Lost => Err(Cut),
    }
}

/// A new `request-id`.
pub(super) fn new_request_id() -> String {
    format!("req_{}", &Uuid::new_v4().simple().to_string()[..14])
}

fn parse(request: &Request<Bytes>, id: &str) -> Result<Call, Refusal> {
    let path = request.uri().path();
    let (operation, object) = Operation::of(request.method(), path)
        .ok_or_else(|| Refusal::NoSuchPath { method: request.method().to_string(), path: path.to_owned() })?;
    let form = match *request.method() {
        Method::POST => Form::parse(request.body()),
        _ => Form::parse(request.uri().query().unwrap_or_default().as_bytes()),
    };
    let caller = caller(request.headers(), &form)?;
    let key = match *request.method() {
        Method::POST => idempotency_key(request.headers()).map(str::to_owned),
        _ => None,
    };
    let form = form.without("key");
    Ok(Call { operation, caller, id: object.to_owned(), path: path.to_owned(), form, key, request: id.to_owned() })
}

/// Any test key will do: secret and restricted ones for servers, publishable ones for pages.
fn caller(headers: &HeaderMap, form: &Form) -> Result<Caller, Refusal> {
    let key = header_key(headers).or_else(|| form.text("key").map(str::to_owned)).ok_or(Refusal::Unauthorized)?;
    match key.get(..8) {
        Some("sk_test_" | "rk_test_" | "sk_live_" | "rk_live_") => Ok(Caller::Server),
        Some("pk_test_" | "pk_live_") => Ok(Caller::Browser),
        _ => Err(Refusal::Unauthorized),
    }
}

/// The key from `Bearer key` or from the user name of `Basic`.
fn header_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(key) = value.strip_prefix("Bearer ") {
        return Some(key.to_owned());
    }
    let decoded = String::from_utf8(STANDARD.decode(value.strip_prefix("Basic ")?).ok()?).ok()?;
    decoded.split(':').next().map(str::to_owned)
}

fn idempotency_key(headers: &HeaderMap) -> Option<&str> {
    headers.get("idempotency-key")?.to_str().ok()
}

fn refused(refusal: &Refusal, id: &str) -> Answer {
    with_headers(answer(refusal.status(), JSON, refusal.body().to_string()), id)
}

fn answered(outcome: Outcome, key: Option<&str>) -> Answer {
    let mut answer = with_headers(answer(outcome.status, JSON, outcome.body), &outcome.request);
    if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
        answer.headers_mut().insert("idempotency-key", key);
    }
    if let Some(reason) = outcome.limited {
        answer.headers_mut().insert(LimitReason::HEADER, HeaderValue::from_static(reason.as_str()));
    }
    if outcome.replay == Replay::Again {
        answer.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    answer
}

fn with_headers(mut answer: Answer, id: &str) -> Answer {
    let id = HeaderValue::from_str(id).expect("made of hexadecimal digits by ourselves");
    answer.headers_mut().insert("request-id", id);
    answer.headers_mut().insert("stripe-version", HeaderValue::from_static(API_VERSION));
    allow_pages(answer)
}

/// Pages of any origin may call, as they may call Stripe.
fn allow_pages(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, idempotency-key, stripe-version"),
    );
    answer
}
