use super::*;

/// An intent with the fewest fields the pinned API version allows.
const INTENT: &str = r#"{"id":"pi_1","object":"payment_intent","amount":500,"amount_capturable":0,"amount_received":0,
    "capture_method":"automatic","confirmation_method":"automatic","created":1790000000,"currency":"eur",
    "livemode":false,"metadata":{},"payment_method_types":["card"],"status":"requires_payment_method"}"#;

fn classified(status: u16, error: &str) -> StripeError {
    let status = StatusCode::from_u16(status).expect("a status");
    StripeError::classify(status, &HeaderMap::new(), &Bytes::from(format!(r#"{{"error":{error}}}"#)))
}

#[test]
fn a_decline_carries_its_reason_and_the_intent_it_left() {
    let error = classified(
        402,
        &format!(
            r#"{{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds",
                "message":"Your card has insufficient funds.","payment_intent":{INTENT}}}"#
        ),
    );
    let StripeError::Declined { code, decline_code, message, intent } = error else {
        panic!("{error:?}");
    };
    assert_eq!((code.as_str(), decline_code.as_deref()), ("card_declined", Some("insufficient_funds")));
    assert_eq!(message, "Your card has insufficient funds.");
    assert_eq!(intent.expect("the intent came along").id, "pi_1");
}

#[test]
fn a_decline_whose_intent_does_not_read_is_still_a_decline() {
    let error = classified(402, r#"{"type":"card_error","code":"card_declined","payment_intent":{"id":"pi_1"}}"#);
    assert!(matches!(error, StripeError::Declined { intent: None, .. }), "{error:?}");
}

#[test]
fn every_status_and_code_has_one_class() {
    let cases = [
        (400, r#"{"type":"invalid_request_error","code":"payment_intent_unexpected_state"}"#, "unexpected_state"),
        (400, r#"{"type":"card_error","code":"expired_card"}"#, "declined"),
        (400, r#"{"type":"idempotency_error"}"#, "refused"),
        (400, r#"{"type":"invalid_request_error","code":"amount_too_small"}"#, "refused"),
        (401, r#"{"type":"invalid_request_error"}"#, "refused"),
        (402, r#"{"type":"card_error","code":"card_declined"}"#, "declined"),
        (404, r#"{"type":"invalid_request_error","code":"resource_missing"}"#, "refused"),
        (408, "{}", "unknown"),
        (409, r#"{"type":"idempotency_error","code":"idempotency_key_in_use"}"#, "in_use"),
        (429, r#"{"type":"invalid_request_error","code":"lock_timeout"}"#, "in_use"),
        (429, r#"{"type":"invalid_request_error","code":"rate_limit"}"#, "rate_limited"),
        (500, r#"{"type":"api_error"}"#, "unknown"),
        (503, "{}", "unknown"),
        (302, "{}", "unknown"),
    ];
    for (status, error, class) in cases {
        assert_eq!(crate::metrics::word::<()>(&Err(classified(status, error))), class, "{status} {error}");
    }
}

#[test]
fn an_error_page_that_is_not_json_is_classified_by_its_status() {
    let page = Bytes::from_static(b"<html>Bad Gateway</html>");
    for (status, class) in [(502, "unknown"), (403, "refused"), (429, "rate_limited")] {
        let status = StatusCode::from_u16(status).expect("a status");
        let error = StripeError::classify(status, &HeaderMap::new(), &page);
        assert_eq!(crate::metrics::word::<()>(&Err(error)), class, "{status}");
    }
}

#[test]
fn a_rate_limit_says_how_long_to_wait() {
    let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "7".parse().expect("a value"))]);
    let error = StripeError::classify(StatusCode::TOO_MANY_REQUESTS, &headers, &Bytes::new());
    assert!(
        matches!(error, StripeError::RateLimited { retry_after: Some(wait) } if wait == Duration::from_secs(7)),
        "{error:?}"
    );
}

#[test]
fn only_a_failure_that_is_repeated_spends_its_key() {
    let told = |status: u16, replayed: Option<&str>| {
        let headers =
            replayed.map(|told| ("idempotent-replayed".parse().expect("a name"), told.parse().expect("a value")));
        let status = StatusCode::from_u16(status).expect("a status");
        StripeError::classify(status, &headers.into_iter().collect(), &Bytes::new()).is_spent()
    };
    assert!(told(500, Some("true")) && told(503, Some("true")));
    assert!(!told(500, None) && !told(500, Some("false")) && !told(409, Some("true")));
}
