//! The process clock of one of two gateways is off by more than an hour: nothing opens early, nothing ends early, nobody
//! is kept out. The clocks of the stores decide, and they are right.

use std::time::Duration;

use domain::clock::Clock;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use sandbox::actors::{ActorError, Buyer, Hold, Visitor};
use sandbox::shared;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{DOORS_OFFSET_MS, SOON, SecondGateway, World, jazz, jazz_with};

/// More than from the prequeue to the doors.
const OFF_BY: SignedDuration = SignedDuration::from_mins(90);
/// When the second phase of [`two_phases`] opens, from the beginning of the first.
const SECOND_IN: SignedDuration = SignedDuration::from_mins(60);
/// Ticks in which something that must not happen would: ten of an open sale, two of any other.
const WATCHED_FOR: Duration = Duration::from_secs(2);

fn now() -> Timestamp {
    Clock::system().now()
}

async fn ahead(world: &World) -> SecondGateway {
    world.second_gateway_by(Clock::stopped(now() + OFF_BY)).await
}

async fn behind(world: &World) -> SecondGateway {
    world.second_gateway_by(Clock::stopped(now() - OFF_BY)).await
}

#[tokio::test]
async fn a_gateway_whose_clock_is_ahead_opens_no_door_before_its_time() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(10)).await;
    let ahead = ahead(&world).await;
    let mut visitor = Visitor::new(&ahead.edge, &sale);
    visitor.registers().await.unwrap();
    for edge in [&ahead.edge, &world.edge] {
        let path = format!("/v1/sales/{sale}");
        eventually("the sale is shown", async || {
            let seen = edge.ask(http::Method::GET, &path, &[], &Value::Null).await.unwrap();
            seen.status == StatusCode::OK && seen.body["state"] == "prequeue"
        })
        .await;
    }
    let waits = visitor.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&waits["state"], &waits["sale_state"]), (&json!("prequeue"), &json!("prequeue")), "{waits}");
    assert_eq!((&waits["number"], &waits["pass"]), (&Value::Null, &Value::Null), "{waits}");

    world.doors_open(&sale).await;
    world.draws(&sale).await;
    visitor.polls_for_turn(SOON).await.unwrap();
    ahead.stop().await;
    world.stop().await;
}

/// A gateway that has just started knows no time but that of its process.
#[tokio::test]
async fn a_gateway_that_starts_with_its_clock_ahead_lets_nobody_in_between_two_phases() {
    let world = World::new().await;
    let sale = world.sale(&two_phases(SignedDuration::from_secs(3), Draw::None)).await;
    let mut first = Visitor::new(&world.edge, &sale);
    first.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    first.polls_for_turn(SOON).await.unwrap();
    let mut next = Visitor::new(&world.edge, &sale);
    next.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let mut socket = next.watches().await.unwrap();
    let closed = |frame: &Value| frame["type"] == "sale" && frame["data"]["state"] == "scheduled";
    socket.waits_until("the end of the first phase", SOON, closed).await.unwrap();
    first.leaves().await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();

    for _ in 0..3 {
        let ahead = ahead(&world).await;
        let mut there = Visitor::new(&ahead.edge, &sale);
        there.shows(next.place().unwrap());
        let early = there.watches().await.unwrap().waits_for("admitted", WATCHED_FOR).await;
        assert!(matches!(early, Err(ActorError::Late { .. })), "{early:?}");
        ahead.stop().await;
    }
    open_second_phase(&world, &sale).await;
    socket.waits_for("admitted", SOON).await.unwrap();
    world.stop().await;
}

/// The numbers of a draw come before those of who walks up; a draw that is an hour away is nothing to wait for.
#[tokio::test]
async fn a_gateway_that_starts_with_its_clock_ahead_keeps_nobody_waiting_for_a_later_draw() {
    let world = World::new().await;
    let sale = world.sale(&two_phases(SECOND_IN - SignedDuration::from_mins(1), Draw::Held)).await;
    for _ in 0..3 {
        let ahead = ahead(&world).await;
        for edge in [&ahead.edge, &world.edge] {
            let mut visitor = Visitor::new(edge, &sale);
            let joined = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
            assert!(joined["place"]["number"].is_u64(), "{joined}");
            visitor.leaves().await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
        }
        ahead.stop().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn through_a_gateway_whose_clock_is_ahead_nothing_ends_early() {
    let world = World::new().await;
    let sale = world.sale(&jazz(10)).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    let ahead = ahead(&world).await;
    goes_on(&ahead, &sale, &buyer, &hold).await;
    assert_eq!(buyer.looks_at_hold(&hold).await.unwrap().status, StatusCode::OK);
    ahead.stop().await;
    world.stop().await;
}

#[tokio::test]
async fn a_gateway_whose_clock_is_behind_keeps_nobody_out() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "opens_at": now().to_string() }))).await;
    let behind = behind(&world).await;
    let mut visitor = Visitor::new(&behind.edge, &sale);
    let joined = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(joined["place"]["number"], 1, "{joined}");
    let buyer = visitor.polls_for_turn(SOON).await.unwrap();
    let hold = buyer.holds("ga", 1).await.unwrap();
    goes_on(&behind, &sale, &buyer, &hold).await;
    behind.stop().await;
    world.stop().await;
}

/// The hold is good, and so are the pass and the order, whatever that gateway's clock says.
async fn goes_on(gateway: &SecondGateway, sale: &str, buyer: &Buyer, hold: &Hold) {
    let there = Buyer::new(&gateway.edge, sale, "10.3.3.3", buyer.pass());
    assert_eq!(there.looks_at_hold(hold).await.unwrap().status, StatusCode::OK);
    let order = there.orders(hold, "ada@example.org", "Ada Lovelace").await.unwrap();
    let order = there.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(order["state"], "awaiting_payment", "{order}");
}

/// Whether the second phase begins with a draw.
#[derive(Clone, Copy)]
enum Draw {
    Held,
    None,
}

/// A sale for one shopper at a time: a phase from now until then, another one after [`SECOND_IN`].
fn two_phases(first_lasts: SignedDuration, draw: Draw) -> Value {
    let (opens, closes, again) = (now(), now() + first_lasts, now() + SECOND_IN);
    let prequeue = match draw {
        Draw::Held => again - SignedDuration::from_mins(1),
        Draw::None => again,
    };
    let phases = json!([
        { "id": "first", "prequeue_opens_at": opens, "opens_at": opens, "closes_at": closes },
        { "id": "second", "prequeue_opens_at": prequeue, "opens_at": again },
    ]);
    jazz_with(10, json!({ "opens_at": opens, "phases": phases, "admission": { "max_shoppers": 1 } }))
}

async fn open_second_phase(world: &World, sale: &str) {
    world.postgres_opens_doors().await;
    let redis = &shared().await.unwrap().redis;
    redis.set_clock_offset(&world.clock_of(sale), DOORS_OFFSET_MS).await.unwrap();
}
