//! Buyers of the benches: from the line to an order, from Pay to its answer, and until there is nothing left to do.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Buyer, Card, Edge, Order, Visitor};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::world::{World, sale};

/// No bench waits longer for anything.
pub(crate) const BOUND: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Those who buy one place each, in a sale that lets everybody in at once.
pub(crate) struct Crowd {
    edge: Edge,
    stripe: Edge,
    pub(crate) sale: String,
}

impl Crowd {
    /// Puts as many places on sale and comes to that gateway.
    pub(crate) async fn before(world: &World, edge: &Edge, places: u32) -> Self {
        let mut night = sale(places);
        night["hold"]["checkout_window_s"] = 900.into();
        night["admission"] = json!({ "rate_per_s": 100_000, "burst": 100_000, "max_shoppers": 100_000 });
        let sale = world.organizer.puts_on_sale(&night).await.unwrap();
        Self { edge: edge.clone(), stripe: Edge::new(&world.stripe.base_url()), sale }
    }

    /// Somebody joins, waits for the turn, holds and orders.
    pub(crate) async fn orders(&self, number: u32) -> (Buyer, Order) {
        let mut visitor = Visitor::new(&self.edge, &self.sale);
        visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
        let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
        let hold = buyer.holds("ga", 1).await.unwrap();
        let order = buyer.orders(&hold, &format!("buyer{number}@example.com"), "Ada").await.unwrap();
        (buyer, order)
    }

    /// Presses Pay, and again when told to.
    pub(crate) async fn presses_pay(&self, buyer: &Buyer, order: &Order) {
        loop {
            let answer = buyer.pays_at(order, Card::Visa, &self.stripe).await.unwrap();
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                answer.expect(StatusCode::OK).unwrap();
                return;
            }
            let after_s = answer.header("retry-after").unwrap().parse().unwrap();
            sleep(Duration::from_secs(after_s)).await;
        }
    }
}

/// Waits until no event waits in the inbox and no job in the outbox.
pub(crate) async fn until_nothing_is_left(world: &World) {
    let pending = "SELECT (EXISTS (SELECT FROM inbox WHERE state = 'pending')
                        OR EXISTS (SELECT FROM outbox WHERE state = 'pending'))::integer::bigint";
    let began = Instant::now();
    while world.counts(pending).await > 0 {
        assert!(began.elapsed() < BOUND, "some work never ends");
        sleep(LOOK_EVERY).await;
    }
}
