//! Pages: static shells that read what they show from the API, and what they are made of.
//!
//! A page is the same for everybody, so it may be kept and asked for again by its ETag, and it goes out compressed to whoever
//! takes that; each encoding has an ETag of its own. The payment page alone may load a script of somebody else, and only
//! that one's.

use std::sync::OnceLock;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::answer::{Answer, With as _, bytes_answer, empty, json};
use crate::app::App;
use crate::assets::{self, Asset, GZIP};
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

/// Kept by the browser, which asks each time whether it is still the same.
const ASK_EACH_TIME: &str = "no-cache";

/// Kept for a while, by anybody.
const KEEP_A_MINUTE: &str = "public, max-age=60";

/// `GET /`
pub(crate) fn home(request: &Request) -> Result<Answer, Problem> {
    page(request, "index.html", CSP)
}

/// `GET /s/{slug}`; with `?plain` it leads to the page without JavaScript, whose address the shell, being the same for
/// every sale, cannot say.
pub(crate) fn sale(request: &Request) -> Result<Answer, Problem> {
    if request.query_value("plain").is_some() {
        let plain = HeaderValue::from_str(&format!("{}/plain", request.parts.uri.path()));
        return Ok(empty(StatusCode::SEE_OTHER).with(header::LOCATION, plain.map_err(|_| Code::NotFound)?));
    }
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

/// `GET /s/{slug}/waitlist`, and `GET /s/{slug}/waitlist/{entry}`
pub(crate) fn waitlist(request: &Request) -> Result<Answer, Problem> {
    page(request, "waitlist.html", CSP)
}

/// `GET /assets/{file}`
pub(crate) fn asset(request: &Request) -> Result<Answer, Problem> {
    let asset = assets::find(&format!("assets/{}", request.params.text("file"))).ok_or(Code::NotFound)?;
    Ok(kept(request, asset, ASK_EACH_TIME))
}

/// `GET /openapi.json`
pub(crate) fn openapi(request: &Request) -> Result<Answer, Problem> {
    static DOCUMENT: OnceLock<Asset> = OnceLock::new();
    let write = || {
        let text = openapi::document().to_pretty_json().expect("the document has string keys");
        Asset::new(text.into(), "application/json")
    };
    Ok(kept(request, DOCUMENT.get_or_init(write), KEEP_A_MINUTE))
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
    Ok(kept(request, asset, ASK_EACH_TIME).with_text(header::CONTENT_SECURITY_POLICY, csp))
}

/// A file in the encoding that the client takes; nothing but its version when the client has that already.
fn kept(request: &Request, asset: &Asset, cached: &'static str) -> Answer {
    let gzip = asset.gzip.as_ref().filter(|_| request.accepts_coding(GZIP));
    let sent = gzip.unwrap_or(&asset.whole);
    let answer = match (request.has_etag(&sent.etag), gzip) {
        (true, _) => empty(StatusCode::NOT_MODIFIED),
        (false, None) => bytes_answer(StatusCode::OK, asset.media_type, sent.body.clone()),
        (false, Some(_)) => bytes_answer(StatusCode::OK, asset.media_type, sent.body.clone())
            .with(header::CONTENT_ENCODING, HeaderValue::from_static(GZIP)),
    };
    answer
        .with_text(header::ETAG, &sent.etag)
        .with(header::VARY, HeaderValue::from_static("accept-encoding"))
        .with(header::CACHE_CONTROL, HeaderValue::from_static(cached))
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
    use bytes::Bytes;

    use super::*;
    use crate::request::Params;
    use crate::trace::tests::any;

    fn asked(headers: &[(&'static str, &str)]) -> Request {
        let mut builder = http::Request::builder().uri("/");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let client = std::net::IpAddr::from([127, 0, 0, 1]);
        Request { parts, body: Bytes::new(), params: Params::default(), client, trace: any(), upgrade: None }
    }

    fn text<'a>(answer: &'a Answer, name: &header::HeaderName) -> &'a str {
        answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn body(answer: Answer) -> Bytes {
        match answer.into_body() {
            crate::answer::Body::Whole(bytes) => bytes,
            crate::answer::Body::Stream(_) => unreachable!("pages are whole"),
        }
    }

    #[test]
    fn a_page_goes_out_as_the_client_takes_it() {
        let asset = assets::find("sale.html").unwrap();
        let gzip = asset.gzip.as_ref().unwrap();
        let compressed = home(&asked(&[("accept-encoding", "gzip, deflate, br")])).unwrap();
        assert_eq!(text(&compressed, &header::CONTENT_ENCODING), "gzip");
        assert_eq!(text(&compressed, &header::VARY), "accept-encoding");
        assert!(text(&compressed, &header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"));
        let compressed = sale(&asked(&[("accept-encoding", "gzip")])).unwrap();
        assert_eq!(text(&compressed, &header::ETAG), gzip.etag);
        assert_eq!(body(compressed), gzip.body);
        for refusal in [&[][..], &[("accept-encoding", "br")], &[("accept-encoding", "gzip;q=0, *")]] {
            let whole = sale(&asked(refusal)).unwrap();
            assert_eq!(text(&whole, &header::CONTENT_ENCODING), "");
            assert_eq!(text(&whole, &header::VARY), "accept-encoding", "a cache must not give it to everybody");
            assert_eq!(text(&whole, &header::ETAG), asset.whole.etag);
            assert_eq!(body(whole), asset.whole.body);
        }
    }

    #[test]
    fn who_has_a_version_is_sent_nothing_unless_it_is_of_another_encoding() {
        let asset = assets::find("sale.html").unwrap();
        let gzip = asset.gzip.as_ref().unwrap();
        let status = |takes, has| sale(&asked(&[("accept-encoding", takes), ("if-none-match", has)])).unwrap().status();
        assert_eq!(status("gzip", &gzip.etag), StatusCode::NOT_MODIFIED);
        assert_eq!(status("identity", &asset.whole.etag), StatusCode::NOT_MODIFIED);
        assert_eq!(status("identity", &gzip.etag), StatusCode::OK);
        assert_eq!(status("gzip", &asset.whole.etag), StatusCode::OK);
        let unchanged = sale(&asked(&[("accept-encoding", "gzip"), ("if-none-match", &gzip.etag)])).unwrap();
        assert_eq!(text(&unchanged, &header::ETAG), gzip.etag);
        assert_eq!(text(&unchanged, &header::VARY), "accept-encoding");
        assert!(body(unchanged).is_empty());
    }

    #[test]
    fn the_description_of_the_api_goes_out_like_a_page() {
        let first = openapi(&asked(&[("accept-encoding", "gzip")])).unwrap();
        assert_eq!(text(&first, &header::CONTENT_ENCODING), "gzip");
        assert_eq!(text(&first, &header::CACHE_CONTROL), "public, max-age=60");
        let etag = text(&first, &header::ETAG);
        let again = openapi(&asked(&[("accept-encoding", "gzip"), ("if-none-match", etag)])).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn only_the_payment_page_lets_somebody_else_in() {
        assert!(!CSP.contains("stripe") && !CSP.contains("unsafe"));
        let real = checkout_csp(None);
        assert!(real.contains("script-src 'self' https://js.stripe.com") && !real.contains("unsafe"), "{real}");
        let fake = checkout_csp(Some("http://127.0.0.1:4242"));
        assert!(fake.contains("script-src 'self' http://127.0.0.1:4242;") && !fake.contains("stripe.com"), "{fake}");
    }
}
