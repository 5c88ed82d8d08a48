//! Workers end when asked, and nothing acknowledged is lost when they are not asked.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Card, Visitor};

use crate::world::World;

const BOUND: Duration = Duration::from_secs(60);

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
