use http::HeaderValue;
use serde::Deserialize;

use super::*;
use crate::trace::tests::any;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cart {
    #[serde(deserialize_with = "objects")]
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    quantity: u32,
}

fn json_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers
}

fn fault(body: &str) -> (String, String) {
    let problem = read::<Cart>(&json_headers(), body.as_bytes()).unwrap_err();
    let body = serde_json::to_value(problem.body(any().here.trace)).unwrap();
    assert_eq!(body["code"], "validation_failed");
    let told = &body["errors"][0];
    (told["pointer"].as_str().unwrap().to_owned(), told["detail"].as_str().unwrap().to_owned())
}

#[test]
fn what_fits_is_read() {
    let cart: Cart = read(&json_headers(), br#"{"items":[{"quantity":2}]}"#).unwrap();
    assert_eq!(cart.items[0].quantity, 2);
}

#[test]
fn what_does_not_fit_is_told_where() {
    assert_eq!(fault(r#"{"items":[{"quantity":1},{"quantity":-1}]}"#).0, "/items/1/quantity");
    assert_eq!(fault(r#"{"items":[{"quantity":10000000000}]}"#).0, "/items/0/quantity");
    assert_eq!(fault(r#"{"items":[{"quantity":"two"}]}"#).0, "/items/0/quantity");
    assert_eq!(fault(r#"{"items":{}}"#).0, "/items");
}

#[test]
fn unknown_fields_missing_fields_and_leftovers_are_refused() {
    let (pointer, detail) = fault(r#"{"items":[{"quantity":1,"seat/s":[]}]}"#);
    assert_eq!(pointer, "/items/0/seat~1s");
    assert!(detail.contains("unknown field"), "{detail}");
    assert!(fault("{}").1.contains("missing field"));
    assert!(fault(r#"{"items":[]} {"#).1.contains("trailing"));
    assert!(fault("{").1.contains("EOF"));
}

#[test]
fn another_media_type_is_not_read() {
    for media_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut headers = HeaderMap::new();
        if let Some(media_type) = media_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        let problem = read::<Cart>(&headers, br#"{"items":[]}"#).unwrap_err();
        assert_eq!(problem.code(), Code::UnsupportedMediaType);
    }
}

#[test]
fn a_list_of_values_is_no_object() {
    assert_eq!(fault(r#" [[{"quantity":1}]]"#), (String::new(), "must be an object".to_owned()));
    let (pointer, detail) = fault(r#"{"items":[{"quantity":1},[1]]}"#);
    assert_eq!(pointer, "/items/1");
    assert!(detail.contains("expected an object"), "{detail}");
}
