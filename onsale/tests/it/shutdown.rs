//! Processes end when asked, and nothing acknowledged is lost when they are not asked.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Card, Incoming, Visitor};

use crate::world::World;

const BOUND: Duration = Duration::from_secs(60);
const CLOSED_WITHIN: Duration = Duration::from_secs(30);
/// The close code for a service that restarts (RFC 6455's registry).
const SERVICE_RESTART: u16 = 1012;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_asked_to_end_tells_its_sockets_and_exits_clean() {
    let mut world = World::start().await;
    let sale = world.sells(5).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let mut socket = visitor.watches().await.unwrap();
    socket.waits_for("position", BOUND).await.unwrap();

    world.gateway.is_asked_to_end();

    let reconnect = socket.waits_for("reconnect", CLOSED_WITHIN).await.unwrap();
    assert!(reconnect["data"]["after_ms"].is_u64(), "{reconnect}");
    let closed = tokio::time::timeout(CLOSED_WITHIN, async {
        loop {
            if let Incoming::Closed(why) = socket.next().await.unwrap() {
                return why;
            }
        }
    });
    let why = closed.await.unwrap();
    assert_eq!(why.map(|frame| u16::from(frame.code)), Some(SERVICE_RESTART));
    assert!(world.gateway.ends().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_made_while_no_worker_runs_becomes_a_ticket_when_one_does() {
    let mut world = World::start().await;
    let sale = world.sells(5).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
    let hold = buyer.holds("ga", 2).await.unwrap();
    let order = buyer.orders(&hold, "ada@example.com", "Ada").await.unwrap();
    world.workers.is_killed();
    buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
    world.waits_until_counted("SELECT count(*) FROM inbox", |events| events >= 1).await;

    world.restarts_workers().await;

    let paid = buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
    assert_eq!(paid["tickets"].as_array().map(Vec::len), Some(2), "{paid}");
    assert_eq!(world.waits_for_mails(1).await.len(), 1);
    world.workers.is_asked_to_end();
    assert!(world.workers.ends().await.success());
    world.holds_every_invariant();
}
