//! Postgres' primary is lost for good in the middle of a sale, and its synchronous standby takes over. Nobody restarts
//! anything, and whatever anybody was told is still so.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::OrderId;
use http::StatusCode;
use sandbox::Latency;
use sandbox::actors::{Buyer, Hold};
use serde_json::json;
use tokio::time::Instant;

use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::shopper::crowd;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, sale};

/// Everybody gets one.
const SHOPPERS: usize = 24;
/// And so does somebody who orders as soon as that can be done again.
const UNITS: i64 = SHOPPERS as i64 + 1;
/// From the loss of the primary, its promoted standby included, to an acknowledged order, and to a ticket.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// Longer than the lease on what workers were doing.
const LEASE_MS: i64 = 61_000;
const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_takes_over_in_mid_sale_with_everything_that_was_acknowledged() {
    let (mut world, standby) = World::start_with_standby(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    world.stripe.set_latency(Latency::Uniform { min: Duration::from_millis(20), max: Duration::from_millis(300) });
    let mut wish = sale(u32::try_from(UNITS).unwrap());
    wish["admission"] = json!({ "rate_per_s": 4, "burst": 2, "max_shoppers": 200 });
    let sale = world.organizer.puts_on_sale(&wish).await.unwrap();
    let waiting = world.has_turn(&sale).await;
    let hold = waiting.holds("ga", 1).await.unwrap();

    let (edges, stripe) = ([world.edge.clone()], world.stripe.base_url());
    let fails_over = async {
        world.waits_until_counted(SOLD, |sold| sold >= 4).await;
        let lost = Instant::now();
        world.postgres.kill().await.unwrap();
        standby.promote().await.unwrap();
        let promoted = lost.elapsed();
        // Its files are removed when it is dropped, which takes time.
        let _gone = world.has_failed_over_to(standby);
        let sold = world.counts(SOLD).await;
        assert!(sold < UNITS - 8, "nearly all sold before the loss: {sold}");
        let order = orders_as_soon_as_possible(&waiting, &hold).await;
        let ordered = lost.elapsed();
        world.waits_until_counted(SOLD, |now| now > sold).await;
        let ticketed = lost.elapsed();
        eprintln!(
            "primary lost: standby promoted after {promoted:?}, an order after {ordered:?}, a ticket after {ticketed:?}"
        );
        assert!(ordered.max(ticketed) < BACK_WITHIN, "{ordered:?}, {ticketed:?}");
        world.database.advance_clock(LEASE_MS).await.unwrap();
        order
    };
    let mut order = None;
    let crowd = crowd(&edges, &sale, &stripe, SHOPPERS, async { order = Some(fails_over.await) }).await;

    eprintln!("{} requests were told to come later", crowd.answers.declined);
    assert_eq!(crowd.paid(), SHOPPERS, "{:?}", crowd.told);
    assert_eq!((crowd.answers.gone, crowd.answers.unanswered.as_slice()), (0, [].as_slice()));
    assert_eq!(crowd.answers.holds.len(), SHOPPERS, "nobody had to hold twice");
    let acknowledged: BTreeSet<_> = crowd.answers.orders.iter().chain(&order).collect();
    assert_eq!(acknowledged.len(), SHOPPERS + 1, "one order each");
    for order in acknowledged {
        let order: OrderId = order.parse().unwrap();
        let there = format!("SELECT count(*) FROM orders WHERE id = '{}'", order.uuid());
        assert_eq!(world.counts(&there).await, 1, "{order} was acknowledged");
    }
    let tickets = "SELECT count(*) FROM tickets WHERE state = 'valid'";
    assert_eq!(world.counts(tickets).await, UNITS - 1);
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, (UNITS - 1) * PRICE).await;
    world.holds_every_invariant();
}

/// Asks until there is an order. It may have been made already, where the answer was lost: then it is that one.
async fn orders_as_soon_as_possible(buyer: &Buyer, hold: &Hold) -> String {
    let begun = Instant::now();
    loop {
        let answer = buyer.asks_to_order(hold, "ada@example.com", "Ada").await.unwrap();
        match answer.status {
            StatusCode::CREATED | StatusCode::OK => return answer.body["id"].as_str().unwrap().to_owned(),
            StatusCode::SERVICE_UNAVAILABLE => {}
            _ => panic!("{answer:?}"),
        }
        assert!(begun.elapsed() < BACK_WITHIN, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
