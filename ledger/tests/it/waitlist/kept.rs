//! How long units are kept that nobody in line can have: as long as an offer lives, and half an hour at most. Only time in which
//! nobody could have them counts.

use ledger::sales::{sale_pause, sale_resume};
use ledger::waitlist::EntryState;
use serde_json::json;

use super::{GATHERED_MS, Line, sold_out, units};
use crate::world::{TestSale, World};

/// Most of half an hour, and what is missing: either may be minutes late.
const MOST_MS: i64 = 1_500_000;
const REST_MS: i64 = 301_000;

/// A sale of three units whose offers live so long.
async fn with_offers_of(world: &World, ttl_s: u32) -> TestSale<'_> {
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4500, "capacity": 3 }]);
    world.sale_with(json!({ "tiers": tiers, "offer_ttl_s": ttl_s })).await
}

#[tokio::test]
async fn units_that_nobody_can_have_are_kept_for_half_an_hour_where_offers_live_for_a_week() {
    let world = World::new().await;
    let sale = with_offers_of(&world, 604_800).await;
    let orders = sold_out(&sale, 3).await;
    let line = Line { world: &world, sale: &sale };
    let [big, bigger] = line.wait_for([2, 3]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[1].id).await;
    line.passes(MOST_MS).await;
    line.tend().await;
    assert_eq!(line.states([big, bigger]).await, [EntryState::Waiting; 2]);
    line.passes(REST_MS).await;
    line.tend().await;
    assert_eq!(line.states([big, bigger]).await, [EntryState::Offered, EntryState::Waiting]);
    assert_eq!(line.offer(big).await.units, units(&[1]), "fewer than it asked for");
    let left = line.offer(big).await.until.duration_since(world.now().await);
    assert!(left > jiff::SignedDuration::from_hours(167), "the offer itself lives for its week: {left:#}");
    world.audits_clean().await;
}

#[tokio::test]
async fn where_offers_live_shorter_units_are_kept_no_longer_than_they_do() {
    let world = World::new().await;
    let sale = with_offers_of(&world, 900).await;
    let orders = sold_out(&sale, 3).await;
    let line = Line { world: &world, sale: &sale };
    let [big] = line.wait_for([2]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    line.passes(600_000).await;
    line.tend().await;
    assert_eq!(line.state(big).await, EntryState::Waiting);
    line.passes(REST_MS).await;
    line.tend().await;
    assert_eq!(line.offer(big).await.units, units(&[0]));
    world.audits_clean().await;
}

/// While the queue has its time to join, and in a pause, nobody is asked: that is no time in which nobody could have them.
#[tokio::test]
async fn neither_the_time_of_the_queue_nor_a_pause_counts() {
    let world = World::new().await;
    let sale = with_offers_of(&world, 604_800).await;
    let orders = sold_out(&sale, 3).await;
    let line = Line { world: &world, sale: &sale };
    let [big] = line.wait_for([2]).await;
    line.gives_back(orders[0].id).await;
    line.passes(GATHERED_MS).await;
    line.tend().await;
    line.passes(MOST_MS).await;
    line.tend().await;
    assert_eq!(line.state(big).await, EntryState::Waiting, "half an hour, five minutes of which were the queue's");

    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    line.passes(3_600_000).await;
    line.tend().await;
    sale_resume(&world.gateway, sale.organizer, sale.id).await.unwrap();
    line.tend().await;
    assert_eq!(line.state(big).await, EntryState::Waiting, "an hour longer, all of it a pause");
    line.passes(REST_MS).await;
    line.tend().await;
    assert_eq!(line.offer(big).await.units, units(&[0]));
    world.audits_clean().await;
}

/// What comes back in a pause is asked for when the sale goes on.
#[tokio::test]
async fn what_comes_back_in_a_pause_is_kept_from_its_end_on() {
    let world = World::new().await;
    let sale = with_offers_of(&world, 604_800).await;
    let orders = sold_out(&sale, 3).await;
    let line = Line { world: &world, sale: &sale };
    let [big] = line.wait_for([2]).await;
    line.passes(GATHERED_MS).await;
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    line.gives_back(orders[0].id).await;
    line.passes(3_600_000).await;
    sale_resume(&world.gateway, sale.organizer, sale.id).await.unwrap();
    line.tend().await;
    assert_eq!(line.state(big).await, EntryState::Waiting);
    line.passes(MOST_MS).await;
    line.tend().await;
    assert_eq!(line.state(big).await, EntryState::Waiting);
    line.passes(REST_MS).await;
    line.tend().await;
    assert_eq!(line.offer(big).await.units, units(&[0]));
    world.audits_clean().await;
}
