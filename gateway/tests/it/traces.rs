//! Every problem names the trace of its request: the caller's, or one that began here.

use domain::trace::Traceparent;
use http::Method;
use sandbox::actors::Answer;
use serde_json::{Value, json};

use crate::world::{World, jazz};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The trace that a problem names, which is one.
fn trace_of(answer: &Answer) -> &str {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let named = answer.body["trace_id"].as_str().unwrap_or_default();
    let traceparent = format!("00-{named}-00f067aa0ba902b7-00");
    assert!(traceparent.parse::<Traceparent>().is_ok(), "{answer:?}");
    named
}

#[tokio::test]
async fn every_problem_names_the_trace_of_its_request() {
    let world = World::new().await;
    let sale = world.sale(&jazz(1)).await;
    let asks = async |method: Method, path: &str, said: &[&str]| {
        let headers: Vec<_> = said.iter().map(|text| ("traceparent", *text)).collect();
        world.edge.ask(method, path, &headers, &json!({ "rubbish": true })).await.unwrap()
    };
    // Refused by the table of routes, for who asks, and for what.
    let refused = [
        (Method::GET, "/v1/nothing".to_owned(), "not_found"),
        (Method::PUT, "/v1/sales".to_owned(), "method_not_allowed"),
        (Method::GET, format!("/v1/sales/{sale}/queue/place"), "unauthorized"),
        (Method::POST, format!("/v1/sales/{sale}/queue"), "validation_failed"),
        (Method::GET, format!("/v1/sales/{sale}/live"), "upgrade_required"),
        (Method::POST, "/v1/stripe/webhook".to_owned(), "signature_invalid"),
    ];
    for (method, path, code) in refused {
        let answer = asks(method.clone(), &path, &[TRACEPARENT]).await;
        assert_eq!((answer.code(), trace_of(&answer)), (Some(code), TRACE), "{path}");
        for rubbish in [&[][..], &["rubbish"], &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"]] {
            let (one, other) = (asks(method.clone(), &path, rubbish).await, asks(method.clone(), &path, rubbish).await);
            assert!(trace_of(&one) != TRACE && trace_of(&one) != trace_of(&other), "{path} {rubbish:?}: {one:?}");
        }
    }
    let well = world.get_with(&format!("/v1/sales/{sale}"), &[("traceparent", TRACEPARENT)]).await;
    assert_eq!(well.body["trace_id"], Value::Null);
    world.stop().await;
}
