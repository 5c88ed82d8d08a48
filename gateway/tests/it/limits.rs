//! Limits: one client too many, the others untouched.

use http::StatusCode;
use sandbox::actors::Visitor;

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
