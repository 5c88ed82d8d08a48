//! Whole sell-outs while every tenth reply of Redis is lost, and the connection with it: of general admission, of named
//! seats, and of seats side by side. What was answered late or to nobody is asked again and answered as the first time.

use std::collections::BTreeSet;
use std::sync::Arc;

use admission::keys::SaleKeys;
use http::{Method, StatusCode};
use sandbox::LostReplies;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::holders::works_its_backlog_off;
use crate::scale::scaled;
use crate::shopper::{Shopper, Step, Told, text};
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, sale};

/// So many shop at once: each lost reply takes a connection along that others wait on.
const SHOP_AT_ONCE: usize = 40;
const ROW_SEATS: usize = 10;
/// What each buyer takes: rows come out even, so the last one gets as many.
const UNITS_EACH: usize = 2;
const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";

#[tokio::test(flavor = "multi_thread")]
async fn general_admission_sells_out_though_every_tenth_reply_is_lost() {
    let tier = json!({ "id": "ga", "name": "Standing", "price": 4_500, "capacity": stock() });
    sells_out(tier, |_| json!({ "tier": "ga", "quantity": UNITS_EACH })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_seats_sell_out_though_every_tenth_reply_is_lost() {
    sells_out(stalls(), |buyer| {
        let (row, first) = (buyer * UNITS_EACH / ROW_SEATS, buyer * UNITS_EACH % ROW_SEATS);
        let seats: Vec<_> = (1..=UNITS_EACH).map(|seat| format!("R{row}-{}", first + seat)).collect();
        json!({ "tier": "stalls", "seats": seats })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_side_by_side_sell_out_though_every_tenth_reply_is_lost() {
    sells_out(stalls(), |_| json!({ "tier": "stalls", "quantity": UNITS_EACH, "together": true })).await;
}

fn stock() -> usize {
    scaled(40, 5_000)
}

fn stalls() -> Value {
    let rows: Vec<_> =
        (0..stock() / ROW_SEATS).map(|row| json!({ "row": format!("R{row}"), "seats": ROW_SEATS })).collect();
    json!({ "id": "stalls", "name": "Stalls", "price": 4_500, "rows": rows })
}

/// Exactly as many come as there are units for, so a unit that were held for nobody would be missed.
async fn sells_out(tier: Value, wish_of: impl Fn(usize) -> Value) {
    let (stock, buyers) = (stock(), stock() / UNITS_EACH);
    let world = World::start_behind_proxies(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let mut config = sale(1);
    config["tiers"] = json!([tier]);
    let sale = world.organizer.puts_on_sale(&config).await.unwrap();
    let redis = &world.proxies.as_ref().unwrap().redis;
    redis.lose_replies(LostReplies::EveryNth(10), b"EVALSHA");
    let (room, mut shopping) = (Arc::new(Semaphore::new(SHOP_AT_ONCE)), JoinSet::new());
    for buyer in 0..buyers {
        let place = Arc::clone(&room).acquire_owned().await.unwrap();
        let edges = std::slice::from_ref(&world.edge);
        let shopper = Shopper::new(edges, &sale, &world.stripe.base_url(), buyer).of_units(UNITS_EACH);
        let wish = wish_of(buyer);
        shopping.spawn(async move {
            let units = buys_as_wished(shopper, wish).await;
            drop(place);
            units
        });
    }
    let units: Vec<_> = shopping.join_all().await.into_iter().flatten().collect();
    redis.lose_replies(LostReplies::None, b"");
    eprintln!("{stock} units to {buyers} buyers: {} replies lost", redis.lost());
    assert!(redis.lost() > buyers as u64 / 4, "only {} replies were lost", redis.lost());

    assert_eq!((units.len(), units.iter().collect::<BTreeSet<_>>().len()), (stock, stock));
    assert_eq!(world.counts(SOLD).await, i64::try_from(stock).unwrap());
    let holds = SaleKeys::new(sale.parse().unwrap()).epoch().replace(":epoch", ":holds");
    let ever_held: usize = world.redis.command(&["HLEN", &holds]).await.unwrap().parse().unwrap();
    assert_eq!(ever_held, buyers, "a hold that no buyer was told of");
    works_its_backlog_off(&world).await;
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, i64::try_from(stock).unwrap() * PRICE).await;
    world.holds_every_invariant();
}

/// The units that somebody bought, each by its number.
async fn buys_as_wished(mut shopper: Shopper, wish: Value) -> Vec<u64> {
    let pass = shopper.turn().await.unwrap_or_else(|state| panic!("no turn: {state}"));
    let (key, body) = (Uuid::new_v4().to_string(), json!({ "items": [wish] }));
    let held = shopper.asks(Method::POST, "holds", Some(&pass), Some(&key), &body).await;
    assert_eq!(held.status, StatusCode::CREATED, "{held:?}");
    let again = shopper.asks(Method::POST, "holds", Some(&pass), Some(&key), &body).await;
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    for field in ["id", "items", "total"] {
        assert_eq!(again.body[field], held.body[field], "{field} of a repeated request");
    }
    // A machine so busy that no gateway ticked gives that time back.
    assert!(text(&again.body, "expires_at") >= text(&held.body, "expires_at"), "{again:?}");
    let hold = text(&held.body, "id");
    let Step::End(Told::Paid(order)) = shopper.buys_held(&pass, &hold).await else { panic!("{hold} was not bought") };
    let last = shopper.asks(Method::POST, "holds", Some(&pass), Some(&key), &body).await;
    assert_eq!(last.body["id"], held.body["id"], "{order}");
    // The commit may have been on a connection that broke: then the sweep finds the order.
    let state = text(&last.body, "state");
    assert!(["frozen", "committed"].contains(&state.as_str()), "{order} and its hold is {state}");
    let units: Vec<_> =
        held.body["items"].as_array().unwrap().iter().map(|item| item["unit"].as_u64().unwrap()).collect();
    assert_eq!(units.len(), UNITS_EACH, "{held:?}");
    if let Some(seats) = body["items"][0]["seats"].as_array() {
        let had: Vec<_> = held.body["items"].as_array().unwrap().iter().map(|item| &item["seat"]).collect();
        assert_eq!(had, seats.iter().collect::<Vec<_>>());
    }
    units
}
