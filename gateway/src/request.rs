//! A request, read: whose it is, what it asks for, and its whole body.
//!
//! By the time an endpoint sees a [`Request`], its route is known, its body is complete and within its bound, and the
//! client's address is the one that limits count ([`address`]). Tokens and cookies are read by [`crate::identity`].

use std::net::IpAddr;
use std::str::FromStr;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use serde::de::DeserializeOwned;

use crate::json;
use crate::problem::{Code, Problem};
use crate::trace::Trace;

pub(crate) mod address;

/// The largest body of a request that people or their programs make. The largest one that makes sense, a sale with 32
/// tiers, is about 8 KiB.
pub(crate) const BODY_MAX_BYTES: usize = 64 * 1024;

/// The largest body of the webhook: Stripe's objects can carry a lot of metadata.
pub(crate) const WEBHOOK_BODY_MAX_BYTES: usize = 1024 * 1024;

/// The longest Idempotency-Key; a UUID has 36, a SHA-256 in hex 64.
const IDEMPOTENCY_KEY_MAX_BYTES: usize = 255;

/// A request with its body.
pub(crate) struct Request {
    /// Method, path, query, headers.
    pub(crate) parts: Parts,
    /// The whole body.
    pub(crate) body: Bytes,
    /// What the path's placeholders stand for.
    pub(crate) params: Params,
    /// Whose limits count.
    pub(crate) client: IpAddr,
    /// Which trace it belongs to.
    pub(crate) trace: Trace,
    /// The connection itself, for a WebSocket.
    pub(crate) upgrade: Option<OnUpgrade>,
}

/// What the placeholders of a path stand for: at most three, so a list is enough.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(pub(crate) Vec<(String, String)>);

impl Params {
    /// The text in place of `{name}`.
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).expect("a handler asks only for placeholders of its own path")
    }

    /// What stands in place of `{name}`, where the path has it and it can be read as such.
    pub(crate) fn named<T: FromStr>(&self, name: &str) -> Option<T> {
        self.0.iter().find(|(key, _)| key == name)?.1.parse().ok()
    }

    /// The id in place of `{name}`. Another kind of text names nothing that exists.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.text(name).parse().map_err(|_| Problem::new(Code::NotFound))
    }
}

impl Request {
    /// The header's text, when it is there once and is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        let mut values = self.parts.headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        value.to_str().ok()
    }

    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        json::read(&self.parts.headers, &self.body)
    }

    /// The same of a body that may also be of another media type.
    pub(crate) fn json_as<T: DeserializeOwned>(&self, media_type: &'static str) -> Result<T, Problem> {
        json::read_as(&self.parts.headers, &self.body, media_type)
    }

    /// The fields of a body that an HTML form sent, decoded, in order.
    ///
    /// # Errors
    /// It is no such body.
    pub(crate) fn form(&self) -> Result<Vec<(String, String)>, Problem> {
        let media_type = self.header(&header::CONTENT_TYPE).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::new(Code::UnsupportedMediaType));
        }
        Ok(form_urlencoded::parse(&self.body).into_owned().collect())
    }

    /// The query, decoded, in order.
    pub(crate) fn query(&self) -> impl Iterator<Item = (String, String)> {
        let query = self.parts.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned()
    }

    /// The first value of a query parameter.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        self.query().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The bearer token, if there is one.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(&header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The Idempotency-Key, quoted or bare; none when there is no such header.
    pub(crate) fn idempotency_key(&self) -> Result<Option<&str>, Problem> {
        let name = HeaderName::from_static("idempotency-key");
        if !self.parts.headers.contains_key(&name) {
            return Ok(None);
        }
        let key = self.header(&name).map(|text| unquoted(text.trim()));
        let fits = |key: &&str| {
            (1..=IDEMPOTENCY_KEY_MAX_BYTES).contains(&key.len())
                && key.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        };
        key.filter(fits).map(Some).ok_or_else(|| {
            Problem::invalid_at("", format!("Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_MAX_BYTES} visible ASCII"))
        })
    }

    /// The Idempotency-Key of a request that must have one.
    pub(crate) fn required_idempotency_key(&self) -> Result<&str, Problem> {
        self.idempotency_key()?.ok_or_else(|| Problem::new(Code::IdempotencyKeyMissing))
    }

    /// Whether the client takes a body in that content coding: names it, or means it by `*`, and does not give it the weight
    /// zero (RFC 9110, 12.5.3).
    pub(crate) fn accepts_coding(&self, coding: &str) -> bool {
        let lists = self.parts.headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
        let entries: Vec<_> = lists.flat_map(|list| list.split(',')).map(|entry| entry.trim()).collect();
        let taken = |name: &str| entries.iter().find_map(|entry| weighs_something(entry, name));
        taken(coding).or_else(|| taken("*")).unwrap_or(false)
    }

    /// The client means this version, which has this tag: `If-Match` names it, or says that any will do. Weak tags name none
    /// (RFC 9110, 13.1.1).
    ///
    /// # Errors
    /// It says nothing of versions, or means another.
    pub(crate) fn if_match(&self, etag: &str) -> Result<(), Problem> {
        let lists: Vec<_> = self.parts.headers.get_all(header::IF_MATCH).iter().collect();
        if lists.is_empty() {
            return Err(Problem::new(Code::PreconditionRequired));
        }
        let mut tags = lists.iter().filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
        if tags.any(|tag| tag.trim() == etag || tag.trim() == "*") {
            return Ok(());
        }
        let current = HeaderValue::from_str(etag).expect("our tags are visible ASCII");
        Err(Problem::new(Code::PreconditionFailed).header(header::ETAG, current))
    }

    /// Whether the client has this version already.
    pub(crate) fn has_etag(&self, etag: &str) -> bool {
        let weak = |tag: &str| tag.trim().trim_start_matches("W/") == etag.trim_start_matches("W/");
        self.header(&header::IF_NONE_MATCH).is_some_and(|tags| tags.trim() == "*" || tags.split(',').any(weak))
    }
}

/// Whether an entry of `Accept-Encoding` has another weight than zero; none when it is of another name.
fn weighs_something(entry: &str, name: &str) -> Option<bool> {
    let (of, parameters) = entry.split_once(';').unwrap_or((entry, ""));
    let is_zero = |weight: &str| weight.trim().trim_matches(['0', '.']).is_empty();
    let weight = parameters.split_once('=').map(|(_, weight)| weight);
    of.trim().eq_ignore_ascii_case(name).then(|| !weight.is_some_and(is_zero))
}

/// RFC 8941 strings escape only quote and backslash, and keys have no use for either.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// Whether requests of this method have a body that is read.
pub(crate) fn has_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Reads a body to its end, and not a byte past `max_bytes`.
///
/// # Errors
/// It is longer, or the client broke off.
pub(crate) async fn read_body(body: Incoming, max_bytes: usize) -> Result<Bytes, Problem> {
    let declared = hyper::body::Body::size_hint(&body).lower();
    if declared > max_bytes as u64 {
        return Err(too_large(max_bytes));
    }
    match Limited::new(body, max_bytes).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(max_bytes)),
        Err(_) => Err(Problem::invalid_at("", "the body broke off")),
    }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("At most {max_bytes} bytes."))
}

#[cfg(test)]
mod tests;
