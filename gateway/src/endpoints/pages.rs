//! Pages: static shells that read what they show from the API, and what they are made of.
//!
//! A page is the same for everybody, so it may be kept and asked for again by its ETag. The payment page alone may load a
//! script of somebody else, and only that one's.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::answer::{Answer, With as _, bytes_answer, empty, json, json_bytes};
use crate::app::App;
use crate::assets::{self, Asset};
use crate::openapi;
use crate::problem::{Code, Problem};
use crate::request::Request;

/// What our own pages may do: load from us, talk to us, be framed by nobody.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                   form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'";

/// What Stripe.js asks for (Stripe's documentation, "Content Security Policy").
const STRIPE_SCRIPTS: &str = "https://js.stripe.com https://*.js.stripe.com";
const STRIPE_FRAMES: &str = "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com";
const STRIPE_CALLS: &str = "https://api.stripe.com";

/// `GET /`
pub(crate) fn home(request: &Request) -> Result<Answer, Problem> {
    page(request, "index.html", CSP)
}

/// `GET /s/{slug}`
pub(crate) fn sale(request: &Request) -> Result<Answer, Problem> {
    page(request, "sale.html", CSP)
}

/// `GET /s/{slug}/checkout`
pub(crate) fn checkout(app: &App, request: &Request) -> Result<Answer, Problem> {
    page(request, "checkout.html", &checkout_csp(app.config.stripe_browser_base.as_deref()))
}

/// `GET /s/{slug}/orders/{order}`
pub(crate) fn order(request: &Request) -> Result<Answer, Problem> {
    page(request, "order.html", CSP)
}

/// `GET /assets/{file}`
pub(crate) fn asset(request: &Request) -> Result<Answer, Problem> {
    let asset = assets::find(&format!("assets/{}", request.params.text("file"))).ok_or(Code::NotFound)?;
    Ok(kept(request, asset))
}

/// `GET /openapi.json`
pub(crate) fn openapi(_request: &Request) -> Result<Answer, Problem> {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let write = || openapi::document().to_pretty_json().expect("the document has string keys").into();
    let cached = HeaderValue::from_static("public, max-age=60");
    Ok(json_bytes(StatusCode::OK, DOCUMENT.get_or_init(write).clone()).with(header::CACHE_CONTROL, cached))
}

#[derive(Serialize)]
struct ProblemKind {
    code: &'static str,
    status: u16,
    title: &'static str,
    explanation: &'static str,
}

/// `GET /problems/{code}`
pub(crate) fn problem(request: &Request) -> Result<Answer, Problem> {
    let word = request.params.text("code");
    let code = Code::ALL.iter().find(|code| code.word() == word).ok_or(Code::NotFound)?;
    let kind = ProblemKind {
        code: code.word(),
        status: code.status().as_u16(),
        title: code.title(),
        explanation: code.explanation().trim(),
    };
    Ok(json(StatusCode::OK, &kind))
}

fn page(request: &Request, file: &str, csp: &str) -> Result<Answer, Problem> {
    let asset = assets::find(file).ok_or(Code::NotFound)?;
    Ok(kept(request, asset).with_text(header::CONTENT_SECURITY_POLICY, csp))
}

/// The browser keeps it and asks each time whether it is still the same.
fn kept(request: &Request, asset: Asset) -> Answer {
    let answer = if request.has_etag(&asset.etag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        bytes_answer(StatusCode::OK, asset.media_type, asset.body)
    };
    answer.with_text(header::ETAG, &asset.etag).with(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

fn checkout_csp(browser_base: Option<&str>) -> String {
    let (scripts, frames, calls, styles) = match browser_base {
        Some(base) => (base, base, base, base),
        None => (STRIPE_SCRIPTS, STRIPE_FRAMES, STRIPE_CALLS, ""),
    };
    format!(
        "default-src 'none'; script-src 'self' {scripts}; frame-src {frames}; connect-src 'self' {calls}; \
         style-src 'self' {styles}; img-src 'self' data: {scripts}; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_payment_page_lets_somebody_else_in() {
        assert!(!CSP.contains("stripe") && !CSP.contains("unsafe"));
        let real = checkout_csp(None);
        assert!(real.contains("script-src 'self' https://js.stripe.com") && !real.contains("unsafe"), "{real}");
        let fake = checkout_csp(Some("http://127.0.0.1:4242"));
        assert!(fake.contains("script-src 'self' http://127.0.0.1:4242;") && !fake.contains("stripe.com"), "{fake}");
    }
}
