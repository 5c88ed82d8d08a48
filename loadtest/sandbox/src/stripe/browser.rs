//! What a browser needs: the stand-in for Stripe.js, its style, and a page for 3-D Secure by redirect.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};

use super::books::Call;
use super::call::{Caller, Operation};
use super::core::Core;
use super::endpoint::new_request_id;
use super::form::Form;
use crate::http::{Answer, answer};

const SCRIPT: &str = include_str!("browser/stripe.js");
const STYLE: &str = include_str!("browser/stripe.css");
const REDIRECT_PAGE: &str = include_str!("browser/authenticate.html");

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers what a browser asks for; `None` for what is not for browsers.
pub(super) async fn respond(core: &Arc<Core>, request: &Request<Bytes>) -> Option<Answer> {
    let answer = match (request.method(), request.uri().path()) {
        (&Method::GET, "/stripe.js") => answer(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT),
        (&Method::GET, "/stripe.css") => answer(StatusCode::OK, "text/css; charset=utf-8", STYLE),
        (&Method::GET, "/") => answer(StatusCode::OK, TEXT, "A fake Stripe. It moves no money.\n"),
        (&Method::GET, "/authenticate") => answer(StatusCode::OK, HTML, REDIRECT_PAGE),
        (&Method::POST, "/authenticate") => authenticate(core, request).await,
        _ => return None,
    };
    Some(answer)
}

/// The buyer has answered the bank's question: on to the return URL, as Stripe sends them.
async fn authenticate(core: &Arc<Core>, request: &Request<Bytes>) -> Answer {
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
    let outcome = Form::parse(request.body());
    let (Some(id), Some(secret)) = (query.text("payment_intent"), query.text("payment_intent_client_secret")) else {
        return answer(StatusCode::BAD_REQUEST, TEXT, "This link is not complete.\n");
    };
    let form = outcome.with("client_secret", secret);
    let fails = form.text("outcome") == Some("fail");
    let return_url = core.state().books.return_url(id);
    let call = Call {
        operation: Operation::AuthenticateIntent,
        caller: Caller::Browser,
        id: id.to_owned(),
        path: request.uri().path().to_owned(),
        form,
        key: None,
        request: new_request_id(),
    };
    let told = core.call(call).await;
    match return_url {
        Some(url) if told.status.is_success() => go_back(&url, id, secret, if fails { "failed" } else { "succeeded" }),
        _ if told.status.is_success() => answer(StatusCode::OK, TEXT, "Done. You can close this page.\n"),
        _ => answer(told.status, TEXT, "This payment does not wait for authentication.\n"),
    }
}

fn go_back(url: &str, id: &str, secret: &str, status: &str) -> Answer {
    let (url, fragment) = url.split_once('#').map_or((url, String::new()), |(url, rest)| (url, format!("#{rest}")));
    let separator = if url.contains('?') { '&' } else { '?' };
    let location = format!(
        "{url}{separator}payment_intent={id}&payment_intent_client_secret={secret}&redirect_status={status}{fragment}"
    );
    let mut answer = answer(StatusCode::SEE_OTHER, TEXT, Bytes::new());
    match HeaderValue::from_str(&location) {
        Ok(location) => drop(answer.headers_mut().insert(header::LOCATION, location)),
        Err(_) => *answer.status_mut() = StatusCode::BAD_REQUEST,
    }
    answer
}
