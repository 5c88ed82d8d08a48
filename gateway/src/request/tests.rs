use http::HeaderValue;

use super::*;
use crate::trace::tests::any;

fn request(headers: &[(&'static str, &'static str)]) -> Request {
    let mut builder = http::Request::builder().uri("/v1/sales?q=jazz+%26+blues&limit=5");
    for (name, value) in headers {
        builder = builder.header(*name, HeaderValue::from_static(value));
    }
    let (parts, ()) = builder.body(()).unwrap().into_parts();
    Request {
        parts,
        body: Bytes::new(),
        params: Params::default(),
        client: IpAddr::from([127, 0, 0, 1]),
        trace: any(),
        upgrade: None,
    }
}

#[test]
fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
    assert_eq!(request(&[("authorization", "bearer plc_x")]).bearer(), Some("plc_x"));
    assert_eq!(request(&[("authorization", "Basic plc_x")]).bearer(), None);
    assert_eq!(request(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]).bearer(), None);
}

#[test]
fn a_key_is_taken_quoted_or_bare() {
    assert_eq!(request(&[("idempotency-key", "\"k-1\"")]).idempotency_key().unwrap(), Some("k-1"));
    assert_eq!(request(&[("idempotency-key", "k-1")]).idempotency_key().unwrap(), Some("k-1"));
    assert_eq!(request(&[]).idempotency_key().unwrap(), None);
    assert_eq!(request(&[]).required_idempotency_key().unwrap_err().code(), Code::IdempotencyKeyMissing);
    assert!(request(&[("idempotency-key", "")]).idempotency_key().is_err());
}

#[test]
fn a_query_is_decoded() {
    assert_eq!(request(&[]).query_value("q").as_deref(), Some("jazz & blues"));
    assert_eq!(request(&[]).query_value("none"), None);
}

#[test]
fn a_version_the_client_has_is_recognised() {
    let request = request(&[("if-none-match", "W/\"1\", \"2\"")]);
    assert!(request.has_etag("\"2\"") && request.has_etag("\"1\"") && !request.has_etag("\"3\""));
}

#[test]
fn a_coding_is_taken_when_it_is_named_or_meant_and_has_weight() {
    let takes = |value: &'static str| request(&[("accept-encoding", value)]).accepts_coding("gzip");
    for value in ["gzip", "br, GZIP;q=0.5", "*", "gzip;q=1.000", "*;q=0, gzip", "deflate,gzip ; q=0.001"] {
        assert!(takes(value), "{value}");
    }
    for value in ["", "br", "identity", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "xgzip"] {
        assert!(!takes(value), "{value}");
    }
    assert!(!request(&[]).accepts_coding("gzip"));
    assert!(request(&[("accept-encoding", "br"), ("accept-encoding", "gzip")]).accepts_coding("gzip"));
}
