//! A tier that grows in a whole installation: who waits for it is asked first, what is left is bought, and a crowd that shops
//! meanwhile gets each unit once.

use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::Order;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::faults::nothing_is_left_to_do;
use crate::shopper::crowd;
use crate::totals;
use crate::waitlist::Reader;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, sale};

const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longer than the queue has to join.
const GATHERED_MS: i64 = 301_000;
/// What a crowd begins with, by how much that grows, and how often.
const UNITS: u32 = 10;
const MORE: u32 = 10;
const TIMES: u32 = 4;
/// Some four for each unit there will be.
const SHOPPERS: usize = 200;

const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";
const TAKEN: &str = "SELECT count(*) FROM units WHERE state IN ('ordered', 'sold')";
const FREE: &str = "SELECT count(*) FROM units WHERE state = 'free'";

impl World {
    /// Makes the only tier that large, whatever else is changed at the same time.
    async fn grows_to(&self, sale: &str, capacity: u32) {
        let path = format!("/v1/organizer/sales/{sale}");
        let authorization = format!("Bearer {}", self.organizer_key());
        let key = ("authorization", authorization.as_str());
        let started = Instant::now();
        loop {
            let seen = self.edge.ask(Method::GET, &path, &[key], &Value::Null).await.unwrap();
            let version = seen.header("etag").unwrap().to_owned();
            let mut tiers = seen.body["tiers"].clone();
            tiers[0]["capacity"] = json!(capacity);
            let headers = [key, ("if-match", version.as_str())];
            let changed = self.edge.ask(Method::PATCH, &path, &headers, &json!({ "tiers": tiers })).await.unwrap();
            if changed.code() != Some("precondition_failed") {
                changed.expect(StatusCode::OK).unwrap();
                return;
            }
            assert!(started.elapsed() < WITHIN, "somebody is always faster");
        }
    }

    /// Waits until Redis sells what Postgres has free.
    async fn stores_agree(&self, sale: &str) {
        let started = Instant::now();
        loop {
            let stock = self.view(sale).await.stock[&"ga".parse().unwrap()];
            let free = self.counts(FREE).await;
            if (i64::from(stock.free), stock.held) == (free, 0) {
                return;
            }
            assert!(started.elapsed() < WITHIN, "{stock:?} in Redis, {free} free in Postgres");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until visitors are told that there is something to buy.
    async fn sells_again(&self, sale: &str) {
        let started = Instant::now();
        loop {
            let seen = self.edge.ask(Method::GET, &format!("/v1/sales/{sale}"), &[], &Value::Null).await.unwrap();
            if seen.body["state"] == "open" {
                return;
            }
            assert!(started.elapsed() < WITHIN, "{:?}", seen.body);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Joins the waitlist as soon as it is open, and confirms.
    async fn waits(&self, sale: &str, email: &str) -> Reader<'_> {
        let wish = json!({ "tiers": ["ga"], "quantity": 1, "email": email });
        let started = Instant::now();
        loop {
            let joined = self.edge.ask(Method::POST, &format!("/v1/sales/{sale}/waitlist"), &[], &wish).await.unwrap();
            if joined.code() != Some("waitlist_not_open") {
                joined.expect(StatusCode::CREATED).unwrap();
                break;
            }
            assert!(started.elapsed() < WITHIN, "it is sold out by now");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let reader = Reader::of(self, sale, &self.gets_mail(email, "Confirm your place").await);
        reader.asks(Method::POST, "/confirm", &Value::Null).await.expect(StatusCode::OK).unwrap();
        reader
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sold_out_tier_that_grows_asks_its_line_first_and_sells_the_rest() {
    let world = World::start().await;
    let sale = world.sells(2).await;
    let (buyer, _) = world.has_bought(&sale).await;
    world.has_bought(&sale).await;
    let mut line = Vec::new();
    for email in ["ada@example.org", "bob@example.org", "eve@example.org"] {
        line.push(world.waits(&sale, email).await);
    }
    world.database.advance_clock(GATHERED_MS).await.unwrap();
    world.grows_to(&sale, 4).await;
    let states = async || {
        let mut states = Vec::new();
        for reader in &line {
            states.push(reader.asks(Method::GET, "", &Value::Null).await.body["state"].clone());
        }
        states
    };
    assert_eq!(states().await, ["offered", "offered", "waiting"]);
    for email in ["ada@example.org", "bob@example.org"] {
        world.gets_mail(email, "Your turn: 1 ×").await;
    }
    assert_eq!(world.counts(FREE).await, 0, "nobody buys past the line");
    world.grows_to(&sale, 9).await;
    assert_eq!(states().await, ["offered"; 3]);
    let order =
        line[0].asks(Method::POST, "/claim", &json!({ "name": "Ada" })).await.expect(StatusCode::CREATED).unwrap();
    let text = |field: &str| order[field].as_str().unwrap().to_owned();
    let order = Order { id: text("id"), token: text("token") };
    let card = sandbox::actors::Card::Visa;
    buyer.pays(&order, card, &world.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
    buyer.waits_until_order_is(&order, "paid", WITHIN).await.unwrap();
    // Of seven new units three are offered; the others are on sale.
    world.stores_agree(&sale).await;
    world.sells_again(&sale).await;
    for _ in 0..4 {
        world.has_bought(&sale).await;
    }
    nothing_is_left_to_do(&world).await;
    assert_eq!((world.counts(SOLD).await, world.counts(FREE).await), (7, 0));
    totals::agree_with_stripe(&world, &sale).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_grows_while_two_hundred_shop() {
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let mut wish = sale(UNITS);
    wish["admission"] = json!({ "rate_per_s": 20, "burst": 5, "max_shoppers": 200 });
    let id = world.organizer.puts_on_sale(&wish).await.unwrap();
    let grows = async {
        for time in 1..=TIMES {
            // In the middle of it, and before anybody can be told that there is nothing left.
            world.waits_until_counted(TAKEN, |taken| taken > i64::from(2 * time)).await;
            world.grows_to(&id, UNITS + MORE * time).await;
        }
    };
    let crowd = crowd(std::slice::from_ref(&world.edge), &id, &world.stripe.base_url(), SHOPPERS, grows).await;
    nothing_is_left_to_do(&world).await;
    world.stores_agree(&id).await;
    let (sold, free) = (world.counts(SOLD).await, world.counts(FREE).await);
    eprintln!("{sold} sold of {}, {free} left: {SHOPPERS} shopped", UNITS + MORE * TIMES);
    assert_eq!(i64::try_from(crowd.paid()).unwrap(), sold, "{:?}", crowd.told);
    assert_eq!(sold + free, i64::from(UNITS + MORE * TIMES));
    // Where everybody was told that it is sold out before Redis heard of more, somebody comes back for it.
    if free > 0 {
        world.sells_again(&id).await;
        world.has_bought(&id).await;
    }
    totals::agree_with_stripe(&world, &id).await;
    world.holds_every_invariant();
}
