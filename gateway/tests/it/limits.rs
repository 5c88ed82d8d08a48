//! Limits: one client too many, the others untouched.

use futures_util::future::join_all;
use http::{Method, StatusCode};
use sandbox::actors::Visitor;
use serde_json::Value;

use crate::eventually::eventually;
use crate::world::{Setup, World, jazz};

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let world = World::with(Setup { limits: "join=2/60s", ..Setup::default() }).await;
    let sale = world.sale(&jazz(5)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    let first = visitor.joins().await.unwrap();
    assert_eq!((first.status, first.header("ratelimit")), (StatusCode::CREATED, Some("\"join\";r=1;t=60")));
    visitor.joins().await.unwrap().expect(StatusCode::OK).unwrap();
    let refused = visitor.joins().await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::TOO_MANY_REQUESTS, Some("rate_limited")));
    assert!(refused.header("retry-after").is_some());
    Visitor::new(&world.edge, &sale).joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_person_that_asks_too_often_is_refused_behind_any_address() {
    let world = World::with(Setup { limits: "hold=1/60s", ..Setup::default() }).await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    buyer.holds("ga", 1).await.unwrap();
    assert_eq!(buyer.asks_to_hold("ga", 1).await.unwrap().code(), Some("rate_limited"));
    world.buyer(&sale).await.holds("ga", 1).await.unwrap();
    world.stop().await;
}

/// People behind one address, at the counts that fit the daily run and in full.
fn crowd() -> usize {
    if std::env::var_os("ONSALE_SOAK").is_some() { 5_000 } else { 400 }
}

/// A crowd behind one address (a campus, a carrier) comes at once: everybody sees the page, joins and is heard. A store that
/// is busy for a moment may put somebody off; the limits must not.
#[tokio::test]
async fn a_crowd_of_honest_visitors_behind_one_address_gets_in() {
    let world = World::new().await;
    let config = jazz(5);
    let sale = world.sale(&config).await;
    let page = format!("/s/{}", config["slug"].as_str().unwrap());
    let from = ("x-forwarded-for", "203.0.113.7");
    let asks = async |method: Method, path: &str, headers: &[(&str, &str)], wanted: StatusCode| {
        let mut answered = Value::Null;
        eventually("an answer", async || {
            let answer = world.edge.ask(method.clone(), path, headers, &Value::Null).await.unwrap();
            assert!([wanted, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status), "{path}: {}", answer.body);
            answered = answer.body;
            answer.status == wanted
        })
        .await;
        answered
    };
    let queue = format!("/v1/sales/{sale}/queue");
    let visit = async || {
        for path in [page.as_str(), "/assets/onsale.css", "/assets/sale.js", &format!("/v1/sales/{sale}")] {
            asks(Method::GET, path, &[from], StatusCode::OK).await;
        }
        let joined = asks(Method::POST, &queue, &[from], StatusCode::CREATED).await;
        let place = format!("Bearer {}", joined["place"]["token"].as_str().unwrap());
        for _ in 0..3 {
            asks(Method::GET, &format!("{queue}/place"), &[from, ("authorization", &place)], StatusCode::OK).await;
        }
    };
    for _ in 0..crowd() / TOGETHER {
        join_all((0..TOGETHER).map(|_| visit())).await;
    }
    world.stop().await;
}

/// So many ask at the same moment.
const TOGETHER: usize = 50;
