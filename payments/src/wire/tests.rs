use super::*;

fn wire(base: &str) -> Wire {
    Wire::new(base, HeaderValue::from_static("Bearer sk_test_1"), Duration::from_secs(1))
}

#[test]
fn a_path_is_appended_to_any_base() {
    let spec = RequestBuilder::new(StripeMethod::Get, "/payment_intents/pi_1");
    for base in ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:1/stripe", "http://127.0.0.1:1/stripe/"]
    {
        let expected = format!("{}/v1/payment_intents/pi_1", base.trim_end_matches('/'));
        assert_eq!(wire(base).uri(&spec), expected);
    }
}

#[test]
fn a_query_is_kept_and_an_empty_one_is_not() {
    let mut spec = RequestBuilder::new(StripeMethod::Get, "/events");
    spec.query = Some(String::new());
    assert_eq!(wire("http://h").uri(&spec), "http://h/v1/events");
    spec.query = Some("limit=3".to_owned());
    assert_eq!(wire("http://h").uri(&spec), "http://h/v1/events?limit=3");
}

#[test]
fn a_request_says_who_asks_what_version_and_under_which_key() {
    let mut spec = RequestBuilder::new(StripeMethod::Post, "/payment_intents");
    spec.body = Some("b=2&a=1".to_owned());
    let request = wire("http://h").request(&spec, Some("create:ord_1:1")).expect("a request");
    let header = |name: &str| request.headers()[name].to_str().expect("text");
    assert_eq!(header("authorization"), "Bearer sk_test_1");
    assert_eq!(header("idempotency-key"), "create:ord_1:1");
    assert_eq!(header("stripe-version"), VERSION.as_str());
    assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
}

#[test]
fn the_same_form_is_the_same_bytes_in_whatever_order_it_comes() {
    assert_eq!(canonical("metadata[b]=2&amount=5&metadata[a]=1"), canonical("amount=5&metadata[a]=1&metadata[b]=2"));
}
