//! Headers that every answer has.
//!
//! An endpoint that says nothing about caching means: nobody keeps this. Everything personal stays out of caches without
//! anybody having to remember it.

use http::header::{self, HeaderName, HeaderValue};

use crate::answer::Answer;
use crate::public_url::Transport;

const DEFAULTS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    // An API answer opened as a page can load nothing, run nothing and be framed by nobody.
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Two years: whoever came over https once is not led back to plain http by anybody.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Adds what the endpoint did not say.
pub(crate) fn complete(answer: &mut Answer, transport: Transport) {
    for (name, value) in DEFAULTS {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if transport == Transport::Https {
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{With as _, empty};

    #[test]
    fn what_an_endpoint_says_stands_and_the_rest_is_added() {
        let said = || empty(http::StatusCode::OK).with_text(header::CACHE_CONTROL, "no-cache");
        let (mut plain, mut secure) = (said(), said());
        complete(&mut plain, Transport::Http);
        complete(&mut secure, Transport::Https);
        assert_eq!(plain.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(plain.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!plain.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert_eq!(secure.headers()[header::STRICT_TRANSPORT_SECURITY], HTTPS_ONLY);
    }
}
