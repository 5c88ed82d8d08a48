//! More buyers than units.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Card, Edge, Hold, Turn, Visitor};

use tokio::task::JoinSet;

use crate::totals;
use crate::world::{STRIPE_TAKES_ALL, World};

const BUYERS: usize = 200;
const UNITS: u32 = 50;
const TURN_WITHIN: Duration = Duration::from_secs(60);
const PAID_WITHIN: Duration = Duration::from_secs(60);
/// 45.00 and a fee of 1.50 and 7 % of both, in cents.
const PRICE: i64 = 4_500 + 150 + 326;

/// What a buyer was told in the end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Paid,
    Refused(String),
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_buyers_for_fifty_units_leave_fifty_sold_and_everyone_told() {
    let world = World::start_and_set(&[STRIPE_TAKES_ALL]).await;
    let sale = world.sells(UNITS).await;
    let mut buyers = JoinSet::new();
    for number in 0..BUYERS {
        let (edge, sale, stripe) = (world.edge.clone(), sale.clone(), world.stripe.base_url());
        buyers.spawn(async move { tries_to_buy(&edge, &sale, &stripe, number).await });
    }
    let mut told = BTreeMap::new();
    while let Some(buyer) = buyers.join_next().await {
        *told.entry(buyer.unwrap()).or_insert(0_usize) += 1;
    }
    assert_eq!(told.get(&Told::Paid), Some(&50), "{told:?}");
    let refused: usize = told.iter().filter(|(told, _)| matches!(told, Told::Refused(_))).map(|(_, count)| count).sum();
    assert_eq!(refused, 150, "{told:?}");
    assert!(
        told.keys().all(|told| match told {
            Told::Paid => true,
            Told::Refused(code) => code == "all_held" || code == "sold_out",
        }),
        "{told:?}"
    );
    everything_sold_is_accounted_for(&world).await;
    totals::agree_with_stripe(&world, &sale).await;
    totals::refunds_at_stripe(&world, 1_234).await;
    totals::agree_with_stripe(&world, &sale).await;
    world.holds_every_invariant();
}

async fn everything_sold_is_accounted_for(world: &World) {
    assert_eq!(world.counts("SELECT count(*) FROM units WHERE state = 'sold'").await, i64::from(UNITS));
    let ticketed = "SELECT count(DISTINCT (tier_id, unit_no)) FROM tickets WHERE state = 'valid'";
    assert_eq!(world.counts(ticketed).await, i64::from(UNITS));
    let unbalanced = "SELECT count(*) FROM (SELECT FROM entries GROUP BY transfer_id, unit_of_account
                      HAVING sum(amount) <> 0) AS unbalanced";
    assert_eq!(world.counts(unbalanced).await, 0);
    assert_eq!(world.stripe.captured_total("eur"), PRICE * i64::from(UNITS));
    let clearing = "SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account = 'payment_clearing'";
    assert_eq!(world.counts(clearing).await, PRICE * i64::from(UNITS));
    let mails = world.waits_for_mails(UNITS as usize).await;
    let mut recipients: Vec<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((mails.len(), recipients.len()), (UNITS as usize, UNITS as usize));
    world.holds_every_invariant();
}

async fn tries_to_buy(edge: &Edge, sale: &str, stripe: &str, number: usize) -> Told {
    let mut visitor = Visitor::new(edge, sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = match visitor.waits_for_turn_or_end(TURN_WITHIN).await.unwrap() {
        Turn::Comes(buyer) => buyer,
        Turn::NeverComes(state) => return Told::Refused(state),
    };
    let held = buyer.asks_to_hold("ga", 1).await.unwrap();
    if held.status == StatusCode::CONFLICT {
        return Told::Refused(held.code().unwrap_or_default().to_owned());
    }
    let hold = Hold::of(held).unwrap();
    let order = buyer.orders(&hold, &format!("buyer{number}@example.com"), "A Buyer").await.unwrap();
    buyer.pays_in_a_rush(&order, Card::Visa, stripe, PAID_WITHIN).await.unwrap();
    let paid = buyer.waits_until_order_is(&order, "paid", PAID_WITHIN).await.unwrap();
    assert_eq!(paid["tickets"].as_array().map(Vec::len), Some(1), "{paid}");
    Told::Paid
}

/// The slot of who has bought goes to the next in line long before the session would end.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_bought_makes_room_for_the_next_in_line() {
    let world = World::start().await;
    let mut sale = crate::world::sale(5);
    sale["admission"]["max_shoppers"] = serde_json::json!(1);
    let sale = world.organizer.puts_on_sale(&sale).await.unwrap();
    let (mut first, mut second) = (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale));
    first.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = first.waits_for_turn(TURN_WITHIN).await.unwrap();
    second.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(second.polls().await.unwrap().body["state"], "waiting");

    let hold = buyer.holds("ga", 1).await.unwrap();
    let order = buyer.orders(&hold, "ada@example.com", "Ada").await.unwrap();
    buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
    buyer.waits_until_order_is(&order, "paid", PAID_WITHIN).await.unwrap();

    second.waits_for_turn(TURN_WITHIN).await.unwrap();
    world.holds_every_invariant();
}
