//! Redis loses what is held, in the middle of a sale: whoever comes back has the same units, the others' go on sale again.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Answer, Buyer, Card, Hold, Order, Visitor};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::faults::{OPEN, PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::scale::scaled;
use crate::shopper;
use crate::world::{NO_LIMITS, World, sale};

const BOUND: Duration = Duration::from_secs(60);
/// The contract: back after an empty Redis within this.
const REBUILT_WITHIN: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// So many joins and sockets at once are no overload, however busy the machine.
const COME_AT_ONCE: usize = 50;
/// How many units a crowd of twice as many buys in the end.
const RUSH: usize = 60;
/// Long enough for everyone to be back in it on a busy machine.
const WINDOW_S: u32 = 12;
const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";

/// Somebody with units, as they were told.
struct Holder {
    buyer: Buyer,
    hold: Hold,
    told: Value,
}

/// Shows the receipt until the answer is not that a store is away.
async fn reclaims(buyer: &Buyer, hold: &Hold) -> Answer {
    let started = Instant::now();
    loop {
        let answer = buyer.reclaims(hold).await.unwrap();
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert!(started.elapsed() < BOUND, "{answer:?}");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Orders what is held; a gateway may know of the new epoch a tick later than the hold.
async fn orders(buyer: &Buyer, hold: &Hold, email: &str) -> Order {
    let started = Instant::now();
    loop {
        let answer = buyer.asks_to_order(hold, email, "Ada").await.unwrap();
        if answer.status == StatusCode::CREATED {
            let text = |field: &str| answer.body[field].as_str().unwrap().to_owned();
            return Order { id: text("id"), token: text("token") };
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert!(started.elapsed() < BOUND, "{answer:?}");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// So many who hold units, coming some at a time.
async fn holders(world: &World, sale: &str, count: usize) -> Vec<Holder> {
    let mut holders = Vec::new();
    for first in (0..count).step_by(COME_AT_ONCE) {
        let arriving = (first..count.min(first + COME_AT_ONCE)).map(|index| holder(world, sale, 1 + index % 3));
        holders.extend(arriving.collect::<JoinSet<_>>().join_all().await);
    }
    holders
}

fn holder(world: &World, sale: &str, quantity: usize) -> impl Future<Output = Holder> + use<> {
    let (edge, sale) = (world.edge.clone(), sale.to_owned());
    async move {
        let mut visitor = Visitor::new(&edge, &sale);
        visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
        let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
        let answer = buyer.asks_to_hold("ga", u32::try_from(quantity).unwrap()).await.unwrap();
        let told = answer.body.clone();
        Holder { buyer, hold: Hold::of(answer).unwrap(), told }
    }
}

fn units(told: &Value) -> Vec<u64> {
    told["items"].as_array().unwrap().iter().map(|item| item["unit"].as_u64().unwrap()).collect()
}

fn wish(units: usize) -> Value {
    let mut wish = sale(u32::try_from(units).unwrap());
    wish["hold"] = json!({ "reclaim_window_s": WINDOW_S });
    wish
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_emptied_in_mid_sale_gives_everyone_who_comes_back_the_same_units_and_sells_out() {
    let stock = scaled(60, 5_000);
    let (returning, absent) = (stock / 6, stock / 12);
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.organizer.puts_on_sale(&wish(stock)).await.unwrap();
    world.has_bought(&sale).await;
    let newcomer = world.has_turn(&sale).await;
    let returning = holders(&world, &sale, returning).await;
    let absent = holders(&world, &sale, absent).await;

    world.redis.flush().await.unwrap();
    let lost = Instant::now();
    let first = &returning[0];
    let back = reclaims(&first.buyer, &first.hold).await;
    let took = lost.elapsed();
    back.expect(StatusCode::OK).unwrap();
    assert!(took < REBUILT_WITHIN, "{took:?}");

    let refused = newcomer.asks_to_hold("ga", 1).await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable")));
    let retry_after_s: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=WINDOW_S).contains(&retry_after_s), "{refused:?}");

    let mut sending = JoinSet::new();
    for holder in returning {
        sending.spawn(async move {
            let back = reclaims(&holder.buyer, &holder.hold).await;
            let told = back.expect(StatusCode::OK).unwrap();
            assert_eq!((&told["items"], &told["expires_at"]), (&holder.told["items"], &holder.told["expires_at"]));
            let again = reclaims(&holder.buyer, &holder.hold).await;
            assert_eq!(again.expect(StatusCode::OK).unwrap()["items"], holder.told["items"], "twice is once");
            holder
        });
    }
    let returned = sending.join_all().await;
    let all_back = lost.elapsed();
    assert!(all_back < Duration::from_secs(u64::from(WINDOW_S)), "not all were back in the window: {all_back:?}");
    eprintln!("Redis emptied: first hold back after {took:?}, all {} after {all_back:?}", returned.len());

    let mut left = stock - 1 - pay(&world, returned).await;
    // The units of those who did not come back are sold, too; the last ones to a crowd that is too large.
    while left > RUSH {
        let wave = holders(&world, &sale, RUSH / 4).await;
        left -= pay(&world, wave).await;
    }
    let edges = std::slice::from_ref(&world.edge);
    let crowd = shopper::crowd(edges, &sale, &world.stripe.base_url(), 2 * RUSH, async {}).await;
    assert_eq!(crowd.paid(), left, "{:?}", crowd.told);
    let gone = absent[0].buyer.reclaims(&absent[0].hold).await.unwrap();
    assert_eq!(gone.code(), Some("seat_taken"), "{gone:?}");
    assert_eq!(world.counts(SOLD).await, i64::try_from(stock).unwrap());
    works_its_backlog_off(&world).await;
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, i64::try_from(stock).unwrap() * PRICE).await;
    world.holds_every_invariant();
}

/// Waits as long as there is less and less to do: thousands of letters take a while.
async fn works_its_backlog_off(world: &World) {
    let (mut left, mut since) = (world.counts(OPEN).await, Instant::now());
    while left > 0 && since.elapsed() < BOUND {
        tokio::time::sleep(ASK_EVERY).await;
        let now = world.counts(OPEN).await;
        if now < left {
            (left, since) = (now, Instant::now());
        }
    }
}

/// All of them order what they hold and pay for it, some at a time; how many units that was, each of them once.
async fn pay(world: &World, mut holders: Vec<Holder>) -> usize {
    let mut ticketed = Vec::new();
    while !holders.is_empty() {
        let rest = holders.split_off(holders.len().min(COME_AT_ONCE));
        let paying = holders.into_iter().map(|holder| pays(holder, world.stripe.base_url()));
        ticketed.extend(paying.collect::<JoinSet<_>>().join_all().await.into_iter().flatten());
        holders = rest;
    }
    assert_eq!(ticketed.iter().collect::<BTreeSet<_>>().len(), ticketed.len());
    ticketed.len()
}

/// The units of the tickets, which are those that were held.
async fn pays(Holder { buyer, hold, told }: Holder, stripe: String) -> Vec<u64> {
    let order = orders(&buyer, &hold, &format!("{}@example.com", &hold.id[5..])).await;
    buyer.pays(&order, Card::Visa, &stripe).await.unwrap().expect(StatusCode::OK).unwrap();
    let paid = buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
    let tickets = paid["tickets"].as_array().unwrap().iter();
    let mut ticketed: Vec<_> = tickets.map(|ticket| ticket["unit"].as_u64().unwrap()).collect();
    ticketed.sort_unstable();
    assert_eq!(ticketed, units(&told));
    ticketed
}

/// What was given back before the loss is whose it is then, however early the old receipt comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_what_was_given_back_takes_nothing_from_who_holds_it_now() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.organizer.puts_on_sale(&wish(1)).await.unwrap();
    let mut first = Visitor::new(&world.edge, &sale);
    first.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = first.waits_for_turn(BOUND).await.unwrap();
    let old = buyer.holds("ga", 1).await.unwrap();
    buyer.gives_back(&old).await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    let now = world.has_turn(&sale).await;
    let hold = now.holds("ga", 1).await.unwrap();

    world.redis.flush().await.unwrap();
    let refused = reclaims(&buyer, &old).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("hold_expired")));
    let back = reclaims(&now, &hold).await;
    back.expect(StatusCode::OK).unwrap();

    let order = orders(&now, &hold, "ada@example.com").await;
    world.redis.flush().await.unwrap();
    let ordered = reclaims(&now, &hold).await.expect(StatusCode::OK).unwrap();
    assert_eq!(ordered["state"], "committed", "{ordered}");
    now.gives_back(&hold).await.unwrap();
    assert_eq!(now.looks_at_order(&order).await.unwrap().body["state"], "awaiting_payment", "Redis knows no such hold");
    world.holds_every_invariant();
}

/// The page hears of it on its socket, and Redis is lost again before it could send its receipt.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_two_losses_in_a_row_and_its_holder_is_told_of_each() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.organizer.puts_on_sale(&wish(3)).await.unwrap();
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
    let hold = buyer.holds("ga", 2).await.unwrap();
    let held = buyer.looks_at_hold(&hold).await.unwrap().expect(StatusCode::OK).unwrap();
    let mut socket = visitor.watches().await.unwrap();
    for epoch in [2, 3] {
        world.redis.flush().await.unwrap();
        while socket.waits_for("position", BOUND).await.unwrap()["data"]["epoch"] != epoch {}
    }
    let lost = buyer.looks_at_hold(&hold).await.unwrap();
    assert_eq!(lost.code(), Some("hold_not_found"));
    let back = reclaims(&buyer, &hold).await.expect(StatusCode::OK).unwrap();
    assert_eq!(back["items"], held["items"]);
    let looked = buyer.looks_at_hold(&hold).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&looked["items"], &looked["expires_at"]), (&held["items"], &held["expires_at"]));
    world.holds_every_invariant();
}
