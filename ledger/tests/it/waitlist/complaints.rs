//! What people complain about in waiting lists elsewhere (pretix #2119, #1163, #1405, #1031, #681), as what does not happen here.

use ledger::orders::{CreateOrder, order_cancel};
use ledger::sales::{sale_pause, sale_resume};
use ledger::waitlist::claims::Claim;
use ledger::waitlist::{Confirm, EntryState, Join};
use serde_json::json;

use super::{GATHERED_MS, LAPSED_MS, Line, ga, sold_out, units};
use crate::world::{Price, World};

/// "Last come, first served": the latest of many gets nothing before the first.
#[tokio::test]
async fn the_first_is_served_first_and_the_last_last() {
    let world = World::new().await;
    let sale = world.sale(6, Price::Paid).await;
    let orders = sold_out(&sale, 6).await;
    let line = Line { world: &world, sale: &sale };
    let entries = line.wait_for([1, 1, 1, 1, 1, 1]).await;
    line.passes(GATHERED_MS).await;
    // Units come back in another order than people came.
    for (served, order) in orders.iter().rev().enumerate() {
        line.gives_back(order.id).await;
        for (place, entry) in entries.iter().enumerate() {
            let expected = if place <= served { EntryState::Offered } else { EntryState::Waiting };
            assert_eq!(line.state(*entry).await, expected, "entry {place} after {served}");
        }
    }
    world.audits_clean().await;
}

/// "The voucher works again after the order was cancelled": an offer is claimed once, and its units go to the next.
#[tokio::test]
async fn a_claim_that_was_cancelled_does_not_bring_its_offer_back() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [first, second] = line.wait_for([1, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    let Claim::Created(order) = line.claims(first).await else { panic!("an order") };
    order_cancel(&world.gateway, sale.id, order.id).await.unwrap();
    let Claim::Existing(again) = line.claims(first).await else { panic!("the order that it was") };
    assert_eq!((again.id, again.state), (order.id, domain::order::OrderState::Cancelled));
    assert_eq!(line.offer(second).await.units, units(&[0]));
    assert!(matches!(line.claims(second).await, Claim::Created(_)));
    world.audits_clean().await;
}

/// "Sent after the event had started", "after the last day to pay": nothing is offered that nobody would have the time to claim,
/// and no offer outlives the end of selling. What comes back then is for who is there.
#[tokio::test]
async fn nothing_is_offered_near_the_end_of_selling_or_after_it() {
    let world = World::new().await;
    // A hold lasts 900 s at most, so an offer has as long at least.
    let closes_at = world.now().await + jiff::SignedDuration::from_secs(2_000);
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4500, "capacity": 2 }]);
    let opens_at = "2026-01-01T10:00:00Z";
    let sale = world.sale_with(json!({ "opens_at": opens_at, "closes_at": closes_at, "tiers": tiers })).await;
    let orders = sold_out(&sale, 2).await;
    let line = Line { world: &world, sale: &sale };
    let [first, second] = line.wait_for([1, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    assert!(line.offer(first).await.until <= closes_at, "as long as there is time");
    line.passes(900_000).await;
    line.gives_back(orders[1].id).await;
    assert_eq!(line.state(second).await, EntryState::Waiting, "799 s are no time");
    line.tend().await;
    assert_eq!(line.state(second).await, EntryState::Over);
    assert_eq!(line.on_sale_again().await, [1], "for whoever is at the counter");
    assert_eq!(line.joins(&sale.wish(1)).await, Join::Over(ga()));
    assert!(matches!(line.claims(first).await, Claim::Created(_)), "who has an offer may claim it");
    world.audits_clean().await;
}

/// "Freed seats were bought by others before anybody on the list heard of them": while somebody waits, a hold cannot become an order.
#[tokio::test]
async fn nobody_buys_past_the_line_while_an_offer_goes_from_one_to_the_next() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let entries = line.wait_for([1, 1, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    for entry in entries {
        assert_eq!(line.state(entry).await, EntryState::Offered);
        assert!(matches!(sale.creates(&sale.order([0])).await, CreateOrder::UnitsLost(_)));
        assert!(line.on_sale_again().await.is_empty());
        line.passes(LAPSED_MS).await;
        assert_eq!(line.lapse().await, 1);
    }
    assert_eq!(line.on_sale_again().await, [0]);
    sale.has_order([0]).await;
    world.audits_clean().await;
}

/// "It says that I am on the list, and nothing is sold out": a list for what can be bought is a list for nothing.
#[tokio::test]
async fn nobody_waits_while_units_are_on_sale() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    sale.has_order([0]).await;
    let line = Line { world: &world, sale: &sale };
    let wish = sale.wish(1);
    line.joins(&wish).await;
    assert_eq!(line.confirms(wish.id).await, Confirm::OnSale(ga()));
    assert_eq!(line.state(wish.id).await, EntryState::Unconfirmed);
    world.audits_clean().await;
}

/// The same where nobody said when selling ends: the last performance begins.
#[tokio::test]
async fn nothing_is_offered_near_the_beginning_of_the_last_performance() {
    let world = World::new().await;
    let starts_at = world.now().await + jiff::SignedDuration::from_secs(2_000);
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4500, "capacity": 2 }]);
    let sale = world.sale_with(json!({ "performances": [{ "starts_at": starts_at }], "tiers": tiers })).await;
    let orders = sold_out(&sale, 2).await;
    let line = Line { world: &world, sale: &sale };
    let [first, second] = line.wait_for([1, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    assert!(line.offer(first).await.until <= starts_at, "as long as there is time");
    line.passes(900_000).await;
    line.gives_back(orders[1].id).await;
    line.tend().await;
    assert_eq!(line.state(second).await, EntryState::Over);
    assert_eq!(line.on_sale_again().await, [1]);
    world.audits_clean().await;
}

/// A pause makes offers longer, and not the time to sell.
#[tokio::test]
async fn no_offer_outlives_the_end_of_selling_by_a_pause() {
    let world = World::new().await;
    let closes_at = world.now().await + jiff::SignedDuration::from_mins(40);
    let opens_at = "2026-01-01T10:00:00Z";
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4500, "capacity": 1 }]);
    let sale = world.sale_with(json!({ "opens_at": opens_at, "closes_at": closes_at, "tiers": tiers })).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [entry] = line.wait_for([1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    assert_eq!(line.state(entry).await, EntryState::Offered);
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    line.passes(7_200_000).await;
    sale_resume(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert!(line.offer(entry).await.until <= closes_at);
    assert_eq!(line.claims(entry).await, Claim::NotOffered(EntryState::Lapsed));
    assert_eq!(line.lapse().await, 1);
    assert_eq!(line.state(entry).await, EntryState::Lapsed);
    assert_eq!(line.on_sale_again().await, [0]);
    world.audits_clean().await;
}
