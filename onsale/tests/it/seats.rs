//! Groups that want to sit together, from the hold to their tickets.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Buyer, Card, Edge, Hold, Visitor};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, sale};

const WITHIN: Duration = Duration::from_secs(60);
/// Two fit thrice into each of three rows of six.
const GROUPS: usize = 14;
const GROUPS_SEATED: usize = 9;

#[tokio::test(flavor = "multi_thread")]
async fn groups_sit_together_until_the_hall_is_full() {
    let world = World::start().await;
    let mut hall = sale(1);
    let rows = ["A", "B", "C"].map(|row| json!({ "row": row, "seats": 6 }));
    hall["tiers"] = json!([{ "id": "stalls", "name": "Stalls", "price": 8_000, "rows": rows }]);
    let sale = world.organizer.puts_on_sale(&hall).await.unwrap();
    let mut groups = JoinSet::new();
    for group in 0..GROUPS {
        let (edge, sale, stripe) = (world.edge.clone(), sale.clone(), world.stripe.base_url());
        groups.spawn(async move { sits_down(&edge, &sale, &stripe, group).await });
    }
    let (mut seated, mut had) = (0, BTreeSet::new());
    while let Some(group) = groups.join_next().await {
        if let Some(seats) = group.unwrap() {
            seated += 1;
            had.extend(seats);
        }
    }
    assert_eq!((seated, had.len()), (GROUPS_SEATED, 2 * GROUPS_SEATED), "{had:?}");
    assert_eq!(world.counts("SELECT count(*) FROM units WHERE state = 'sold'").await, 18);
    world.holds_every_invariant();
}

/// The seats on the group's tickets; none when it could not sit together.
async fn sits_down(edge: &Edge, sale: &str, stripe: &str, group: usize) -> Option<Vec<(String, u32)>> {
    let mut visitor = Visitor::new(edge, sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = visitor.waits_for_turn(WITHIN).await.unwrap();
    let hold = holds_together(&buyer).await?;
    let order = buyer.orders(&hold, &format!("group-{group}@example.com"), "Ada").await.unwrap();
    buyer.pays(&order, Card::Visa, stripe).await.unwrap().expect(StatusCode::OK).unwrap();
    let paid = buyer.waits_until_order_is(&order, "paid", WITHIN).await.unwrap();
    let mut seats: Vec<_> = paid["tickets"].as_array().unwrap().iter().map(row_and_number).collect();
    seats.sort_unstable();
    let [(row, first), (other_row, second)] = seats.as_slice() else { panic!("two seats: {paid}") };
    assert!(row == other_row && first + 1 == *second, "{seats:?} are not side by side");
    Some(seats)
}

async fn holds_together(buyer: &Buyer) -> Option<Hold> {
    let answer =
        buyer.asks_to_hold_items(&json!([{ "tier": "stalls", "quantity": 2, "together": true }])).await.unwrap();
    if answer.status == StatusCode::CONFLICT {
        let code = answer.code().unwrap();
        assert!(["none_together", "all_held", "too_few_left", "sold_out"].contains(&code), "{code}");
        return None;
    }
    Some(Hold::of(answer).unwrap())
}

fn row_and_number(ticket: &Value) -> (String, u32) {
    let (row, number) = ticket["seat"].as_str().unwrap().rsplit_once('-').unwrap();
    (row.to_owned(), number.parse().unwrap())
}
