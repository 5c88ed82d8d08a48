//! No more are let in than there are units to be had, while a crowd shops and gives back.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::log::GRANTED;
use crate::shopper::crowd;
use crate::world::{NO_LIMITS, World, sale};

const UNITS: u32 = 20;
const OVERBOOK: u32 = 3;
const SHOPPERS: usize = 60;
const BOUND: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";
/// For each turn given: how many were out then, itself included, and how many units were sold before. Whoever has bought is
/// out no more, and here nobody gives back what is in the basket, so turns out never exceed what is not sold and the
/// overbooking.
const BEYOND_STOCK: &str = "
    SELECT count(*) FROM (
        SELECT (SELECT count(*) FROM admission_log WHERE kind = 'granted' AND at <= given.at)
             - (SELECT count(*) FROM admission_log WHERE kind IN ('lapsed', 'left', 'ended') AND at <= given.at) AS turns_out,
               (SELECT count(*) FROM tickets WHERE issued_at <= given.at) AS sold
          FROM admission_log AS given WHERE kind = 'granted') AS turns
     WHERE turns_out + sold > ";

#[tokio::test(flavor = "multi_thread")]
async fn turns_never_exceed_units_and_overbooking_while_a_crowd_shops() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let (_other, other) = world.adds_gateway().await;
    let mut wish = sale(UNITS);
    wish["admission"] = json!({ "rate_per_s": 1_000, "burst": 1_000, "max_shoppers": 1_000, "overbook": OVERBOOK });
    let sale = world.organizer.puts_on_sale(&wish).await.unwrap();
    let watching = async {
        let (started, mut most) = (Instant::now(), 0);
        while world.counts(SOLD).await < i64::from(UNITS) {
            most = most.max(world.view(&sale).await.shoppers());
            assert!(started.elapsed() < BOUND, "not sold out");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert!((UNITS..=UNITS + OVERBOOK).contains(&most), "{most} inside for {UNITS} units");
    };
    let edges = [world.edge.clone(), other];
    let shopped = crowd(&edges, &sale, &world.stripe.base_url(), SHOPPERS, watching).await;
    assert_eq!(shopped.paid(), UNITS as usize, "{:?}", shopped.told);
    assert!(world.counts(GRANTED).await >= i64::from(UNITS));
    assert_eq!(world.counts(&format!("{BEYOND_STOCK}{}", UNITS + OVERBOOK)).await, 0);
    assert_eq!(world.counts(SOLD).await, i64::from(UNITS));
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, i64::from(UNITS) * PRICE).await;
    world.holds_every_invariant();
}
